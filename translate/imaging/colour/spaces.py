"""Colour spaces by name, and those that PNG chunks and EXIF describe without a profile."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from translate.imaging.colour.dynamic_range import NAMES, toned_curve
from translate.imaging.colour.matrix_profile import BT709_CURVE, SRGB_CURVE, Space

ColourName = Literal["srgb", "display-p3", "adobe-rgb", "rec2020", "prophoto"]
Colour = Literal["srgb", "display-p3", "adobe-rgb", "rec2020", "prophoto", "as-is"]
"""The colours that networks see: in one of these spaces, or `as-is`: the numbers of files, whatever they mean."""

D65, ROMM_WHITE = (0.3127, 0.3290), (0.3457, 0.3585)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
REC2020 = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))

SPACES: dict[ColourName, Space] = {
    "srgb": Space(D65, SRGB_CURVE, SRGB),
    "display-p3": Space(D65, SRGB_CURVE, P3),
    "adobe-rgb": Space(D65, (563 / 256,), ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))),
    "rec2020": Space(D65, BT709_CURVE, REC2020),
    "prophoto": Space(
        ROMM_WHITE, (1.8, 1.0, 0.0, 1 / 16, 0.031248), ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
    ),
}

# Code points of ITU-T H.273 that still images use; PQ and HLG (16, 18) are those of high dynamic range.
_CICP_PRIMARIES = {1: SRGB, 9: REC2020, 12: P3}
_CICP_CURVES = {1: BT709_CURVE, 6: BT709_CURVE, 8: (1.0,), 13: SRGB_CURVE, 14: BT709_CURVE, 15: BT709_CURVE}


@lru_cache
def profile_of(name: ColourName) -> bytes:
    """The ICC profile of a space."""
    return SPACES[name].profile(name)


def check_colour(name: str | None) -> bool:
    """Whether there is a space of this name; None leaves it open."""
    return name is None or name in get_args(Colour)


def cicp_profile(primaries: int, transfer: int) -> bytes | None:
    """The profile of a space by its code points (H.273); None where it is sRGB, or not known."""
    if (primaries, transfer) == (1, 13) or primaries not in _CICP_PRIMARIES:
        return None
    if transfer in NAMES:
        curve = toned_curve(transfer)
    elif transfer in _CICP_CURVES:
        curve = _CICP_CURVES[transfer]
    else:
        return None
    space = Space(D65, curve, _CICP_PRIMARIES[primaries])
    return space.profile(f"CICP {primaries}/{transfer}")


def gamma_profile(
    gamma: float | None, chromaticities: tuple[tuple[float, float], ...] | None, grey: bool
) -> bytes | None:
    """The profile of a space by the exponent of its curve and the chromaticities of white, red, green and blue.

    None where it is sRGB: beside its primaries 2.2 stands for its curve, as nearly all writers mean it. Beside others,
    such as Adobe RGB's, it is the exponent.
    """
    usual = (D65, *SRGB)
    usual_primaries = chromaticities is None or bool(np.abs(np.subtract(chromaticities, usual)).max() < 0.002)
    usual_curve = gamma is None or (abs(gamma - 2.2) < 0.01 and (usual_primaries or grey))
    if usual_curve and (usual_primaries or grey):
        return None
    curve = SRGB_CURVE if usual_curve or gamma is None else (gamma,)
    white, *primaries = usual if chromaticities is None or grey else chromaticities
    try:
        return Space(white, curve, () if grey else tuple(primaries)).profile("from the file's gamma and chromaticities")
    except ValueError:
        return None
