"""Sources of noise for an export: one that hands out the inputs of a graph, and one that notes what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from translate.inference.draw import SeededDraw
from translate.seeding import derive

Size = tuple[int, int]


class GivenDraw:
    """Hands out noise that is given, call by call; see `translate.Draw`."""

    def __init__(self, noise: Sequence[Tensor], count: int, size: Size) -> None:
        self.count, self.size = count, size
        self._waiting = iter(noise)

    def normal(self, *shape: int) -> Tensor:
        """The next noise, which has this shape."""
        return next(self._waiting)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """The next noise, which is of these ends."""
        return next(self._waiting)

    def integers(self, high: int, *shape: int) -> Tensor:
        """The next numbers, which are of this end."""
        return next(self._waiting)


class NotedDraw(SeededDraw):
    """Draws, and notes each call in `calls`: distribution, shape, low, high. `wrap` is done to what was drawn."""

    def __init__(self, count: int, size: Size, wrap: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__([derive(0, "export noise", n) for n in range(count)], size, torch.device("cpu"))
        self.wrap = wrap
        self.calls: list[tuple[Literal["normal", "uniform", "integers"], tuple[int, ...], float, float]] = []

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise."""
        self.calls.append(("normal", shape, 0.0, 1.0))
        return super().normal(*shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers in [low, high)."""
        self.calls.append(("uniform", shape, low, high))
        return super().uniform(*shape, low=low, high=high)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to high - 1."""
        self.calls.append(("integers", shape, 0.0, float(high)))
        return super().integers(high, *shape)

    def _rows(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        rows = super()._rows(one)
        return rows if self.wrap is None else self.wrap(rows)
