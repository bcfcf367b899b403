"""The range of values of a side: stated, or taken from its training images. Its ends become -1 and 1 for networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from translate.contracts import Config, Frames, Image, Side
from translate.data.dataset import file_names
from translate.data.ranges.percentiles import Range, ranges_of
from translate.errors import DataError
from translate.imaging.decode import read
from translate.text import number
from translate.threads import ordered_map

Array = np.ndarray[Any, Any]
Percentile = Annotated[float, Field(ge=0, le=100)]

# Ends of so many bands are printed.
_SHOWN = 6


def _width(ends: Range) -> np.float32:
    """The width of a range as networks see it."""
    with np.errstate(over="ignore"):
        return np.float32(ends[1]) - np.float32(ends[0])


class NormaliseConfig(Config):
    """The values of a side that become -1 and 1 for the networks. One of the two is given; values outside are clipped,
    and an output has the range of its side."""

    range: tuple[float, float] | tuple[tuple[float, float], ...] | None = None
    """The values, such as `[0, 4000]`, or a pair for each band: `[[0, 4000], [-10, 40]]`."""
    percentiles: tuple[Percentile, Percentile] | None = None
    """Percentiles of the values of the training images, band by band, such as `[1, 99]`: `[0, 100]` is the smallest and
    the largest value."""

    @model_validator(mode="after")
    def _one_way(self) -> NormaliseConfig:
        if (self.range is None) == (self.percentiles is None):
            raise ValueError("give one of `range` and `percentiles`")
        for low, high in (*self.ranges, *([self.percentiles] if self.percentiles else [])):
            if not low < high:
                raise ValueError(f"the lower value comes first, and [{low:g}, {high:g}] is none lower")
            if not np.isfinite(_width((low, high))) or _width((low, high)) == 0:
                raise ValueError(f"as float32 there is no range from {low:g} to {high:g}")
        return self

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The stated range, for all bands or for each; empty without one."""
        if self.range is None:
            return ()
        first, *_ = self.range
        return self.range if isinstance(first, tuple) else (self.range,)  # type: ignore[return-value]


EXTREMES = NormaliseConfig(percentiles=(0, 100))
"""What is done to sides of floats where nothing is said."""


@dataclass(frozen=True)
class SideFiles:
    """The training images of one side of a dataset in `folder`, `split` being what errors and messages call them."""

    name: str
    side: Image | Frames
    folder: Path
    split: str
    keys: Sequence[str]

    def images(self, threads: int) -> Iterator[Array]:
        """All images, H x W x C, decoded in threads."""
        names = [name for key in self.keys for name in file_names(self.side, key)]
        with ThreadPoolExecutor(threads) as pool:
            yield from ordered_map(pool, lambda name: read(self.folder / name).pixels, names, 4 * threads)


def with_range(files: SideFiles, config: NormaliseConfig | None, threads: int) -> tuple[Side, list[str]]:
    """The type of a side with its range, and sentences that say which it is.

    Without a `config` floats get their extremes, and integers keep the range of their type. Errors: DataError where the
    range cannot be that of the side.
    """
    side = files.side
    if config is None and side.dtype != "float32":
        return side, []
    config = config or EXTREMES
    if config.percentiles is None:
        _check_bands(files, config.ranges)
        return replace(side, range=config.ranges), [_said(files.name, config.ranges, "as stated")]
    found = ranges_of(lambda: files.images(threads), config.percentiles)
    constant = [f"{band + 1} ({low:g})" for band, (low, high) in enumerate(found) if low == high]
    ranges = tuple(map(_usable, found))
    for low, high in ranges:
        if not np.isfinite(_width((low, high))):
            raise DataError(
                f"side {files.name!r} has values from {low:g} to {high:g}: state a `range` below `normalise`"
            )
    of = f"percentiles {number(config.percentiles[0])} and {number(config.percentiles[1])} of {files.split}"
    sentences = [_said(files.name, ranges, of)]
    if constant:
        bands = (
            f"band {constant[0]}" if len(constant) == 1 else f"{len(constant)} bands, the first being {constant[0]},"
        )
        sentences.append(f"side {files.name}: {bands} of the training images holds one value alone, which becomes -1")
    return replace(side, range=_one_if_equal(ranges)), sentences


def _check_bands(files: SideFiles, ranges: Sequence[Range]) -> None:
    channels = files.side.channels
    if len(ranges) not in (1, channels):
        raise DataError(f"side {files.name!r} has {channels} bands, and `normalise` states the ranges of {len(ranges)}")


def _usable(ends: Range) -> Range:
    """The range; of a constant one whose upper end is above it."""
    low, high = ends
    return (low, low + max(1.0, abs(low))) if low == high else ends


def _one_if_equal(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    return ranges[:1] if len({*ranges}) == 1 else ranges


def _said(name: str, ranges: Sequence[Range], origin: str) -> str:
    pairs = [f"{low:g} to {high:g}" for low, high in ranges[:_SHOWN]]
    if len(ranges) > _SHOWN:
        pairs.append(f"and {len(ranges) - _SHOWN} more bands")
    return f"side {name}: {', '.join(pairs)} ({origin}) become -1 and 1; values outside are clipped"


def training_split(splits: Iterable[str]) -> str:
    """The split whose images state a range: `train`, or else the first."""
    names = list(splits)
    return "train" if "train" in names else names[0]


def unknown_sides(config: Mapping[str, NormaliseConfig], sides: Mapping[str, Side]) -> list[str]:
    """The names that no side of images has."""
    return [name for name in config if not isinstance(sides.get(name), Image | Frames)]
