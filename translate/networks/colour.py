"""Colour spaces of images on the device: sRGB in [-1, 1] and CIE Lab of D65."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.networks.kornia_functions import lab_to_rgb, rgb_to_lab


def to_lab(images: Tensor) -> tuple[Tensor, Tensor]:
    """Converts sRGB, N x 3 x H x W in [-1, 1], to lightness L, N x 1 x H x W in [0, 100], and ab,
    N x 2 x H x W; float32.

    Colours of sRGB have a in [-86.2, 98.2] and b in [-107.9, 94.5]. Grey N x 1 x H x W is taken for R = G = B.
    """
    with torch.autocast(images.device.type, enabled=False):
        lab = rgb_to_lab((images.float().expand(-1, 3, -1, -1) + 1) / 2)
    return lab[:, :1], lab[:, 1:]


def to_rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """Converts L, N x 1 x H x W in [0, 100], and ab, N x 2 x H x W, to sRGB, N x 3 x H x W in [-1, 1]; float32.

    Colours outside of sRGB are clipped channel by channel.
    """
    with torch.autocast(ab.device.type, enabled=False):
        rgb = lab_to_rgb(torch.cat((lightness.float(), ab.float()), 1))
    return rgb * 2 - 1
