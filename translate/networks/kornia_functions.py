"""Kornia, behind this file alone: the functions on images that the engine takes of it, and its augmentations.

It takes a second to import and few trainings need it: each part is imported when the first image asks for it.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor


def rgb_to_lab(images: Tensor) -> Tensor:
    """sRGB, N x 3 x H x W in [0, 1], as CIE Lab of D65."""
    lab: Tensor = _part("color").rgb_to_lab(images)
    return lab


def lab_to_rgb(images: Tensor) -> Tensor:
    """CIE Lab of D65, N x 3 x H x W, as sRGB in [0, 1]; colours outside are clipped."""
    rgb: Tensor = _part("color").lab_to_rgb(images, clip=True)
    return rgb


def ssim(x: Tensor, y: Tensor, window: int) -> Tensor:
    """The map of SSIM of images N x C x H x W in [0, 1], where the window lies inside of the image."""
    values: Tensor = _part("metrics").ssim(x, y, window, max_val=1.0, padding="valid")
    return values


def gaussian_mean(images: Tensor, window: int, sigma: float) -> Tensor:
    """The mean around each pixel, weighed by a Gauss curve, where the window lies inside of the image."""
    filters = _part("filters")
    kernel = filters.get_gaussian_kernel1d(window, sigma, device=images.device, dtype=images.dtype)
    filtered: Tensor = filters.filter2d_separable(images, kernel, kernel, padding="valid")
    return filtered


def slopes(images: Tensor) -> Tensor:
    """Sobel's slopes across and down, N x C x 2 x H x W, a step of 1 being 1/2 in each of two pixels."""
    gradient: Tensor = _part("filters").spatial_gradient(images)
    return gradient


def soft_histogram(values: Tensor, centres: Tensor, width: Tensor) -> Tensor:
    """The histogram of each row, by a Gauss curve around each centre; rows have the sum 1."""
    counts: Tensor = _part("enhance").histogram(values, centres, width)
    return counts


def augmentations() -> Any:
    """The module of random augmentations."""
    return _part("augmentation")


def nearest() -> Any:
    """The library's word for an interpolation that makes no new values."""
    return _part("constants").Resample.get("nearest")


def _part(name: str) -> Any:
    return importlib.import_module(f"kornia.{name}")
