"""Dropout that draws for each image of a batch from the image's own generator."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_generators: ContextVar[Sequence[torch.Generator] | None] = ContextVar("generators", default=None)


@contextmanager
def drawing_from(seeds: Sequence[int]) -> Iterator[None]:
    """Within it the images of a batch draw from generators of these seeds."""
    token = _generators.set([torch.Generator().manual_seed(seed) for seed in seeds])
    try:
        yield
    finally:
        _generators.reset(token)


def image_dropout(layer: nn.Dropout) -> nn.Dropout:
    """The same dropout, which draws within `drawing_from` for each image."""
    own = copy.copy(layer)
    own.__class__ = ImageDropout
    return own


class ImageDropout(nn.Dropout):
    """Dropout of N x ...: an image has the values dropped that it would have alone, in any precision and order.

    The numbers are those that torch draws for one image in float32 on a CPU.
    """

    def forward(self, input: Tensor) -> Tensor:
        generators = _generators.get()
        if generators is None or input.is_meta or len(generators) != len(input) or not self.training:
            return super().forward(input)
        keep = 1 - self.p
        shape = (1, *input.shape[1:])
        masks = [torch.empty(shape).bernoulli_(keep, generator=generator) for generator in generators]
        scaled = torch.cat(masks).div_(keep) if keep else torch.cat(masks)
        return input * scaled.to(input)
