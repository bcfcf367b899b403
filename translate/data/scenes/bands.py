"""The rows of tiles of a scene, each with the rows of pixels that it is cut from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from translate.contracts import Side, SourceFacts
from translate.data.scenes.files import Scene
from translate.data.scenes.pictures import Group, check_loaded, check_sizes, for_transforms
from translate.data.tiles import windows

Array = np.ndarray[Any, Any]


class Band(NamedTuple):
    """Pictures of one key, or some rows of them, and the `tiles` to cut from them: keys, with rows and columns.

    `arrays` are as they were loaded, `flat` without transparency and after the transforms; both by side.
    """

    tiles: list[tuple[str, tuple[slice, slice]]]
    arrays: dict[str, Array]
    flat: dict[str, Array]


def bands_of(
    scenes: Mapping[str, Scene], key: str, types: Mapping[str, Side], records: Group, facts: SourceFacts, tile: int
) -> Iterator[Band]:
    """A band for each row of tiles. Errors: DataError."""
    check_sizes({side: scene.size for side, scene in scenes.items()}, {}, records, types)
    every = windows(key, next(iter(scenes.values())).size, tile)
    for rows, of_band in groupby(every, lambda each: each[1][0]):
        arrays = {side: scene.rows(rows.start, rows.stop) for side, scene in scenes.items()}
        check_loaded(arrays, records, types, facts)
        flat = {side: for_transforms(array, types[side]) for side, array in arrays.items()}
        yield Band([(name, (slice(None), columns)) for name, (_, columns) in of_band], arrays, flat)
