"""Generated shoes, drawn twice: as a sketch of their outlines and as a filled picture of the same shoe."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from translate.contracts import SIDES, Config, Record, Source, SourceFacts
from translate.imaging.pixels import rounded
from translate.seeding import derive

Array = np.ndarray[Any, Any]

_FINER = 3
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel


@dataclass(frozen=True)
class Shoe:
    """Lengths in shares of the picture: the leg above the ankle, the heel, the toe's roundness, the sole, laces."""

    leg: float
    heel: float
    toe: float
    sole: float
    laces: int

    @property
    def colour(self) -> tuple[float, float, float]:
        """The leather of a shoe of this shape (RGB, 0 to 1): low shoes are red, ankle boots green, high boots blue; a
        high heel makes it darker. That is the relation for a method to discover."""
        return colorsys.hsv_to_rgb(0.02 + 0.62 * self.leg / 0.42, 0.75, 0.9 - 1.6 * self.heel)


def shoe_of(seed: int) -> Shoe:
    """A shoe of random shape."""
    rng = np.random.default_rng(derive(seed, "shoe"))
    leg = rng.uniform(0.0, 0.42)
    return Shoe(leg, rng.uniform(0, 0.2), rng.uniform(0.0, 1.0), rng.uniform(0.025, 0.055), int(rng.integers(0, 5)))


def free_colour(look: int) -> tuple[float, float, float]:
    """A colour of leather that follows from `look` alone (RGB, 0 to 1): any hue, from pale to strong and dark to
    bright."""
    hue, saturation, value = np.random.default_rng(derive(look, "colour")).uniform((0, 0.3, 0.35), (1, 0.9, 0.95))
    return colorsys.hsv_to_rgb(hue, saturation, value)


def make_shoe(seed: int, size: int, look: int | None = None) -> tuple[Array, Array]:
    """(sketch, picture) of the shoe of a seed, size x size x 3 uint8 each, on white.

    With a `look` its colour and light follow from that, and the sketch from the seed alone.
    """
    shoe, rng = shoe_of(seed), np.random.default_rng(derive(seed if look is None else look, "look"))
    colour = shoe.colour if look is None else free_colour(look)
    side = size * _FINER
    upper, sole, lines = _outlines(shoe)
    sketch = np.full((side, side, 3), 255, np.uint8)
    thick = max(2, round(side / 75))
    for line, closed in ((upper, True), (sole, True), *((line, False) for line in lines)):
        cv2.polylines(sketch, [_fixed(line, side)], closed, (25, 25, 25), thick, shift=_SHIFT)
    picture = _picture(colour, (upper, sole), lines, side, rng)
    return _shrunk(sketch, size), _shrunk(picture, size)


def _outlines(shoe: Shoe) -> tuple[Array, Array, list[Array]]:
    """Upper, sole, and lines inside (seam of the toe cap, rim, laces), each N x 2 of (x, y)."""
    ground, lift = 0.86, shoe.heel
    ankle = 0.60 - 0.5 * lift  # where the leg begins
    top = ankle - shoe.leg
    blunt = 0.045 + 0.05 * shoe.toe
    front, back = 0.55 - 0.06 * shoe.leg, 0.14
    bottom = np.array([[back, ground - lift], [0.34, ground - 0.75 * lift], [0.6, ground], [0.9, ground]])
    over = np.array([[0.94, ground - blunt], [0.84, ground - 1.5 * blunt - 0.02], [0.68, ankle + 0.1], [front, ankle]])
    leg = np.array([[front - 0.02, top], [back + 0.02, top], [back, ankle]])
    upper = _smooth(np.concatenate([bottom, over, leg]))
    base = _smooth(bottom, closed=False)
    under = base[::-1] + np.array([0, shoe.sole])
    heel = np.array([[back + 0.16, ground - 0.9 * lift + shoe.sole], [back + 0.13, ground + shoe.sole]])
    heel = np.concatenate([heel, [[back + 0.02, ground + shoe.sole], [back, ground - lift + shoe.sole]]])
    split = under[under[:, 0] > back + 0.16]
    sole = np.concatenate([base, split, heel]) if lift > 0.03 else np.concatenate([base, under])
    cap = np.array([[0.74, ground - 0.01], [0.7, ground - 0.08], [0.735, ankle + 0.14 + 0.2 * lift]])
    rim = np.array([[front - 0.03, top + 0.035], [back + 0.015, top + 0.035]])
    lines = [_smooth(cap, closed=False), rim]
    for number in range(shoe.laces):
        at = np.array([front + 0.02 + 0.035 * number, ankle + 0.02 + 0.028 * number])
        lines.append(np.array([at, at + np.array([-0.07, 0.03])]))
    return upper, sole, lines


