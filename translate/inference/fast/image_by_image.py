"""Transposed convolutions whose outputs for an image do not depend on the batch that it shares, to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.overrides import has_torch_function


def image_by_image(layer: nn.ConvTranspose2d) -> nn.ConvTranspose2d:
    """The layer, of the same tensors, applied to one image after another.

    With several threads the kernels of a CPU share out a batch otherwise than an image, and add in another order.
    """
    alone = copy.copy(layer)
    alone.__class__ = _Alone
    return alone


class _Alone(nn.ConvTranspose2d):
    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        if len(input) == 1 or input.is_meta or has_torch_function((input,)):  # recordings see one call
            return super().forward(input, output_size)  # type: ignore[arg-type]
        images = [super(_Alone, self).forward(image, output_size) for image in input.split(1)]  # type: ignore[arg-type]
        return torch.cat(images)
