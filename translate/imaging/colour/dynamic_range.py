"""Images of high dynamic range, coded by PQ or HLG (ITU-R BT.2100), as networks of ordinary images see them.

Both code light far beyond white paper. Light v, in units of a white of 203 cd/m2 (BT.2408), is toned down to
t = v (1 + v / m^2) / (1 + v), which leaves the dark nearly alone and makes the brightest light m that the code has 1
(Reinhard and others, Photographic Tone Reproduction for Digital Images, 2002, equation 4). It can be undone exactly, so
that a space with this curve serves both ways.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PQ, HLG = 16, 18
"""Transfer characteristics by their code points (ITU-T H.273)."""
NAMES = {PQ: "PQ", HLG: "HLG"}
WHITE = 203.0
"""cd/m2 of white paper."""
_STEPS = 4096
_SCREEN = 1000.0
"""cd/m2 of the screen for which HLG is shown."""


def note_on(transfer: int) -> str:
    """Says what is odd about an image of such a code."""
    return f"its colours are of high dynamic range ({NAMES[transfer]}), and networks see them toned down"


@lru_cache
def toned_curve(transfer: int) -> tuple[float, ...]:
    """Toned light in [0, 1] at equal steps of a code's signal."""
    signal = np.linspace(0, 1, _STEPS)
    light = (_light_of_pq(signal) if transfer == PQ else _light_of_hlg(signal)) / WHITE
    toned = light * (1 + light / light[-1] ** 2) / (1 + light)
    return tuple(float(value) for value in toned)


def _light_of_pq(signal: Array) -> Array:
    """cd/m2 (BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    light: Array = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light


def _light_of_hlg(signal: Array) -> Array:
    """cd/m2 of a grey (BT.2100, table 5), on a screen whose gamma is 1.2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    light: Array = _SCREEN * scene**1.2
    return light
