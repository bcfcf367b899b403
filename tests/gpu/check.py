"""Checks everything on a device, section by section, and prints a table; `sh tests/gpu/check.sh` starts it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from numbers_of import correctness, graphs, precisions, resume, waits
from rates import rates
from section import Options, Row
from whole import convert, export, pipeline

from translate.device import precision, resolve
from translate.errors import TranslateError

SECTIONS: dict[str, Callable[[Options], Iterator[Row]]] = {
    "correctness": correctness,
    "resume": resume,
    "precisions": precisions,
    "graphs": graphs,
    "waits": waits,
    "rates": rates,
    "pipeline": pipeline,
    "convert": convert,
    "export": export,
}


def machine(device: str) -> str:
    """The device in words."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    elif device.startswith("xpu"):
        name = torch.xpu.get_device_name(device)
    else:
        name = platform.processor() or platform.machine()
    return f"{name} ({device}), torch {torch.__version__}, `precision: auto` is {precision('auto', device)}"


def checked(name: str, options: Options) -> list[Row]:
    """The rows of a section; one that breaks is a row as well."""
    rows = []
    try:
        for row in SECTIONS[name](options):
            print(f"  {row}", flush=True)
            rows.append(row)
    except Exception as error:
        rows.append(Row(name, False, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"))
        print(f"  {rows[-1]}", flush=True)
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small networks and few steps, for a processor")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows")
    chosen = parser.parse_args(arguments)
    names = chosen.sections.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    try:
        device = resolve(chosen.device)
    except TranslateError as error:
        parser.error(str(error))
    began, rows = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        options = Options(device, chosen.tiny, Path(folder))
        for name in names:
            print(f"{name} ({time.monotonic() - began:.0f} s)", flush=True)
            rows[name] = checked(name, options)
    every = [row for group in rows.values() for row in group]
    failed = sum(row.passed is False for row in every)
    print(f"\n{machine(device)}\n\n| checked | | |\n|---|---|---|")
    for row in every:
        print(row)
    print(f"\n{len(every) - failed} of {len(every)} rows without a fault, in {time.monotonic() - began:.0f} s")
    if chosen.json:
        content = {name: [asdict(row) for row in group] for name, group in rows.items()}
        chosen.json.write_text(json.dumps({"machine": machine(device), "sections": content}, indent=2))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
