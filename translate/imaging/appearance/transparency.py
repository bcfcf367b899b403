"""White paper below images with alpha: laid under before a network sees them, and taken out of what it makes.

An image of colours p and alpha a looks like s = 1 - a (1 - p) on white paper (in [0, 1]). A network that turns s into o
is asked for the colours c that look like o with the same alpha: c = 1 - (1 - o) / a.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.imaging.pixels import luma, over_white, top

Array = np.ndarray[Any, Any]

FINE = 65535
"""Steps of floats between black and white: a smaller change is none."""


def steps_of(dtype: np.dtype[Any]) -> float:
    """Steps between black and white in a sample type."""
    return float(FINE) if dtype.kind == "f" else top(dtype)


def without_paper(output: Array, pixels: Array, alpha: Array) -> Array:
    """Colours H x W x C in [0, 1] that look with `alpha` as `output` does, which was made of `pixels` over white.

    `output` is H x W x C in [0, 1]; `pixels` H x W x (1 or 3) and `alpha` H x W are of one type. Where a rounded output
    is what the network saw, the colour stays as it was, whatever its alpha: dividing by a small alpha would make noise
    of the last digit, and below an alpha of 0 nothing else is known. Where no colour of that alpha is as dark as the
    output, the darkest comes nearest.
    """
    steps, white = steps_of(pixels.dtype), top(pixels.dtype)
    paper, before = over_white(pixels, alpha) / white, pixels / white
    if output.shape[2] == 1:  # networks of greys see luma
        paper, before = luma(paper), luma(before)
    weight = alpha[..., None] / white
    beneath = 1 - np.divide(1 - output, weight, out=np.ones_like(output), where=weight > 0)
    kept = (np.abs(output - paper) * steps <= 0.5) | (weight == 0)
    colours: Array = np.where(kept, before, beneath.clip(0, 1))
    return colours
