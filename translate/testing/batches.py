"""Tiny batches of every data kind: noise by counter, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from translate.contracts import IGNORE, SIDES, DataKind, DataSpec
from translate.seeding import derive

Size = int | tuple[int, int]


def tiny_spec(kind: DataKind, *, size: Size = 32, channels: int | Mapping[str, int] = 3, classes: int = 4) -> DataSpec:
    """The DataSpec of `tiny_batch`: `channels` for all sides or by side, class names and colours for labels."""
    by_side = channels if isinstance(channels, Mapping) else dict.fromkeys(SIDES[kind], channels)
    height, width = (size, size) if isinstance(size, int) else size
    if kind != "labelled":
        return DataSpec(kind, dict(by_side), (height, width))
    palette = tuple((37 * n % 256, 91 * n % 256, 200 * n % 256) for n in range(classes))
    names = tuple(f"class {n}" for n in range(classes))
    return DataSpec(kind, {**by_side, "label": 1}, (height, width), names, palette)


def tiny_batch(
    kind: DataKind,
    *,
    count: int = 2,
    size: Size = 32,
    channels: int | Mapping[str, int] = 3,
    classes: int = 4,
    seed: int = 0,
) -> dict[str, Tensor]:
    """One training batch: images float32, count x C x H x W in [-1, 1]; labels long, count x H x W, with a row of
    `IGNORE`. Equal arguments give equal batches, other seeds others."""
    spec = tiny_spec(kind, size=size, channels=channels, classes=classes)
    return {side: _side(spec, side, count, derive(seed, "batch", kind, side)) for side in SIDES[kind]}


def _side(spec: DataSpec, side: str, count: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    if side == "label":
        labels = torch.randint(0, len(spec.classes), (count, *spec.size), generator=draw)
        labels[:, 0] = IGNORE
        return labels
    return torch.rand(count, spec.channels[side], *spec.size, generator=draw) * 2 - 1