def _smooth(points: Array, closed: bool = True) -> Array:
    """A Catmull-Rom curve through the points, 8 steps a piece."""
    count = len(points)
    at = np.linspace(0, 1, 8, endpoint=False)[:, None]
    pieces = []
    for n in range(count if closed else count - 1):
        a, b, c, d = (points[k % count if closed else min(max(k, 0), count - 1)] for k in (n - 1, n, n + 1, n + 2))
        pieces.append(b + 0.5 * at * (c - a + at * (2 * a - 5 * b + 4 * c - d + at * (3 * (b - c) + d - a))))
    return np.concatenate(pieces if closed else [*pieces, points[-1:]])


def _picture(
    leather: tuple[float, float, float],
    parts: tuple[Array, Array],
    lines: list[Array],
    side: int,
    rng: np.random.Generator,
) -> Array:
    colour = np.array(leather) * 255
    y = (np.arange(side) / side)[:, None, None]
    picture = np.full((side, side, 3), 255.0)
    shadow = np.zeros((side, side), np.float32)
    ground = round(0.885 * side)
    cv2.ellipse(shadow, (side // 2, ground), (round(0.42 * side), round(0.03 * side)), 0, 0, 360, 0.35, -1)
    picture *= 1 - cv2.blur(shadow, (side // 12, side // 12))[..., None]
    light = 1.18 - 0.5 * np.clip((y - 0.3) / 0.6, 0, 1) + rng.normal(0, 0.03, (side, side, 1))
    for part, fill in ((parts[1], 0.32 * colour), (parts[0], colour)):
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [_fixed(part, side)], 1, shift=_SHIFT)
        picture = np.where(mask[..., None] > 0, np.clip(fill * light, 0, 255), picture)
    for number, line in enumerate(lines):
        dark = tuple(0.55 * colour) if number < 2 else tuple(255 - 0.25 * (255 - colour))
        cv2.polylines(picture, [_fixed(line, side)], False, dark, max(2, side // 70), shift=_SHIFT)
    return picture


def _fixed(points: Array, side: int) -> Array:
    corners: Array = np.rint(points * side * (1 << _SHIFT)).astype(np.int32)
    return corners


def _shrunk(image: Array, size: int) -> Array:
    small = cv2.resize(image.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return rounded(small)


class GeneratedSketchesConfig(Config):
    """Options of `generated-sketches`. The shoes follow from the seed of the stage."""

    kind: Literal["paired", "unpaired"] = "unpaired"
    """Kind of data: `paired`; `unpaired`, where the two sides of `train` show different shoes and those of `val` and
    `test` the same ones."""
    size: Annotated[int, Field(ge=16, le=1024)] = 64
    """Side of a square picture, in pixels."""
    train: PositiveInt = 600
    """Pictures per side of the split `train`."""
    val: NonNegativeInt = 0
    """Sketches of the split `val`; 0 leaves it out."""
    test: NonNegativeInt = 60
    """Sketches of the split `test`; 0 leaves it out."""
    colour: Literal["shape", "free"] = "shape"
    """Where the colour comes from: it follows from the `shape`, so that a sketch has one right answer; or it is drawn
    `free` of it, so that a sketch has many."""
    looks: PositiveInt = 1
    """Pictures of each sketch of `val` and `test`, in colours of their own, with `colour: free`: their names are
    `00003/0`, `00003/1` and so on, and the sketch is the same for all of them."""

    @model_validator(mode="after")
    def _one_look_of_a_shape(self) -> GeneratedSketchesConfig:
        if self.looks > 1 and self.colour == "shape":
            raise ValueError("a colour that follows from the shape gives a sketch one look: say `colour: free`")
        return self


class GeneratedSketches(Source[GeneratedSketchesConfig]):
    """Shoes that nobody made: side a (input) the sketch, side b (target) the picture, whose colour follows from the
    shape or is free of it."""

    name = "generated-sketches"

    def facts(self) -> SourceFacts:
        splits = tuple(split for split in ("train", "val", "test") if getattr(self.config, split))
        apart = {"train"} if self.config.kind == "unpaired" else set()
        return SourceFacts(self.config.kind, splits, frozenset(splits) - apart)

    def records(self, split: str) -> Iterator[Record]:
        shoe = lru_cache(maxsize=16)(make_shoe)
        apart = self.config.kind == "unpaired" and split == "train"
        looks = self.config.looks if split != "train" else 1
        for number in range(getattr(self.config, split)):
            for view, side in enumerate(SIDES[self.config.kind]):
                name = f"{side if apart else ''}{number:05d}"
                for look in range(looks):
                    yield self._record(shoe, (split, name), look if looks > 1 else None, side, view)

    def _record(self, shoe: Any, place: tuple[str, str], number: int | None, side: str, view: int) -> Record:
        seed, size = derive(self.seed, "shoe", *place), self.config.size
        look = derive(seed, "look", number or 0) if self.config.colour == "free" else None
        key = place[1] if number is None else f"{place[1]}/{number}"
        return Record(key, side, f"generated shoe {place[0]}/{key}", lambda: shoe(seed, size, look)[view])
