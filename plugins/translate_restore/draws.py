"""Random numbers for a batch, one for each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from pydantic import AfterValidator
from torch import Tensor


def _ordered(value: Any) -> Any:
    if isinstance(value, tuple) and value[0] > value[1]:
        raise ValueError(f"a range goes from the smaller to the larger number, not from {value[0]} to {value[1]}")
    return value


Ordered = AfterValidator(_ordered)
"""Checks that a range `[low, high]` goes upwards."""
Span = float | tuple[float, float]
"""One number, or the range that it is drawn from."""

T = TypeVar("T")


class Draws:
    """Draws for `count` images from one generator, on its device."""

    def __init__(self, count: int, rng: torch.Generator) -> None:
        self.count, self.rng = count, rng

    def uniform(self, span: Span) -> Tensor:
        """Numbers that are equally likely everywhere in the span, N x 1 x 1 x 1. One number is always that one."""
        low, high = span if isinstance(span, tuple) else (span, span)
        drawn = torch.rand(self.count, 1, 1, 1, generator=self.rng, device=self.rng.device)
        return low + (high - low) * drawn

    def chance(self, p: float) -> Tensor:
        """True with the probability p, N x 1 x 1 x 1."""
        return self.uniform((0.0, 1.0)) < p

    def one_of(self, weights: Sequence[float]) -> list[Tensor]:
        """For each of the weights where it is drawn, N x 1 x 1 x 1: exactly one for each image."""
        drawn, total, before = self.uniform((0.0, sum(weights))), sum(weights), 0.0
        masks = []
        for weight in weights:
            # the last one with a weight has the end of the range, which sums of floats may miss
            end = before + weight if before + weight < total else float("inf")
            masks.append((drawn >= before) & (drawn < end))
            before = end
        return masks

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal noise in the shape of `like`."""
        return torch.randn(like.shape, generator=self.rng, device=self.rng.device)

    def one(self, span: Span) -> float:
        """One number for the whole batch: it decides sizes, so that a GPU has to tell it."""
        low, high = span if isinstance(span, tuple) else (span, span)
        drawn = torch.rand((), generator=self.rng, device=self.rng.device)
        return low + (high - low) * float(drawn)

    def choice(self, among: Sequence[T]) -> T:
        """One of several for the whole batch."""
        return among[min(int(self.one((0.0, float(len(among))))), len(among) - 1)]
