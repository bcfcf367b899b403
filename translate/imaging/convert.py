"""Turns images into network tensors and back: bit depth, grey and colour, alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import FULL, Frames, Image as ImageSide, Side
from translate.errors import ConfigError, DataError
from translate.imaging.appearance.pillow_images import from_pillow
from translate.imaging.formats.samples import as_samples
from translate.imaging.io import Image, read
from translate.imaging.palette import full_palette
from translate.imaging.pixels import LUMA, to16, top, within_unit

Array = np.ndarray[Any, Any]

Ranges = Sequence[tuple[float, float]]
"""The (low, high) that become -1 and 1: one for all bands, or one for each."""


def stated_ranges(side: Side | None) -> Ranges | None:
    """The values of a side of images that become -1 and 1; None where these are all values of an integer type."""
    if not isinstance(side, ImageSide | Frames):
        return None
    dtype = side.dtype or "uint8"
    ranges = side.range or FULL[dtype]
    return None if dtype != "float32" and ranges == FULL[dtype] else ranges


def as_image(image: Any, bands: int | None = None) -> Image:
    """A path, PIL image, array H x W (x C), or `Image`.

    A PIL image is treated as its file would be, and an array as its `.npy`: unsigned integers have white at the largest
    of their type, floats and signed integers at 1; booleans are black and white. Of an array of two or four channels
    the last is alpha, unless so many are the `bands` that a model takes. Errors: ConfigError, DataError.
    """
    if isinstance(image, Image):
        return image
    if isinstance(image, (str, Path)):
        return read(Path(image))
    if hasattr(image, "getbands"):
        return from_pillow(image)
    if not isinstance(image, np.ndarray):
        raise ConfigError(f"an image is a path, a PIL image, an array or a tensor, not {type(image).__name__}")
    array = _checked(image)
    return with_alpha(array, None, array.shape[2] == bands)


def _checked(given: Array) -> Array:
    """An array of somebody's as H x W x C of the types that images have. Errors: ConfigError, DataError."""
    if np.ma.is_masked(given):
        raise ConfigError("a masked array: fill in what is masked (`array.filled(0)`)")
    array = np.asarray(given)  # a matrix, or an array of a class of its own, has other rules
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    readable = kind == "b" or (kind in "ui" and bits <= 32) or kind == "f"
    if not readable or array.ndim not in (2, 3) or 0 in array.shape:
        shape = " x ".join(map(str, array.shape)) or "a single number"
        wide = kind in "ui" and bits > 32 and array.ndim in (2, 3)
        more = "; `.astype(np.uint8)` says that white is 255" if wide else ""
        raise ConfigError(
            f"an array is H x W or H x W x C of integers of up to 32 bits, booleans or floats, not {shape} of "
            f"{array.dtype}{more}"
        )
    if kind == "f" and not np.isfinite(array).all():
        raise ConfigError("a float array holds NaN or infinity; fill them in")
    if kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    return as_samples(array[..., None] if array.ndim == 2 else array, "the array")


def with_alpha(array: Array, alpha: Array | None, bands: bool = False) -> Image:
    """H x W x C as an image; C of 2 or 4 brings its own alpha, which then counts instead of `alpha`, unless the
    channels are `bands`. More than 4 are bands in any case."""
    channels = array.shape[2]
    bands = bands and channels not in (1, 3)
    if channels in (2, 4) and not bands:
        array, alpha = array[..., :-1], array[..., -1]
    mode = "grey" if channels <= 2 else "rgb"
    if channels > 4 or (bands and channels > 1):
        mode = "bands"
    return Image(array, alpha, mode=mode)


def deepened(image: Image) -> Image:
    """The same image in 16 bits: 255 * 257 = 65535, so that no value of 8 bits changes. More bits stay."""
    if image.bits >= 16:
        return image
    return replace(image, pixels=to16(image.pixels), alpha=None if image.alpha is None else to16(image.alpha))


