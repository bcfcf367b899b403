"""Rows of images as tensors, for the inputs of a network, and rows of tensors as images, for its output."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from translate.imaging.appearance.around import seen_by_networks
from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.imaging.convert import Array, Ranges, match_channels
from translate.imaging.io import Image
from translate.inference.padding import padded_size, reflect_index
from translate.inference.side_images import check_bands


class RowReader:
    """Reads an input of a network by rows: an `Image`, as `handling` says, or a tensor 1 x C x H x W in [-1, 1].

    `channels` is the number that the network takes, `size` the (height, width) of the input; `ranges` are the values of
    an image that become -1 and 1, where these are not black and white of its type. Errors: ConfigError for an image
    of other bands than those that have ranges.
    """

    def __init__(
        self,
        source: Image | Tensor,
        channels: int,
        device: torch.device,
        ranges: Ranges | None = None,
        handling: Handling = DEFAULT,
    ) -> None:
        self.source, self.channels, self.device = source, channels, device
        self.ranges, self.handling = ranges, handling
        if isinstance(source, Image):
            check_bands(source, ranges)
        shape = source.shape[-2:] if isinstance(source, Tensor) else source.pixels.shape[:2]
        self.size = (int(shape[0]), int(shape[1]))

    def read(self, first: int, last: int, multiple: int | None) -> Tensor:
        """Returns the rows [first, last), 1 x channels x rows x W, float32 in [-1, 1] on the device.

        With `multiple` they are rows of the padded image: it is padded by reflection, below and at the right, until
        both sides are multiples of this.
        """
        height, width = self.size
        padded_height, padded_width = padded_size(self.size, multiple) if multiple else self.size
        # For each row of the padded image, the row of the image that stands there: beyond the border they count back.
        index = reflect_index(height, padded_height, torch.device("cpu"))[first:last]
        low, high = int(index.min()), int(index.max()) + 1
        strip = match_channels(self._unpadded(low, high).to(self.device, torch.float32), self.channels)
        # Most strips lie above the padding, and are neither copied nor reordered.
        if last > height:
            strip = strip.index_select(-2, (index - low).to(self.device))
        if padded_width > width:
            strip = strip.index_select(-1, reflect_index(width, padded_width, self.device))
        return strip

    def _unpadded(self, low: int, high: int) -> Tensor:
        if isinstance(self.source, Tensor):
            return self.source[..., low:high, :]
        # Only these rows become floating-point numbers, which take four times the room of bytes.
        return seen_by_networks(self.source.rows(low, high), self.handling, self.ranges)


class ArrayWriter:
    """Writes an output in [-1, 1] into `array`, H x W x C of the type that `rows` gives: rows x W x C of a strip and
    the number of its first row. `size`: (height, width)."""

    def __init__(self, size: tuple[int, int], rows: Callable[[Tensor, int], Array]) -> None:
        self.size, self._rows = size, rows
        self.array: Array = np.empty(0)

    def write(self, first: int, strip: Tensor) -> None:
        """Takes the rows from `first` on, 1 x C x rows x W."""
        rows = self._rows(strip, first)
        if not self.array.size:
            # The first strip tells how many channels there are.
            self.array = np.empty((*self.size, rows.shape[2]), rows.dtype)
        self.array[first : first + len(rows)] = rows


class TensorWriter:
    """Writes an output into `tensor`, 1 x C x H x W on the device. `size`: (height, width)."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        self.size, self.device, self.tensor = size, device, torch.empty(0)

    def write(self, first: int, strip: Tensor) -> None:
        """Takes the rows from `first` on, 1 x C x rows x W."""
        if not self.tensor.numel():
            # The first strip tells how many channels there are.
            self.tensor = torch.empty((1, strip.shape[1], *self.size), device=self.device)
        self.tensor[..., first : first + strip.shape[-2], :] = strip
