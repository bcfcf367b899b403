"""Images whose rows become tensors, and tensors whose rows become images, strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.imaging.convert import Array, largest, match_channels, padded_size, reflect_index, to_array, to_tensor
from translate.imaging.io import Image


class Picture:
    """An input of a network: an `Image`, seen over white, or a tensor 1 x C x H x W in [-1, 1]."""

    def __init__(self, source: Image | Tensor, channels: int, device: torch.device) -> None:
        self.source, self.channels, self.device = source, channels, device
        shape = source.shape[-2:] if isinstance(source, Tensor) else source.pixels.shape[:2]
        self.size = (int(shape[0]), int(shape[1]))

    def rows(self, first: int, last: int, multiple: int | None) -> Tensor:
        """Rows [first, last) of the image, padded as by `arrays.pad` or (None) not at all: 1 x channels x rows x W,
        float32 on the device."""
        (height, width), (high, wide) = self.size, padded_size(self.size, multiple) if multiple else self.size
        at = reflect_index(height, high, torch.device("cpu"))[first:last]
        low, top = int(at.min()), int(at.max()) + 1
        if isinstance(self.source, Tensor):
            strip = self.source[..., low:top, :]
        else:
            pixels, alpha = self.source.pixels[low:top], self.source.alpha
            strip = to_tensor(Image(pixels, None if alpha is None else alpha[low:top]).over_white())
        strip = match_channels(strip.to(self.device, torch.float32), self.channels)
        if last > height:
            strip = strip.index_select(-2, (at - low).to(self.device))
        if wide > width:
            strip = strip.index_select(-1, reflect_index(width, wide, self.device))
        return strip


class Canvas:
    """An output as an array H x W x C of `dtype`; of `labels` the indices of the largest logits, H x W x 1 uint8."""

    def __init__(self, size: tuple[int, int], dtype: np.dtype[Any], labels: bool) -> None:
        self.size, self.dtype, self.labels = size, dtype, labels
        self.array: Array = np.empty(0, dtype)

    def write(self, first: int, strip: Tensor) -> None:
        """Takes 1 x C x rows x W; with the first strip it becomes clear how many channels there are."""
        rows = largest(strip) if self.labels else to_array(strip, self.dtype)
        if not self.array.size:
            self.array = np.empty((*self.size, rows.shape[2]), rows.dtype)
        self.array[first : first + len(rows)] = rows


class Sheet:
    """An output as a tensor 1 x C x H x W on the device."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        self.size, self.device, self.tensor = size, device, torch.empty(0)

    def write(self, first: int, strip: Tensor) -> None:
        """Takes 1 x C x rows x W."""
        if not self.tensor.numel():
            self.tensor = torch.empty((1, strip.shape[1], *self.size), device=self.device)
        self.tensor[..., first : first + strip.shape[-2], :] = strip
