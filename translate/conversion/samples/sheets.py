"""Sheets of samples: the way from one to the other, and the arithmetic of their noise."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from translate.errors import ConfigError
from translate.imaging.grid import mosaic
from translate.imaging.io import Image
from translate.imaging.palette import colourise
from translate.inference.sampling import mixture, of_number
from translate.inference.translator import Translator


@dataclass(frozen=True)
class SampleOptions:
    """How samples are made: the `direction` with its options, its inputs (`others`), and their (height, width)."""

    direction: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    overwrite: bool = False


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
            cells.append(picture(translator, image))
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
        return picture(translator, mixture(translator.program, parts, route, given, options.size))

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


def picture(translator: Translator, image: Image) -> np.ndarray[Any, Any]:
    """A sample as H x W x 3 uint8 for people to look at."""
    if image.palette:
        return colourise(image.pixels[..., 0], translator.method.spec.palette)
    shown = image.shown()
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
