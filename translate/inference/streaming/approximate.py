"""Images in overlapping bands, for networks whose calls are not all known: near to the whole image, not equal to it.

Each band goes through the network on its own, and neighbours fade into each other in the middle of their overlap.
Norms use the statistics of all bands together. They are gathered in sweeps over all bands before the output is made:
in each sweep norms use what the sweep before has gathered. The statistics of the n-th norm depend on those of the norms
before it, so that they are right after n sweeps at the latest, and near to that long before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from translate.inference.streaming.op import OpContext, UnsupportedOp
from translate.inference.streaming.op_table import lower
from translate.inference.streaming.statistics import ChannelStatistics
from translate.inference.streaming.trace import Node

Translate = Callable[[int, int], Tensor]
"""Returns the output for rows [first, last) of an input, taken for an image: 1 x C x (scale (last - first)) x W."""

OVERLAP = 32
"""Rows of the input by which a band reaches into each of its neighbours."""

SWEEPS = 12
"""The most sweeps over all bands for the sake of statistics alone: each takes as long as the output itself."""
CLOSE = 0.01
"""Sweeps end once no mean and no standard deviation moves by more than this share of the standard deviation."""

NORMS = ("instance_norm", "batch_norm", "group_norm")
"""Functions whose statistics may be those of the image; `op_table.lower` tells for a call whether they are."""


class Band(NamedTuple):
    """The rows [first, last) are its own; it sees the rows [start, stop), which reach into its neighbours."""

    first: int
    last: int
    start: int
    stop: int


def approximate(
    translate: Translate, write: Callable[[int, Tensor], None], rows: int, band_rows: int, scale: int, multiple: int
) -> None:
    """Computes an output in bands of about `band_rows` rows of the input, which has `rows` of them.

    `write(first, strip)` takes the rows of the output in order. One row of the input gives `scale` rows of the output.
    Bands begin at multiples of `multiple`, where the strides of the network begin, too.
    """
    bands = cut(rows, band_rows, multiple)
    norms = _gather(translate, bands)
    # The last rows of the band before, which this band computes as well.
    overlap: Tensor | None = None
    for band, follower in zip(bands, [*bands[1:], None], strict=True):
        # In float32, and in a tensor of its own: the blend below writes into it.
        output = norms.apply(translate, band).float().clone()
        if overlap is not None:
            shared = overlap.shape[-2]
            # From 0 at a quarter of the overlap to 1 at three quarters: the outer quarters, where a band sees its cut
            # edge, come from the neighbour alone. The 0.5 is the centre of a row.
            ramp = ((torch.arange(shared, device=output.device) + 0.5) * 2 / shared - 0.5).clamp(0, 1).view(-1, 1)
            output[..., :shared, :].lerp_(overlap, 1 - ramp)
        # Rows that the next band computes as well wait for it.
        ready = ((follower.start if follower else rows) - band.start) * scale
        write(band.start * scale, output[..., :ready, :])
        overlap = output[..., ready:, :]


def difference(translate: Translate, rows: int, band_rows: int, scale: int, multiple: int) -> float:
    """Returns the mean absolute difference between an output in bands and a whole one, in its own values.

    Both are computed for a piece from the middle of the image, as high as two bands and cut into four: the whole piece
    has to fit into the memory.
    """
    start = max(0, (rows // 2 - band_rows) // multiple * multiple)
    piece = min(2 * band_rows, rows - start)
    strips: list[Tensor] = []

    def translate_piece(first: int, last: int) -> Tensor:
        return translate(start + first, start + last)

    approximate(translate_piece, lambda _, strip: strips.append(strip), piece, piece // 4, scale, multiple)
    return float((torch.cat(strips, -2) - translate_piece(0, piece)).abs().mean())


def cut(rows: int, band_rows: int, multiple: int) -> list[Band]:
    """Cuts an image of `rows` rows into bands of about `band_rows` rows, at multiples of `multiple`."""
    step = max(band_rows // multiple, 1) * multiple
    # No more than a band's own height, so that no band reaches beyond its neighbours.
    overlap = min(-(-OVERLAP // multiple) * multiple, step)
    bands = []
    for first in range(0, rows, step):
        last = min(first + step, rows)
        bands.append(Band(first, last, max(first - overlap, 0), min(last + overlap, rows)))
    return bands


def _gather(translate: Translate, bands: Sequence[Band]) -> _JointNorms:
    """Gathers the statistics of all norms, sweep by sweep, until they hardly move."""
    norms = _JointNorms()
    for _ in range(SWEEPS if len(bands) > 1 else 0):
        for band in bands:
            norms.apply(translate, band, gather=True)
            if not norms.gathered:
                # The network has no norm over an image.
                return norms
        if norms.settle():
            break
    return norms


class _JointNorms(TorchFunctionMode):
    """While it is active, norms over an image use the statistics of the sweep before.

    Norms have no names here: the n-th call in one band is taken for the n-th call in every other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gathered: list[ChannelStatistics] = []
        self._used: list[ChannelStatistics] = []
        # A band's own rows as shares of what it sees: a norm may stand at any scale.
        self._own_share = (0.0, 1.0)
        self._gather, self._call = False, 0

    def apply(self, translate: Translate, band: Band, gather: bool = False) -> Tensor:
        """Returns the output for a band. With `gather`, statistics of its own rows are taken for the next sweep."""
        first, last, start, stop = band
        self._own_share = ((first - start) / (stop - start), (last - start) / (stop - start))
        self._gather, self._call = gather, 0
        with self:
            return translate(start, stop)

    def settle(self) -> bool:
        """Ends a sweep: norms use from now on what it has gathered. Returns True where that changed little."""
        before, self._used, self.gathered = self._used, self.gathered, []
        return len(before) == len(self._used) and all(map(_close, before, self._used))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = (resolve_name(func) or "").rpartition(".")[2]
        if name not in NORMS or not args:
            return func(*args, **kwargs)
        x, *rest = args
        source = Node(tuple(x.shape))
        try:
            op = lower(Node(source.shape, name, func, (source, *rest), kwargs))
        except UnsupportedOp:
            return func(*args, **kwargs)
        if op.statistics_of is None:
            # A norm with the statistics of the training.
            return func(*args, **kwargs)
        call, self._call = self._call, self._call + 1
        if self._gather:
            self._add(call, x)
        if call >= len(self._used):
            # The first sweep: each band still norms itself.
            return func(*args, **kwargs)
        return op.run([x], 0, source.rows, OpContext({source: self._used[call]}, x.device))

    def _add(self, call: int, x: Tensor) -> None:
        """Takes a band's own rows of the input of a norm into its statistics."""
        if call == len(self.gathered):
            self.gathered.append(ChannelStatistics())
        first, last = (round(share * x.shape[-2]) for share in self._own_share)
        if first < last:
            self.gathered[call].add(x[..., first:last, :])


def _close(before: ChannelStatistics, after: ChannelStatistics) -> bool:
    (old_mean, old_variance), (mean, variance) = before.finish(), after.finish()
    # The 1e-5 that norms add to a variance keeps constant channels from counting.
    deviation = (variance + 1e-5).sqrt()
    moved = torch.maximum((mean - old_mean).abs(), ((old_variance + 1e-5).sqrt() - deviation).abs())
    return bool((moved <= CLOSE * deviation).all())
