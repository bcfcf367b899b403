"""my-plugin: which images these are, in a sentence, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from translate import Config, Record, Source, SourceFacts, hookimpl

translate_contract = ">=2,<3"

Image = np.ndarray[Any, np.dtype[np.uint8]]
SPLITS = ("train", "val", "test")


class MyPluginConfig(Config):
    """The options of the source. The string below each is its description."""

    size: Annotated[int, Field(ge=16, le=1024)] = 64
    """Height and width of every image, in pixels."""
    train: Annotated[int, Field(ge=1)] = 100
    """How many images the split `train` has."""
    val: Annotated[int, Field(ge=1)] = 10
    """How many images the split `val` has."""
    test: Annotated[int, Field(ge=1)] = 10
    """How many images the split `test` has."""


class MyPlugin(Source[MyPluginConfig]):
    """Drawn discs: the outline of one is the input, the filled disc the target."""

    name = "my-plugin"

    def facts(self) -> SourceFacts:
        return SourceFacts("paired", SPLITS, pairs=frozenset(SPLITS))

    def records(self, split: str) -> Iterator[Record]:
        """One record an image, sides in any order; `load` reads it only when it is needed."""
        count = getattr(self.config, split)
        for number in range(count):
            key = f"disc-{number:04d}"
            for side in ("input", "target"):
                yield Record(key, side, f"my-plugin {split}/{key}", partial(self._draw, split, number, side))

    def _draw(self, split: str, number: int, side: str) -> Image:
        """A grey picture, H x W x 1 from 0 to 255. Its place depends on seed, split and number alone."""
        rng = np.random.default_rng((self.seed, SPLITS.index(split), number))
        size = self.config.size
        row, column = rng.uniform(size / 3, 2 * size / 3, 2)
        radius = rng.uniform(size / 8, size / 4)
        rows, columns = np.mgrid[:size, :size]
        distance = np.hypot(rows - row, columns - column)
        inside = distance <= radius if side == "target" else abs(distance - radius) <= 0.5
        return np.where(inside, 255, 0).astype(np.uint8)[..., None]


@hookimpl
def translate_sources() -> list[type[Source[Any]]]:
    return [MyPlugin]