def to_tensor(image: Array, ranges: Ranges | None = None) -> Tensor:
    """H x W x C uint8, uint16, uint32 or float32 to 1 x C x H x W float32 in [-1, 1].

    `ranges` are the values that become -1 and 1, for all bands or for each, and what lies outside is clipped. Without
    them it is all values of an integer type, and 0 and 1 of float32. A float32 has 24 bits: of uint32 the lowest eight
    are rounded off. Errors: DataError for floats outside [0, 1] that have no stated range.
    """
    if ranges is not None:
        return scaled(torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)), ranges)[None]
    check_unit(image)
    # 2^32 - 1 is no float32: those samples are scaled in float64 and rounded once.
    values: Array = image.transpose(2, 0, 1).astype(np.float64 if image.dtype == np.uint32 else np.float32)
    return torch.from_numpy((values * (2.0 / top(image.dtype)) - 1.0).astype(np.float32, copy=False))[None]


def check_unit(image: Array) -> None:
    """Errors: DataError for floats outside [0, 1]."""
    if not within_unit(image):
        raise DataError(
            f"the image has floats from {image.min():g} to {image.max():g}, and this model takes black at 0 and white "
            "at 1: say what is white (--white 4095), or scale them as the images of its training were"
        )


def to_array(image: Tensor, dtype: np.dtype[Any], ranges: Ranges | None = None) -> Array:
    """1 x C x H x W in [-1, 1] to H x W x C of the given type: clipped, rounded to the nearest.

    -1 and 1 become the ends of `ranges`, of all bands or of each; without them those of an integer type, and 0 and 1 of
    float32.
    """
    wide = torch.float64 if dtype == np.uint32 or ranges is not None else torch.float32
    values = image[0].detach().to(wide).cpu().clamp(-1, 1).add(1)
    if ranges is None:
        values = values.mul(top(dtype) / 2)
    else:
        low, high = _ends(values, ranges)
        # Rounding must not lead out of the range, nor of the type.
        values = torch.clamp(values * ((high - low) / 2) + low, low, high)
    values = values if dtype == np.float32 else values.round()
    return np.ascontiguousarray(values.numpy().astype(dtype).transpose(1, 2, 0))


def scaled(values: Tensor, ranges: Ranges) -> Tensor:
    """Values ... x C x H x W as files have them to float32 in [-1, 1], by the (low, high) of all bands or of each; what
    lies outside is clipped."""
    low, high = _ends(values.to(torch.float32), ranges)
    return values.to(torch.float32).sub(low).div_((high - low) / 2).sub_(1.0).clamp_(-1, 1)


def _ends(values: Tensor, ranges: Ranges) -> tuple[Tensor, Tensor]:
    """The low and high ends, C x 1 x 1 of each band or 1 x 1 x 1 of all, in the type and on the device of `values`."""
    ends = torch.tensor(ranges, dtype=values.dtype, device=values.device)
    return ends[:, 0, None, None], ends[:, 1, None, None]


def largest(logits: Tensor) -> Array:
    """1 x classes x H x W to the classes with the largest logits, H x W x 1 uint8."""
    indices: Array = logits[0].argmax(0).to(torch.uint8).cpu().numpy()
    return indices[..., None]


def label_map(indices: Array, palette: Sequence[tuple[int, int, int]]) -> Image:
    """Classes H x W x 1 uint8 with the palette in which they are shown."""
    return Image(indices, mode="palette", palette=full_palette(palette))


def match_channels(images: Tensor, channels: int) -> Tensor:
    """N x C x H x W to what a network takes: grey is replicated to colour, colour becomes luma.

    Errors: ConfigError for any other difference.
    """
    have = images.shape[1]
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return images.expand(-1, 3, -1, -1)
    if (have, channels) == (3, 1):
        weights = torch.tensor(LUMA, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
        return (images * weights).sum(dim=1, keepdim=True)
    raise ConfigError(f"the image has {have} channels, and this model takes {channels}")


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """N x C x H x W in [-1, 1] to another (height, width), bicubic with antialiasing."""
    return torch.nn.functional.interpolate(images, size, mode="bicubic", antialias=True).clamp(-1, 1)
