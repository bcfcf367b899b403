"""How much memory a translation takes, and so: which images fit whole, how large a batch pays, how high strips are."""

from __future__ import annotations

from typing import NamedTuple

import torch

from translate.device import free_memory, total_memory

SMALL = 1 << 20
"""Outputs of so many pixels are made whole without a look at the memory."""

SHARE = 0.75
"""Of the free memory, that an image which is translated whole may take."""

LARGEST = 1 << 31
"""Values of a tensor from which on not all kernels count right, or at all: such images go in strips."""

MARGIN = 1.5
"""The memory of a network, as a multiple of the tensors that it has at once: convolutions keep some of their own."""

STRIPS, WIDEST_STRIPS, ROWS = 64 << 20, 192 << 20, 48
"""Bytes of the tensors of one strip in main memory, and of one from a wide image, in which a tensor has `ROWS` rows."""

UNKNOWN_BYTES = 8192
"""Bytes for each pixel of a network of which nothing is known."""

REUSE = 1000
"""On a CPU a batch pays as far as an image alone multiplies with each weight less often than that: then the weights'
way from memory takes most of the time (a U-Net at 256 pixels: 110 times), and else a batch only crowds the caches."""

BATCH, BATCH_PIXELS, GPU_BATCH, GPU_SHARE = 8, 1 << 19, 32, 0.25
"""The largest batch on a CPU in images and in pixels of the output, on a GPU in images and as a share of its memory."""


class Cost(NamedTuple):
    """The cost of a direction for each pixel of its input.

    `bytes`: of memory. `work`: multiplications with weights. `largest`: values of the largest tensor. `weights`: how
    many there are, for all pixels together.
    """

    bytes: float
    work: float
    largest: float
    weights: int


def unknown_cost(scale: int) -> Cost:
    """Returns the cost of a network that cannot be traced, with outputs of `scale` times the size."""
    return Cost(UNKNOWN_BYTES * scale**2, 0.0, 0.0, 0)


def fits(cost: Cost, pixels: int, device: torch.device) -> bool:
    """Tells whether inputs of so many pixels together are expected to fit into the memory that is free now."""
    # Free memory is no help against kernels that count values in 32 bits.
    if pixels * cost.largest >= LARGEST:
        return False
    return pixels * cost.bytes * MARGIN <= SHARE * free_memory(str(device))


def is_small(pixels: int, scale: int) -> bool:
    """Tells whether an input of so many pixels needs no look at the memory."""
    return pixels * scale**2 <= SMALL


def batch_size(cost: Cost, pixels: int, scale: int, device: torch.device) -> int:
    """Returns how many images of so many pixels, padded, to take at once: at least 1.

    Does not look at the free memory, so that a later run makes equal batches.
    """
    if device.type in ("cuda", "xpu"):
        room = total_memory(str(device)) * GPU_SHARE
        return max(1, min(GPU_BATCH, int(room / (cost.bytes * pixels * MARGIN))))
    if not cost.work:
        # Nothing is known, or nothing to gain.
        return 1
    # How often an image alone multiplies with each weight, on average.
    reuse = cost.work * pixels / cost.weights
    return max(1, min(BATCH, int(REUSE / reuse), BATCH_PIXELS // (pixels * scale**2)))


def strip_budget(row_bytes: int, device: torch.device) -> int:
    """Returns the bytes that the tensors of a strip may take. `row_bytes`: of one row of the widest tensor."""
    if device.type in ("cuda", "xpu"):
        return max(STRIPS, free_memory(str(device)) // 8)
    # Flat strips of a wide image would compute more rows of their neighbours than of their own.
    return min(max(STRIPS, ROWS * row_bytes), WIDEST_STRIPS)


def rows_that_fit(cost: Cost, width: int, device: torch.device) -> int:
    """Returns how many rows of an image of this width fit into half of what a whole image may take."""
    # Half: the output of a band stays until the next one has faded into it.
    room = SHARE / 2 * free_memory(str(device)) / MARGIN
    return int(room / (cost.bytes * width))


def is_out_of_memory(error: BaseException) -> bool:
    """Tells a lack of memory from other errors: on CPUs torch raises a plain RuntimeError for it."""
    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in text or "alloc" in text
