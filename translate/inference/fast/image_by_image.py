"""Transposed convolutions whose outputs for an image do not depend on the batch that it shares, to the last bit."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import has_torch_function

ALIKE = 2
"""Threads up to which a CPU's kernels add in the same order for each image, where every thread has whole images."""


def image_by_image(layer: nn.ConvTranspose2d) -> nn.ConvTranspose2d:
    """The layer, of the same tensors, applied to several images at once only where each comes out as alone.

    With several threads the kernels of a CPU may share out a batch otherwise than an image, and add in another order.
    """
    alone = copy.copy(layer)
    alone.__class__ = _Alone
    return alone


class _Alone(nn.ConvTranspose2d):
    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        if len(input) == 1 or input.is_meta or has_torch_function((input,)):  # recordings see one call
            return super().forward(input, output_size)
        outputs = [super(_Alone, self).forward(part, output_size) for part in torch.split(input, parts(input))]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def parts(batch: Tensor) -> list[int]:
    """The numbers of images of a batch that go at once: as many as share themselves out evenly, then one by one."""
    threads = torch.get_num_threads()
    even = len(batch) // threads * threads if threads <= ALIKE else 0
    return [*[even] * (even > 0), *[1] * (len(batch) - even)]
