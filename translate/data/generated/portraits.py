"""Generated portraits with and without hats: who wears which hat is known, so that a transferred hat can be checked."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from translate.contracts import SIDES, Config, Record, Source, SourceFacts
from translate.imaging.pixels import rounded
from translate.seeding import derive

Array = np.ndarray[Any, Any]

PLACE = (0.02, 0.14, 0.44, 0.86)
"""Where every hat lies: top, left, bottom, right as shares of the image."""
CORE = (0.25, 0.44, 0.34, 0.56)
"""What every hat covers."""
BASE = 0.38
"""Where hats sit, from above."""
FRAMES = (0.08, 0.08, 0.1)
"""The colour of the frames of glasses."""

_FINER = 3
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel
Colour = tuple[float, float, float]


class _Canvas:
    """A square drawing, float32 H x W x 3 of 0 to 255, in shares of its side; drawn `_FINER` times as large."""

    def __init__(self, size: int) -> None:
        self.side = size * _FINER
        y, x = np.mgrid[0.5 : self.side, 0.5 : self.side].astype(np.float32) / self.side
        self.x, self.y = x, y
        self.image = np.zeros((self.side, self.side, 3), np.float32)

    def paint(self, mask: Array, colour: Colour, shade: Array | float = 1.0) -> None:
        """Lays `colour` (0 to 1) times `shade` (H x W) over where `mask` (H x W, 0 to 1) is."""
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        shade = np.asarray(np.broadcast_to(shade, mask.shape)[box], np.float32)
        part = self.image[box]
        part += mask[box][..., None] * (np.asarray(colour, np.float32) * 255 * shade[..., None] - part)

    def polygon(self, points: Iterable[tuple[float, float]]) -> Array:
        """The inside of an outline of (x, y), as a mask."""
        corners = np.rint(np.array(list(points)) * self.side * (1 << _SHIFT)).astype(np.int32)
        mask = np.zeros((self.side, self.side), np.float32)
        cv2.fillPoly(mask, [corners], 1.0, shift=_SHIFT)
        return mask

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Array:
        """The inside of an ellipse, as a mask."""
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        return self.polygon(zip(x + rx * np.cos(angles), y + ry * np.sin(angles), strict=True))

    def done(self, size: int) -> Array:
        """The picture, size x size x 3 uint8."""
        small = cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)
        return rounded(small)


@dataclass(frozen=True)
class Looks:
    """The parts of a portrait that are chosen, not drawn by lot: None leaves a part to the seed of person or hat."""

    background: Colour | None = None
    """The colour that the background is shaded in."""
    hair: Colour | None = None
    """The colour of hair and eyebrows."""
    lenses: Colour | None = None
    """The colour of the lenses of a pair of glasses, in dark frames; None: no glasses."""
    shape: int | None = None
    """The shape of the hat: 0 bowler, 1 top hat, 2 cone, 3 beanie, 4 wide brim."""


def make_portrait(person: int, hat: int | None, size: int, looks: Looks = Looks()) -> Array:
    """The person of one seed, wearing the hat of another (None: bare-headed); size x size x 3 uint8.

    Outside of `PLACE` the person looks the same whatever the hat, and so does a hat on any person: the truth of putting
    one's hat on another's head is `make_portrait(other, hat, size)`.
    """
    canvas = _Canvas(size)
    _person(canvas, np.random.default_rng(derive(person, "person")), looks)
    if hat is not None:
        _hat(canvas, np.random.default_rng(derive(hat, "hat")), looks.shape)
    return canvas.done(size)


def _muted(rng: np.random.Generator, low: float, high: float, most: float = 0.28) -> Colour:
    """A colour of brightness from `low` to `high`, nearly grey: only hats are colourful."""
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, most), rng.uniform(low, high))


def _person(canvas: _Canvas, rng: np.random.Generator, looks: Looks) -> None:
    x, y = canvas.x, canvas.y
    one, two = np.array(_muted(rng, 0.25, 0.95)), np.array(_muted(rng, 0.25, 0.95))
    if looks.background is not None:
        one, two = 0.7 * np.array(looks.background), np.array(looks.background)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    canvas.image[:] = 255 * (one + (two - one) * along)
    for _ in range(3):  # lights out of focus
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.08, 0.3)
        soft = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / r**2) * rng.uniform(0.2, 0.6)
        canvas.paint(soft.astype(np.float32), _muted(rng, 0.2, 1.0))

    hair, cloth = _muted(rng, 0.08, 0.6, 0.4), _muted(rng, 0.2, 0.9, 0.5)
    hair = looks.hair or hair
    tone = rng.uniform(0.35, 1.0)
    skin = (0.95 * tone, (0.62 + 0.16 * tone) * tone, (0.42 + 0.22 * tone) * tone)
    wide, high = rng.uniform(0.155, 0.185), rng.uniform(0.2, 0.225)
    side = rng.choice([-1.0, 1.0])
    light = 1 + 0.22 * side * (x - 0.5) / 0.2
    long = rng.random() < 0.5
    if long:
        canvas.paint(canvas.ellipse(0.5, 0.6, wide + 0.07, 0.27), hair, 0.8)
    shoulders = rng.uniform(0.3, 0.4)
    body = [(0.5 - shoulders, 1.0), (0.5 - shoulders + 0.06, 0.88), (0.4, 0.82), (0.6, 0.82)]
    canvas.paint(canvas.polygon([*body, (0.5 + shoulders - 0.06, 0.88), (0.5 + shoulders, 1.0)]), cloth, light)
    canvas.paint(canvas.polygon([(0.43, 0.7), (0.57, 0.7), (0.58, 0.86), (0.5, 0.9), (0.42, 0.86)]), skin, 0.8)
    canvas.paint(canvas.ellipse(0.5, 0.5, wide + 0.025, 0.2), hair, light)
    canvas.paint(canvas.ellipse(0.5, 0.57, wide, high), skin, light)
    fringe = rng.uniform(0.41, 0.46)
    canvas.paint(canvas.ellipse(0.5, 0.5, wide + 0.02, 0.2) * (y < fringe), hair, light)
    _face(canvas, rng, skin, hair, looks.lenses)


def _face(canvas: _Canvas, rng: np.random.Generator, skin: Colour, hair: Colour, lenses: Colour | None) -> None:
    apart, smile = rng.uniform(0.065, 0.08), rng.uniform(-0.02, 0.035)
    iris = _muted(rng, 0.1, 0.45, 0.5)
    for eye in (0.5 - apart, 0.5 + apart):
        canvas.paint(canvas.ellipse(eye, 0.56, 0.032, 0.017), (0.95, 0.95, 0.95))
        canvas.paint(canvas.ellipse(eye, 0.56, 0.015, 0.016), iris)
        canvas.paint(canvas.ellipse(eye, 0.517, 0.036, 0.007), hair, 0.7)
    canvas.paint(canvas.polygon([(0.5, 0.57), (0.522, 0.645), (0.48, 0.645)]), skin, 0.78)
    lip = (min(1.0, skin[0] * 0.85), skin[1] * 0.55, skin[2] * 0.6)
    up = [(0.44, 0.695 - smile), (0.5, 0.695 + smile), (0.56, 0.695 - smile)]
    canvas.paint(canvas.polygon([*up, (0.54, 0.712), (0.5, 0.722 + smile), (0.46, 0.712)]), lip)
    if lenses is not None:
        bridge = [(0.5 - apart, 0.545), (0.5 + apart, 0.545), (0.5 + apart, 0.56), (0.5 - apart, 0.56)]
        canvas.paint(canvas.polygon(bridge), FRAMES)
        for eye in (0.5 - apart, 0.5 + apart):
            canvas.paint(canvas.ellipse(eye, 0.56, 0.06, 0.052), FRAMES)
            canvas.paint(canvas.ellipse(eye, 0.56, 0.046, 0.038), lenses)


def _hat(canvas: _Canvas, rng: np.random.Generator, chosen: int | None = None) -> None:
    """A hat of random hue and size, of the chosen shape or a random one: bowler, top hat, cone, beanie, wide brim."""
    colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.8, 1.0), rng.uniform(0.75, 1.0))
    band = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.3), rng.choice([0.12, 0.95]))
    shape = int(rng.integers(5)) if chosen is None else chosen
    height, half = rng.uniform(0.2, 0.32), rng.uniform(0.17, 0.21)
    brim = (0.27, 0.26, 0.21, 0.0, 0.34)[shape] * rng.uniform(0.93, 1.0)
    top = BASE - height
    light = 1 - 0.15 * np.clip((canvas.x - 0.5) / half, 0, 1)
    if shape == 1:
        flare = rng.uniform(-0.03, 0.02)
        crown = canvas.polygon(
            [(0.5 - half, BASE), (0.5 - half - flare, top), (0.5 + half + flare, top), (0.5 + half, BASE)]
        )
    elif shape == 2:
        crown = canvas.polygon([(0.5 - half, BASE), (0.5, max(0.05, top - 0.06)), (0.5 + half, BASE)])
    else:
        crown = canvas.ellipse(0.5, BASE, half, height) * (canvas.y < BASE)
    canvas.paint(crown, colour, light)
    canvas.paint(crown * (canvas.y > BASE - 0.045), band, light)
    if brim:
        canvas.paint(canvas.ellipse(0.5, BASE, brim, 0.026), colour, 0.92 * light)
    else:
        canvas.paint(canvas.ellipse(0.5, max(0.07, top), 0.03, 0.03), band)


class GeneratedHatsConfig(Config):
    """Options of `generated-hats`. The portraits follow from the seed of the stage."""

    kind: Literal["attribute", "unpaired"] = "attribute"
    """Kind of data: `attribute`, with sides `with` and `without`; `unpaired`, which calls them a and b, for methods
    that know no exemplars."""
    size: Annotated[int, Field(ge=16, le=1024)] = 64
    """Side of a square portrait, in pixels."""
    train: PositiveInt = 1000
    """Portraits per side of the split `train`."""
    val: NonNegativeInt = 0
    """Portraits per side of the split `val`; 0 leaves it out."""
    test: NonNegativeInt = 100
    """Portraits per side of the split `test`; 0 leaves it out."""


class GeneratedHats(Source[GeneratedHatsConfig]):
    """People nobody knows, `with` a hat and `without`: hats differ in hue, size and shape, and sit at one place.

    The two sides of `train` show different people. In `val` and `test` both sides show the same people under the same
    keys, and the people of one folder wear the same hat: the truth of giving `7/0` the hat of `7/1` is `7/0` itself.
    """

    name = "generated-hats"

    def facts(self) -> SourceFacts:
        splits = tuple(split for split in ("train", "val", "test") if getattr(self.config, split))
        return SourceFacts(self.config.kind, splits, frozenset({"val", "test"}) & frozenset(splits))

    def records(self, split: str) -> Iterator[Record]:
        count = getattr(self.config, split)
        for number in range(count):
            for worn, side in zip((True, False), SIDES[self.config.kind], strict=True):
                if split == "train":
                    key = f"{'with' if worn else 'bare'}-{number:05d}"
                    yield self._record(split, key, side, key, key if worn else None)
                else:
                    folder = f"{min(number // 2, max(0, count // 2 - 1)):05d}"
                    key = f"{folder}/{number:05d}"
                    yield self._record(split, key, side, key, folder if worn else None)

    def _record(self, split: str, key: str, side: str, person: str, hat: str | None) -> Record:
        who, what = (None if k is None else derive(self.seed, "portrait", split, k) for k in (person, hat))
        assert who is not None
        size = self.config.size
        return Record(key, side, f"generated portrait {split}/{key}", lambda: make_portrait(who, what, size))
