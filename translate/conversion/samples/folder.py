"""Samples into a folder: images from nothing, a row for each, and a sheet."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import Console, Route
from translate.conversion.samples.sheets import SampleOptions
from translate.errors import ConfigError
from translate.imaging.grid import mosaic, picture_of
from translate.imaging.io import encode, write
from translate.inference.sampling import of_number, of_sample, sampled
from translate.inference.translator import Translator
from translate.storage.atomic import write_bytes, write_json

RESULTS, SETTINGS, CONTACT = "results.jsonl", ".samples.json", "contact.png"
SHOWN, COLUMNS, LONGEST = 64, 8, 256
"""Samples on the contact sheet, how many stand beside each other, and the longest side of each in pixels."""


def sample_folder(
    translator: Translator, output: Path, numbers: Sequence[int], options: SampleOptions, *, console: Console
) -> list[dict[str, Any]]:
    """Writes `NUMBER.png` for each number, `results.jsonl` with a row each, and a sheet of the first ones.

    What an earlier command with the same settings has made stays. Errors: ConfigError for a folder that holds other
    images, and for wrong inputs.
    """
    route = translator.route(options.direction)
    rows_before = _earlier(translator, route, output, options)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / SETTINGS, _settings(translator, route, options))
    rows: list[dict[str, Any]] = []
    with console.progress("sample", len(numbers)) as progress:
        for place, number in enumerate(numbers):
            row = rows_before.get(number)
            if row is None or not _is_whole(output, row):
                row = _write(translator, route, output, number, of_sample(route, options.others, place), options.size)
            rows.append(row)
            progress.advance(1)
    every = {**rows_before, **{row["number"]: row for row in rows}}  # samples of other numbers stay in the folder
    text = "".join(json.dumps(every[number], ensure_ascii=False) + "\n" for number in sorted(every))
    write_bytes(output / RESULTS, text.encode())
    write(output / CONTACT, _sheet([output / row["output"] for row in rows[:SHOWN]]))
    return rows


# --------------------------------------------------------------------------------------------------------- one folder


def _write(
    translator: Translator,
    route: Route,
    output: Path,
    number: int,
    others: Mapping[str, Any],
    size: tuple[int, int] | None,
) -> dict[str, Any]:
    """Makes one sample; its row."""
    given = of_number(route, number, others)
    (image,) = sampled(translator.program, [number], route, given, size)
    name = f"{number:06d}.png"
    data = encode(image, ".png", name=name, compression=4)
    write_bytes(output / name, data)
    inputs = {key: _shown(route, key, value) for key, value in given.items()}
    return {
        "output": name,
        "number": number,
        "seed": translator.seed,
        **({"inputs": inputs} if inputs else {}),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _shown(route: Route, name: str, value: Any) -> Any:
    """A class by its name; numbers as they are."""
    names = getattr(route.types[name], "names", ())
    return names[value] if isinstance(value, int) and value < len(names) else value


def _settings(translator: Translator, route: Route, options: SampleOptions) -> dict[str, Any]:
    """What decides the samples beside their numbers."""
    facts = translator.info
    return {
        "model": [facts.get("method"), facts.get("files"), facts.get("weights")],
        "direction": route.name,
        "options": route.options.model_dump(mode="json"),
        "others": {name: repr(value) for name, value in options.others.items()},
        "size": list(options.size) if options.size else None,
        "seed": translator.seed,
        "precision": translator.precision,
    }


def _earlier(translator: Translator, route: Route, output: Path, options: SampleOptions) -> dict[int, dict[str, Any]]:
    """The rows of an earlier command of the same settings by number. Errors: ConfigError for images of another one."""
    if not output.exists():
        return {}
    if not output.is_dir():
        raise ConfigError(f"{output}: is a file; samples go into a folder")
    before = output / SETTINGS
    if options.overwrite:
        mine = [name for name in (RESULTS, CONTACT) if os.path.lexists(output / name)]
        if mine and not before.is_file():
            raise ConfigError(f"{output / mine[0]}: is there, and no samples were made here; give another folder")
        return {}
    if not before.is_file():
        if next(output.iterdir(), None) is not None:
            raise ConfigError(f"{output}: holds other files; give another folder, or --overwrite")
        return {}
    if json.loads(before.read_text("utf-8")) != json.loads(json.dumps(_settings(translator, route, options))):
        raise ConfigError(f"{output}: holds samples that were made otherwise; give another folder, or --overwrite")
    return {row["number"]: row for row in _rows(output / RESULTS)}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def _is_whole(output: Path, row: Mapping[str, Any]) -> bool:
    path = output / str(row["output"])
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]


def _sheet(files: Sequence[Path]) -> np.ndarray[Any, Any]:
    """The samples as they were written, in rows."""
    cells = [picture_of(file, LONGEST) for file in files]
    return mosaic([cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)])
