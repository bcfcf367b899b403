"""Generated maps: tiles of invented cities as aerial photograph and street map, so that the truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from translate.contracts import SIDES, Config, Record, Source, SourceFacts
from translate.data.generated.city import build_city
from translate.data.generated.city_drawing import CLASSES, PALETTE, draw
from translate.seeding import derive

Array = np.ndarray[Any, Any]


class GeneratedMapsConfig(Config):
    """Options of `generated-maps`. The tiles follow from the seed of the stage."""

    kind: Literal["paired", "unpaired", "labelled", "single"] = "unpaired"
    """Kind of data: `paired`; `unpaired`, where the two sides of `train` show different cities and those of `val` and
    `test` the same ones; `labelled`, the class of each pixel in place of the map; `single`, photographs alone."""
    size: Annotated[int, Field(ge=16, le=2048)] = 256
    """Side of a square tile, in pixels. Larger tiles are finer and show more of a city."""
    train: PositiveInt = 400
    """Tiles per side of the split `train`."""
    val: NonNegativeInt = 0
    """Tiles per side of the split `val`; 0 leaves it out."""
    test: NonNegativeInt = 40
    """Tiles per side of the split `test`; 0 leaves it out."""


def metres_per_pixel(size: int) -> float:
    """Larger tiles are finer and show more of the city: 1 m at 256 pixels, 2.5 m at 64."""
    return float((256 / size) ** (2 / 3))


def make_tile(seed: int, size: int) -> tuple[Array, Array]:
    """(aerial, map) of one city, size x size x 3 uint8; a function of its arguments."""
    metres = metres_per_pixel(size)
    city = build_city(size * metres, np.random.default_rng(derive(seed, "layout")))
    return draw(city, size, metres, np.random.default_rng(derive(seed, "look")))


def classes_of(street_map: Array) -> Array:
    """The class of each pixel of a map, H x W x 1 uint8: each has exactly the colour of one."""
    same = (street_map[:, :, None] == np.array(PALETTE, np.uint8)).all(axis=3)
    classes: Array = same.argmax(axis=2).astype(np.uint8)[..., None]
    return classes


class GeneratedMaps(Source[GeneratedMapsConfig]):
    """Cities that nobody built: side a (input) the aerial photograph, side b (target) the street map."""

    name = "generated-maps"

    def facts(self) -> SourceFacts:
        splits = tuple(split for split in ("train", "val", "test") if getattr(self.config, split))
        pairs = {"val", "test"} if self.config.kind == "unpaired" else {"train", "val", "test"}
        legend = ((), ()) if self.config.kind == "single" else (CLASSES, PALETTE)
        return SourceFacts(self.config.kind, splits, frozenset(pairs) & frozenset(splits), *legend)

    def records(self, split: str) -> Iterator[Record]:
        tile = lru_cache(maxsize=16)(make_tile)
        apart = self.config.kind == "unpaired" and split == "train"
        for number in range(getattr(self.config, split)):
            for view, side in enumerate(SIDES[self.config.kind]):
                key = f"{side if apart else ''}{number:05d}"
                yield self._record(tile, split, key, side, view)

    def notes(self) -> Iterable[str]:
        return ()

    def _record(self, tile: Any, split: str, key: str, side: str, view: int) -> Record:
        seed, size = derive(self.seed, "tile", split, key), self.config.size
        if side == "label":
            return Record(key, side, f"generated tile {split}/{key}", lambda: classes_of(tile(seed, size)[view]))
        return Record(key, side, f"generated tile {split}/{key}", lambda: tile(seed, size)[view])
