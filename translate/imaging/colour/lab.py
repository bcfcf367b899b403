"""Colours of CIELab (D50) as sRGB (IEC 61966-2-1, by way of XYZ and the linear Bradford transform)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

D50 = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the white of Lab."""
# XYZ under D50 to linear sRGB, whose white is D65 (ICC.1, annex E).
_TO_SRGB = np.linalg.inv(
    np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
)


def srgb_of_lab(lab: Array) -> Array:
    """H x W x 3 of L from 0 to 100, a and b, as sRGB in [0, 1]; what it does not have is cut off."""
    f_y = (lab[..., 0] + 16) / 116
    f = np.stack([f_y + lab[..., 1] / 500, f_y, f_y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * 3 * (6 / 29) ** 2) * D50
    linear = (xyz @ _TO_SRGB.T).clip(0, 1)
    colours: Array = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return colours


def decoded_lab(stored: Array, signed: bool) -> Array:
    """Samples of 8 or 16 bits, unsigned by their type, as L, a and b; `signed`: a and b are in two's complement (TIFF's
    CIELab), else they have an offset of half their range (ICCLab)."""
    bits = 8 * stored.dtype.itemsize
    half, step = 1 << bits - 1, 1 << bits - 8
    lab = stored.astype(np.float64)
    lab[..., 0] *= 100 / ((1 << bits) - 1)
    wrapped = np.where(lab[..., 1:] >= half, lab[..., 1:] - 2 * half, lab[..., 1:])
    lab[..., 1:] = (wrapped if signed else lab[..., 1:] - half) / step
    return lab
