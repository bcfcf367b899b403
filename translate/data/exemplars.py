"""What a direction gets beside an image of the data: exemplars by position, partners by name, other classes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import Class, Image, Route, Sides, Vector
from translate.data.dataset import Dataset
from translate.seeding import derive


def exemplar_keys(dataset: Dataset, split: str, sides: Sequence[str], key: str, *, apart: bool = False) -> list[str]:
    """The keys of the further inputs of image `key` of `sides[0]`, one for each of `sides[1:]`.

    Attribute data: image n gets exemplar n, and n + 1, n + 2, ... where there are several. In a split with true pairs
    that exemplar would be the answer. There the images of one folder show the same object (`7/0` and `7/1`), and the
    exemplar is the next one of the image's folder; further ones are of the next folders. Other data, unless `apart`:
    the image of the same key, else one that depends on the key alone.
    """
    chosen = []
    for number, side in enumerate(sides[1:]):
        keys = dataset.keys(split, side)
        if dataset.facts.kind != "attribute" and not apart:
            chosen.append(key if key in keys else keys[derive(0, "partner", key) % len(keys)])
        elif dataset.pairs(split):
            chosen.append(_relative(keys, key, number))
        else:
            place = bisect_left(dataset.keys(split, sides[0]), key)
            chosen.append(keys[(place + number) % len(keys)])
    return chosen


def picture_inputs(route: Route) -> tuple[str, ...]:
    """The inputs that are pictures of some kind, the main one first."""
    further = [name for name in route.others if not isinstance(route.types.get(name), Class | Vector)]
    return (route.main, *further) if route.main else ()


def picture_keys(dataset: Dataset, split: str, route: Route, key: str) -> dict[str, tuple[str, str]]:
    """(side, key) of each input that is a picture, for image `key` of the side that plays the main input.

    A further input that no side plays gets the next image of its `stand_in`: another one than the main input.
    """
    names = picture_inputs(route)
    sides = {name: side for name in names if (side := route.side_of(name)) is not None}
    keys = [key, *exemplar_keys(dataset, split, list(sides.values()), key)] if sides else []
    chosen = {name: (side, k) for (name, side), k in zip(sides.items(), keys, strict=True)}
    for number, name in enumerate(each for each in names if each not in sides):
        side = stand_in(dataset.types, route, name)
        assert side is not None, "`unplayed` has named it"
        there = dataset.keys(split, side)
        chosen[name] = (side, there[(bisect_left(there, key) + 1 + number) % len(there)])
    return {name: chosen[name] for name in names}


def stand_in(sides: Sides, route: Route, name: str) -> str | None:
    """The side whose images are given for an input that no side plays, such as an exemplar: that of the main input,
    else the first of the input's type. None where there is none, and for the main input itself."""
    candidates = [route.source, *sides] if route.source else []
    kind = type(route.types.get(name, Image()))
    return next((side for side in candidates if side in sides and type(sides[side]) is kind), None)


def unplayed(sides: Sides, route: Route) -> list[str]:
    """The pictures that a direction takes and that the data has none of."""
    missing = [name for name in picture_inputs(route) if route.side_of(name) is None]
    return [name for name in missing if stand_in(sides, route, name) is None]


def value_inputs(dataset: Dataset, split: str, route: Route, key: str) -> dict[str, Any]:
    """The inputs of a direction that are classes (indices) or vectors (numbers), for an image of the data.

    A class that says what the image itself is becomes another one, which depends on the key alone, since a translation
    into its own class would show nothing; a direction without images gets the image's own.
    """
    values: dict[str, Any] = {}
    for name in route.others:
        kind, side = route.types[name], route.side_of(name)
        if not isinstance(kind, Class | Vector):
            continue
        own = dataset.value(split, side, key) if side is not None else None
        if isinstance(kind, Class):
            values[name] = _class_for(kind, None if own is None else int(own), key, other=route.main is not None)
        else:
            values[name] = _vector_for(kind, own, key)
    return values


def _class_for(kind: Class, own: int | None, key: str, *, other: bool) -> int:
    """A class for an image: its own, or another one of those that there are."""
    count = max(1, len(kind.names))
    if own is None or own < 0:
        return derive(0, "class", key) % count
    if not other or count == 1:
        return own
    return (own + 1 + derive(0, "class", key) % (count - 1)) % count


def _vector_for(kind: Vector, own: Tensor | None, key: str) -> list[float]:
    """The numbers of an image; standard normal ones, by its key, where it has none."""
    if own is not None and not bool(own.isnan().any()):
        return [float(value) for value in own]
    rng = np.random.default_rng(derive(0, "vector", key))
    return [float(value) for value in rng.standard_normal(kind.size or 1)]


def family(key: str) -> str:
    """The folder of a key: images of one folder show the same object."""
    return str(PurePosixPath(key).parent)


def _relative(keys: Sequence[str], key: str, number: int) -> str:
    """The next key of the same folder; for `number` > 0 one of the folder so many further on."""
    folders = [list(members) for _, members in groupby(keys, family)]
    own = next(n for n, members in enumerate(folders) if key in members)
    rank = folders[own].index(key) + 1 + (number if len(folders) == 1 else 0)
    chosen = folders[(own + number) % len(folders)]
    return chosen[rank % len(chosen)]
