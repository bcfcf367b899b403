"""Transposed convolutions whose outputs for an image do not depend on the batch that it shares, to the last bit."""

from __future__ import annotations

import copy
from typing import Any

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
    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        if len(input) == 1 or input.is_meta or has_torch_function((input,)):  # recordings see one call
            return super().forward(input, output_size)
        outputs = []
        for image in torch.split(input, 1):
            outputs.append(super().forward(image, output_size))
        return torch.cat(outputs)
