"""Images from nothing into a folder: samples, the way from one to the other, and the arithmetic of their noise."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from translate.contracts import Console, Route
from translate.errors import ConfigError
from translate.imaging.grid import mosaic
from translate.imaging.io import Image, encode, write
from translate.imaging.palette import colourise
from translate.inference.sampling import mixture, of_number, sampled
from translate.inference.translator import Translator
from translate.storage.atomic import write_bytes, write_json

RESULTS, SETTINGS, CONTACT = "results.jsonl", ".samples.json", "contact.png"
SHOWN, COLUMNS = 64, 8
"""Samples on the contact sheet, and how many stand beside each other."""


@dataclass(frozen=True)
class SampleOptions:
    """How samples are made: the `direction` with its options, its inputs (`others`), and their (height, width)."""

    direction: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    overwrite: bool = False


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
                row = _write(translator, route, output, number, _at(options.others, place), options.size)
            rows.append(row)
            progress.advance(1)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(output / RESULTS, text.encode())
    write(output / CONTACT, _sheet(translator, route, numbers[:SHOWN], options))
    return rows


def interpolation_sheet(translator: Translator, pairs: int, steps: int, options: SampleOptions) -> np.ndarray[Any, Any]:
    """A sheet H x W x 3 uint8 whose row n goes from sample 2n to sample 2n + 1 in so many steps, along the arc."""
    route = translator.route(options.direction)
    rows = []
    for pair in range(pairs):
        angles = np.linspace(0, math.pi / 2, steps)
        first, second = 2 * pair, 2 * pair + 1
        cells = []
        for angle in angles:
            parts = [(first, math.cos(angle)), (second, math.sin(angle))]
            image = mixture(translator.program, parts, route, of_number(route, first, options.others), options.size)
            cells.append(_picture(translator, image))
        rows.append(cells)
    return mosaic(rows)


def arithmetic_sheet(translator: Translator, expression: str, options: SampleOptions) -> np.ndarray[Any, Any]:
    """A sheet H x W x 3 uint8: a row for each term, with the samples that it averages and their mean, then the result.

    `expression` adds and subtracts terms, each of which is the mean of samples: `3,7,12-1,2,4+8,9,10`. Errors:
    ConfigError for one that cannot be read.
    """
    route, rows = translator.route(options.direction), []
    total: list[tuple[int, float]] = []

    def mixed(parts: Sequence[tuple[int, float]]) -> Any:
        given = of_number(route, parts[0][0], options.others)
        return _picture(translator, mixture(translator.program, parts, route, given, options.size))

    for sign, numbers in terms(expression):
        rows.append([*(mixed([(number, 1.0)]) for number in numbers), mixed([(number, 1.0) for number in numbers])])
        total += [(number, sign / len(numbers)) for number in numbers]
    rows.append([mixed(total)])
    return mosaic(rows)


def terms(expression: str) -> list[tuple[int, list[int]]]:
    """The (sign, samples) of an expression such as `3,7-1+2`. Errors: ConfigError."""
    text = expression.replace(" ", "")
    if not re.fullmatch(r"[+-]?\d+(,\d+)*([+-]\d+(,\d+)*)*", text):
        raise ConfigError(
            f"--arithmetic {expression}: write numbers of samples, such as 3-1+2, or means of several: 3,7-1,4+2,8"
        )
    parts = re.findall(r"([+-]?)(\d+(?:,\d+)*)", text)
    return [(-1 if sign == "-" else 1, [int(number) for number in numbers.split(",")]) for sign, numbers in parts]


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


def _at(others: Mapping[str, Any], place: int) -> dict[str, Any]:
    return {name: value[place] if isinstance(value, list) else value for name, value in others.items()}


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
    if options.overwrite or not output.exists():
        return {}
    if not output.is_dir():
        raise ConfigError(f"{output}: is a file; samples go into a folder")
    before = output / SETTINGS
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


def _sheet(
    translator: Translator, route: Route, numbers: Sequence[int], options: SampleOptions
) -> np.ndarray[Any, Any]:
    cells = []
    for place, number in enumerate(numbers):
        given = of_number(route, number, _at(options.others, place))
        (image,) = sampled(translator.program, [number], route, given, options.size)
        cells.append(_picture(translator, image))
    return mosaic([cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)])


def _picture(translator: Translator, image: Image) -> np.ndarray[Any, Any]:
    """A sample as H x W x 3 uint8 for people to look at."""
    if image.palette:
        return colourise(image.pixels[..., 0], translator.method.spec.palette)
    shown = image.shown()
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
