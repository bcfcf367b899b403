"""Images in overlapping bands, for networks whose calls are not all known: near to the whole image, not equal to it.

Each band goes through the network on its own, and neighbours fade into each other in the middle of their overlap.
Norms get the statistics of all bands together: in every sweep over the bands those that the sweep before has gathered,
which are right from the n-th sweep on for the n-th norm, and near long before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from translate.inference.streaming.ops_pointwise import Context, Unknown, lower
from translate.inference.streaming.statistics import Moments
from translate.inference.streaming.trace import Node

Make = Callable[[int, int], Tensor]
"""The output of a network for rows [a, b) of its input, taken for an image: 1 x C x (scale (b - a)) x W."""

OVERLAP = 32
"""Rows of the input by which a band reaches into each of its neighbours."""

SWEEPS = 12
CLOSE = 0.01
"""Statistics are right enough once no mean moves by more than this share of its deviation, nor any deviation."""

NORMS = ("instance_norm", "batch_norm", "group_norm")


class Band(NamedTuple):
    """Rows `first` to before `last` are its own; it sees those from `a` to before `b`."""

    first: int
    last: int
    a: int
    b: int


def run(make: Make, write: Callable[[int, Tensor], None], rows: int, height: int, scale: int, multiple: int) -> None:
    """Makes an output in bands of about `height` rows of the input, which has `rows`; `write` takes it in order."""
    bands = _bands(rows, height, multiple)
    norms = _gather(make, bands)
    before: Tensor | None = None  # rows of the band before that this one sees, too
    for band, follower in zip(bands, [*bands[1:], None], strict=True):
        made = norms.apply(make, band).float().clone()
        if before is not None:
            shared = before.shape[-2]
            ramp = ((torch.arange(shared, device=made.device) + 0.5) * 2 / shared - 0.5).clamp(0, 1).view(-1, 1)
            made[..., :shared, :].lerp_(before, 1 - ramp)
        done = ((follower.a if follower else rows) - band.a) * scale
        write(band.a * scale, made[..., :done, :])
        before = made[..., done:, :]


def difference(make: Make, rows: int, height: int, scale: int, multiple: int) -> float:
    """The mean absolute difference between four bands and the whole, on a piece from the middle as high as two."""
    start = max(0, (rows // 2 - height) // multiple * multiple)
    piece = min(2 * height, rows - start)
    parts: list[Tensor] = []
    run(lambda a, b: make(start + a, start + b), lambda _, part: parts.append(part), piece, piece // 4, scale, multiple)
    return float((torch.cat(parts, -2) - make(start, start + piece)).abs().mean())


def _bands(rows: int, height: int, multiple: int) -> list[Band]:
    """Cut at multiples, so that all bands see the same grid."""
    step = max(height // multiple, 1) * multiple
    more = min(-(-OVERLAP // multiple) * multiple, step)
    own = [(first, min(first + step, rows)) for first in range(0, rows, step)]
    return [Band(first, last, max(first - more, 0), min(last + more, rows)) for first, last in own]


def _gather(make: Make, bands: Sequence[Band]) -> _JointNorms:
    """Statistics of all norms over the own rows of all bands."""
    norms = _JointNorms()
    for _ in range(SWEEPS if len(bands) > 1 else 0):
        for band in bands:
            norms.apply(make, band, gather=True)
            if not norms.found:
                return norms
        if norms.settle():
            break
    return norms


class _JointNorms(TorchFunctionMode):
    """While it is active, norms over an image use the statistics that were gathered, in the order of their calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Moments] = []
        self._fixed: list[Moments] = []
        self._share, self._gather, self._at = (0.0, 1.0), False, 0

    def apply(self, make: Make, band: Band, gather: bool = False) -> Tensor:
        """The output for a band; `gather`: statistics of its own rows are taken for the next sweep."""
        first, last, a, b = band
        self._share, self._gather, self._at = ((first - a) / (b - a), (last - a) / (b - a)), gather, 0
        with self:
            return make(a, b)

    def settle(self) -> bool:
        """Takes what was gathered for the statistics from now on; whether that changed little."""
        before, self._fixed, self.found = self._fixed, self.found, []
        return len(before) == len(self._fixed) and all(map(_close, before, self._fixed))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = (resolve_name(func) or "").rpartition(".")[2]
        if name not in NORMS or not args:
            return func(*args, **kwargs)
        x, *rest = args
        source = Node(tuple(x.shape))
        try:
            step = lower(Node(source.shape, name, func, (source, *rest), kwargs))
        except Unknown:
            return func(*args, **kwargs)
        if step.gathers is None:
            return func(*args, **kwargs)
        at, self._at = self._at, self._at + 1
        if self._gather:
            if at == len(self.found):
                self.found.append(Moments())
            first, last = (round(share * source.rows) for share in self._share)
            if first < last:
                self.found[at].add(x[..., first:last, :])
        if at >= len(self._fixed):
            return func(*args, **kwargs)
        return step.run([x], 0, source.rows, Context({source: self._fixed[at]}, x.device))


def _close(before: Moments, after: Moments) -> bool:
    (old, was), (new, now) = before.finish(), after.finish()
    scale = (now + 1e-5).sqrt()
    moved = torch.maximum((new - old).abs(), ((was + 1e-5).sqrt() - scale).abs())
    return bool((moved <= CLOSE * scale).all())
