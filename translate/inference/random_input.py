"""Random inputs of every type, with which a direction is tried before anybody trusts it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from translate.contracts import Class, Frames, Labels, Side, Vector


def random_input(
    kind: Side, channels: int, count: int, size: tuple[int, int], draw: Generator, *, classes: int = 2, numbers: int = 1
) -> Tensor:
    """An input of `count` images of (height, width) `size` as in a batch: noise in [-1, 1] in the place of images, any
    classes, any numbers.

    `classes` and `numbers` count for types that do not say how many they have.
    """
    if isinstance(kind, Class):
        return torch.randint(len(kind.names) or classes, (count,), generator=draw)
    if isinstance(kind, Vector):
        return torch.randn(count, kind.size or numbers, generator=draw)
    if isinstance(kind, Labels):
        return torch.randint(len(kind.classes) or classes, (count, *size), generator=draw)
    frames = (kind.count,) if isinstance(kind, Frames) else ()
    return torch.rand(count, *frames, channels, *size, generator=draw) * 2 - 1
