"""Generated digits in two looks: white on black, and light on coloured paper that has a texture."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from translate.contracts import Class, Config, Image, Record, Sides, Source, SourceFacts
from translate.imaging.pixels import rounded
from translate.seeding import derive

Array = np.ndarray[Any, Any]

DIGITS = tuple("0123456789")
"""The names of the classes."""

_FINER = 4
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel
_STROKES: tuple[tuple[str, ...], ...] = (
    ("50,8 22,20 14,50 22,80 50,92 78,80 86,50 78,20 50,8",),
    ("28,28 45,18 54,8", "54,8 54,92"),
    ("18,28 28,12 50,7 74,14 80,32 66,54 40,74 18,92", "18,92 84,92"),
    ("20,16 46,7 74,16 74,36 46,46", "46,46 76,54 80,76 56,93 20,84"),
    ("62,92 62,8", "62,8 14,66", "14,66 86,66"),
    ("76,8 28,8", "28,8 22,44", "22,44 50,38 76,48 80,70 62,90 38,93 18,82"),
    ("72,10 44,20 24,48 20,72 36,91 60,92 78,76 72,56 50,48 24,62",),
    ("16,8 82,8", "82,8 58,48 44,92"),
    ("50,46 26,34 26,16 50,7 74,16 74,34 50,46 20,60 20,82 50,93 80,82 80,60 50,46",),
    ("76,40 52,52 28,42 22,24 38,9 62,9 78,24 76,52 62,80 44,92",),
)
"""The strokes of each digit: points "x,y" in hundredths of its box, from its top left, joined by a smooth curve."""


def draw_digit(digit: int, seed: int, size: int) -> Array:
    """How much ink lies on each pixel, size x size float32 of 0 to 1.

    Thickness, height, width, slant, turn, place and small moves of every point follow from the seed.
    """
    rng = np.random.default_rng(derive(seed, "digit"))
    side = size * _FINER
    thick = max(1, round(side * rng.uniform(0.06, 0.13)))
    turn, slant = rng.uniform(-0.22, 0.22), rng.uniform(-0.25, 0.25)
    wide, high = rng.uniform(0.36, 0.56), rng.uniform(0.56, 0.74)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shape = turned @ np.array([[wide, slant * high], [0.0, high]])
    middle = 0.5 + rng.uniform(-0.06, 0.06, 2)
    canvas = np.zeros((side, side), np.uint8)
    for stroke in _STROKES[digit]:
        corners = np.array([point.split(",") for point in stroke.split()], np.float64) / 100 - 0.5
        corners += rng.normal(0, 0.02, corners.shape)
        places = (middle + _smooth(corners) @ shape.T) * side
        points = np.rint(places * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, thick, cv2.LINE_8, _SHIFT)
    small = cv2.resize(canvas.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    ink: Array = np.clip(small / 255, 0, 1)
    return ink


def _smooth(points: Array) -> Array:
    """A Catmull-Rom curve through the points, 8 steps a piece; two points are a straight line."""
    at = np.linspace(0, 1, 8)[:, None]
    pieces = []
    for n in range(len(points) - 1):
        a, b, c, d = (points[min(max(k, 0), len(points) - 1)] for k in range(n - 1, n + 3))
        pieces.append(b + 0.5 * at * (c - a + at * (2 * a - 5 * b + 4 * c - d + at * (3 * (b - c) + d - a))))
    return np.concatenate(pieces)


def clean_look(ink: Array) -> Array:
    """White on black, size x size x 3 uint8."""
    return rounded(np.repeat(ink[..., None] * 255, 3, axis=2))


def print_look(ink: Array, seed: int) -> Array:
    """Light ink on dark paper with brighter blotches of another colour and grain, size x size x 3 uint8; colours follow
    from the seed."""
    rng = np.random.default_rng(derive(seed, "look"))
    size = len(ink)
    paper = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.1, 0.4)))
    other = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.5, 0.8)))
    colour = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.8, 1.0)))
    blotches = cv2.resize(rng.random((5, 5), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    ground = paper + (other - paper) * np.clip(2 * blotches - 0.5, 0, 1)[..., None]
    grain = rng.normal(0, 0.06, (size, size, 1))
    image = ground + (colour - ground) * ink[..., None] + grain
    return rounded(np.clip(image, 0, 1).astype(np.float32) * 255)


class GeneratedDigitsConfig(Config):
    """Options of `generated-digits`. The digits follow from the seed of the stage."""

    size: Annotated[int, Field(ge=16, le=256)] = 32
    """Side of a square picture, in pixels."""
    train: PositiveInt = 2000
    """Digits per side of the split `train`."""
    val: NonNegativeInt = 0
    """Digits per side of the split `val`; 0 leaves it out."""
    test: NonNegativeInt = 500
    """Digits per side of the split `test`; 0 leaves it out."""


class GeneratedDigits(Source[GeneratedDigitsConfig]):
    """Digits of two looks with their classes: side a white on black, side b in light ink on coloured paper.

    The two sides of `train` show different digits. In `val` and `test` both sides show the same digits under the same
    keys. All classes are equally frequent.
    """

    name = "generated-digits"

    def facts(self) -> SourceFacts:
        splits = tuple(split for split in ("train", "val", "test") if getattr(self.config, split))
        digit = Class(names=DIGITS)
        sides = Sides(
            {"a": Image(channels=3), "a_class": digit, "b": Image(channels=3), "b_class": digit},
            together=(("a", "a_class"), ("b", "b_class")),
        )
        return SourceFacts(sides, splits, frozenset({"val", "test"}) & frozenset(splits))

    def records(self, split: str) -> Iterator[Record]:
        for number in range(getattr(self.config, split)):
            for side in ("a", "b"):
                key = f"{side if split == 'train' else ''}{number:05d}"
                digit, seed = number % len(DIGITS), derive(self.seed, "digit", split, key)
                yield Record(key, side, f"generated digit {split}/{key}", self._reader(digit, seed, side))
                yield Record(key, f"{side}_class", f"class of generated digit {split}/{key}", _constant(digit))

    def _reader(self, digit: int, seed: int, side: str) -> Callable[[], Array]:
        size = self.config.size
        if side == "a":
            return lambda: clean_look(draw_digit(digit, seed, size))
        return lambda: print_look(draw_digit(digit, seed, size), seed)


def _constant(value: int) -> Callable[[], int]:
    return lambda: value
