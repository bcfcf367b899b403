"""Masks from files: which pixels of an image are to be made up."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate

from translate.data.sources.listing import list_images
from translate.errors import DataError
from translate.imaging.io import read

if TYPE_CHECKING:
    from torch import Tensor


@lru_cache(maxsize=4)
def load_masks(folder: Path, size: tuple[int, int]) -> Tensor:
    """Reads the images of a folder as masks of `size` (height, width): N x 1 x H x W, 1 where white, else 0.

    They are sorted by name.

    What is brighter than half counts as white; other sizes are brought to `size` by the nearest pixel. Errors:
    DataError (no folder, no images, a mask that is all white or all black). The last few folders are kept in memory.
    """
    masks = []
    for path in list_images(folder).files.values():
        pixels = read(path).over_white()
        bright = torch.from_numpy(pixels.max(axis=2) > (65535 if pixels.dtype.itemsize == 2 else 255) // 2)
        mask = interpolate(bright[None, None].float(), size, mode="nearest")
        if mask.min() == mask.max():
            raise DataError(f"{path}: a mask has white pixels (the hole) and black ones, and this one has but one kind")
        masks.append(mask)
    return torch.cat(masks)
