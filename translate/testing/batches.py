"""Tiny batches of any sides: noise by counter, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from translate.contracts import IGNORE, MISSING, Class, DataKind, DataSpec, Frames, Image, Labels, Side, Sides, Vector
from translate.seeding import derive

Size = int | tuple[int, int]

NUMBERS = 4
"""Numbers of a vector whose size is not declared."""


def tiny_spec(
    data: DataKind | Sides, *, size: Size = 32, channels: int | Mapping[str, int] = 3, classes: int = 4
) -> DataSpec:
    """The DataSpec of `tiny_batch`.

    `data` is a declaration of sides or the name of a usual one. What it leaves open is filled in: `channels` for all
    images or by side, `classes` many names for classes, with colours for those of label maps.
    """
    declared = Sides.of(data)
    by_side = channels if isinstance(channels, Mapping) else dict.fromkeys(declared, channels)
    height, width = (size, size) if isinstance(size, int) else size
    names = tuple(f"class {n}" for n in range(classes))
    palette = tuple((37 * n % 256, 91 * n % 256, 200 * n % 256) for n in range(classes))
    filled: dict[str, Side] = {}
    counts: dict[str, int] = {}
    for name, side in declared.types.items():
        if isinstance(side, Image | Frames):
            counts[name] = side.channels or by_side.get(name, 3)
        elif isinstance(side, Labels):
            counts[name] = 1
        elif isinstance(side, Class) and not side.names:
            filled[name] = replace(side, names=names)
        elif isinstance(side, Vector) and side.size is None:
            filled[name] = replace(side, size=NUMBERS)
    ready = declared.filled(**filled)
    if not any(isinstance(side, Labels) for side in declared.types.values()):
        return DataSpec(ready, counts, (height, width))
    return DataSpec(ready, counts, (height, width), names, palette)


def tiny_batch(
    data: DataKind | Sides,
    *,
    count: int = 2,
    size: Size = 32,
    channels: int | Mapping[str, int] = 3,
    classes: int = 4,
    seed: int = 0,
) -> dict[str, Tensor]:
    """One training batch of these sides, each as `translate.Image` and its kin say.

    Label maps have a row of `IGNORE`. Of an optional side the last image of the batch has none. Equal arguments give
    equal batches, other seeds others.
    """
    spec = tiny_spec(data, size=size, channels=channels, classes=classes)
    seeds = {side: derive(seed, "batch", spec.kind or "sides", side) for side in spec.sides}
    return {name: _side(spec, name, side, count, seeds[name]) for name, side in spec.sides.types.items()}


def _side(spec: DataSpec, name: str, side: Side, count: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    if isinstance(side, Labels):
        labels = torch.randint(0, len(spec.classes), (count, *spec.size), generator=draw)
        labels[:, 0] = IGNORE
        return _optional(labels, side, IGNORE)
    if isinstance(side, Class):
        return _optional(torch.randint(0, len(side.names), (count,), generator=draw), side, MISSING)
    if isinstance(side, Vector):
        return _optional(torch.randn(count, side.size or NUMBERS, generator=draw), side, float("nan"))
    frames = (side.count,) if isinstance(side, Frames) else ()
    return torch.rand(count, *frames, spec.channels[name], *spec.size, generator=draw) * 2 - 1


def _optional(values: Tensor, side: Side, missing: float) -> Tensor:
    if side.optional and len(values) > 1:
        values[-1] = missing
    return values
