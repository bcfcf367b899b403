"""Which further images a direction gets for an image of the data: exemplars by position, partners by name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePosixPath

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
