"""Switches of CUDA for the time of a training: TensorFloat-32, float32 whose products tensor cores make with 10 bits of
mantissa, many times as fast, and the search for the fastest kernel of a convolution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Switches it for products of matrices and for convolutions of this process, and back at the end.

    Whoever has set torch's newer switches (`fp32_precision`) keeps them: torch refuses to read both kinds then.
    """
    # The older switches set the newer ones as well, and every part of torch can read either then. Of the newer ones,
    # once they are set, some parts of 2.13 cannot read the older.
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    try:
        before = products.allow_tf32, convolutions.allow_tf32
    except RuntimeError:
        yield
        return
    products.allow_tf32 = convolutions.allow_tf32 = on
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


@contextmanager
def searched_convolutions(on: bool) -> Iterator[None]:
    """Lets cuDNN try its kernels for each new shape of a convolution in this process, or not, and puts that back."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = on
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
