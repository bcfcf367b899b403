"""All benchmarks of speed, one after the other, into one JSON and one table: what `make bench` does.

    python tests/benchmarks/all.py                           about an hour on two quiet cores
    python tests/benchmarks/all.py --only busy startup --output FOLDER

Each is a command of its own, which can be run alone; its words are in FOLDER/NAME.txt, its figures in
FOLDER/bench.json, and in FOLDER/bench.md a table of all ratios with their spread, and one of last lines. It ends with 1
where one of them does not give what is asked.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from translate.device import kind_of

HERE = Path(__file__).parent
COMMANDS: dict[str, list[str]] = {
    "pix2pix": ["training.py", "--json", "JSON"],
    "pix2pix-8": ["training.py", "--batch", "8", "--json", "JSON"],
    "cyclegan": ["training.py", "--game", "cyclegan", "--rounds", "4", "--json", "JSON"],
    "pix2pix-fp32": ["training.py", "--precision", "fp32", "--json", "JSON"],
    "cyclegan-fp32": ["training.py", "--game", "cyclegan", "--precision", "fp32", "--rounds", "4", "--json", "JSON"],
    "busy": ["busy.py", "--json", "JSON"],
    "saving": ["saving.py", "--json", "JSON"],
    "folder": ["folder.py", "--json", "JSON"],
    "startup": ["startup.py", "--json", "JSON"],
}
"""Scripts with their arguments, by name; JSON is the file for their figures."""


def run(name: str, folder: Path) -> dict[str, Any]:
    """Runs one of them; its exit code, seconds, last line and figures."""
    figures = folder / f"{name}.json"
    figures.unlink(missing_ok=True)
    script, *arguments = COMMANDS[name]
    arguments = [str(figures) if word == "JSON" else word for word in arguments]
    began = time.monotonic()
    done = subprocess.run([sys.executable, HERE / script, *arguments], check=False, capture_output=True, text=True)
    said = done.stdout + done.stderr
    (folder / f"{name}.txt").write_text(said, "utf-8")
    result: dict[str, Any] = {"command": " ".join(["python", f"tests/benchmarks/{script}", *COMMANDS[name][1:]])}
    result |= {"exit": done.returncode, "seconds": round(time.monotonic() - began, 1)}
    result["last_line"] = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    result["figures"] = json.loads(figures.read_text("utf-8")) if figures.exists() else None
    return result


def table(report: dict[str, Any]) -> str:
    """The report in Markdown: each ratio as its median with the least and the most, then how each benchmark ended."""
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines = [f"{machine}\n", "| benchmark | measured | median | least to most |", "|---|---|---|---|"]
    for name, result in report["results"].items():
        ratios = (result["figures"] or {}).get("ratios") or {}
        for measured in (measured for measured, each in ratios.items() if each):
            each = ratios[measured]
            lines.append(f"| {name} | {measured} | {each['median']:.3f} | {each['least']:.3f} to {each['most']:.3f} |")
    lines += ["", "| benchmark | seconds | exit | its last line |", "|---|---|---|---|"]
    for name, result in report["results"].items():
        last = result["last_line"].replace("|", "\\|")
        lines.append(f"| {name} | {result['seconds']:.0f} | {result['exit']} | {last} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*COMMANDS], default=[*COMMANDS])
    parser.add_argument("--output", type=Path, default=Path("bench"))
    chosen = parser.parse_args()
    folder: Path = chosen.output.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"kind": kind_of(torch.device("cpu")), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    machine |= {"torch": torch.__version__, "python": platform.python_version()}
    report: dict[str, Any] = {"machine": machine, "results": {}}
    for name in chosen.only:
        print(f"{name} ...", flush=True)
        report["results"][name] = run(name, folder)
        # after each: what is there stays, whatever happens to the next
        (folder / "bench.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        (folder / "bench.md").write_text(table(report), "utf-8")
        print(report["results"][name]["last_line"], flush=True)
    if any(result["exit"] for result in report["results"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
