"""Writes ICC profiles of colour spaces that are three primaries, a white and a curve (ICC.1:2022, version 4).

A profile states colours as seen under D50: those of another white are adapted by the linear Bradford transform.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

D50 = (0.9642, 1.0, 0.8249)
"""XYZ of the white that profiles are relative to (ICC.1, 7.2.16)."""
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""g, a, b, c, d: linear light is (a x + b) ** g from d on, and c x below (IEC 61966-2-1)."""
BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Space:
    """The chromaticities (x, y) of white, red, green and blue, and a curve: a gamma alone, as `SRGB_CURVE`, or a table
    of more numbers, linear light at equal steps.

    Without `primaries` it is one of greys.
    """

    white: tuple[float, float]
    curve: tuple[float, ...]
    primaries: tuple[tuple[float, float], ...] = ()

    def profile(self, name: str) -> bytes:
        """The bytes of an ICC profile. Errors: ValueError for primaries that span no space."""
        curve = b"para" + struct.pack(">I2H", 0, 3 if len(self.curve) > 1 else 0, 0) + _fixed(self.curve)
        if len(self.curve) > len(SRGB_CURVE):
            table = np.rint(np.array(self.curve) * 65535).astype(">u2")
            curve = b"curv" + struct.pack(">2I", 0, len(table)) + table.tobytes()
        tags = {b"desc": _text(name), b"cprt": _text("No copyright"), b"wtpt": _xyz(D50)}
        if self.primaries:
            columns = _adaptation(self.white) @ _to_xyz(self.white, self.primaries)
            for channel, column in zip(b"rgb", columns.T, strict=True):
                tags[bytes([channel]) + b"XYZ"] = _xyz(column)
                tags[bytes([channel]) + b"TRC"] = curve
        else:
            tags[b"kTRC"] = curve
        return _file(b"RGB " if self.primaries else b"GRAY", tags)


def _to_xyz(white: tuple[float, float], primaries: Sequence[tuple[float, float]]) -> Array:
    """The matrix from linear RGB to XYZ: primaries in such amounts that they add up to white."""
    directions = np.array([_of_chromaticity(point) for point in primaries]).T
    if abs(np.linalg.det(directions)) < 1e-6:
        raise ValueError("the primaries lie on a line")
    amounts: Array = np.linalg.solve(directions, _of_chromaticity(white))
    return directions * amounts


def _of_chromaticity(point: tuple[float, float]) -> Array:
    """XYZ of luminance 1."""
    x, y = point
    if not y > 0:
        raise ValueError(f"no colour has the chromaticity {point}")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(white: tuple[float, float]) -> Array:
    """The matrix from XYZ under a white to XYZ under D50."""
    response = (_BRADFORD @ np.array(D50)) / (_BRADFORD @ _of_chromaticity(white))
    adapted: Array = np.linalg.inv(_BRADFORD) @ np.diag(response) @ _BRADFORD
    return adapted


def _file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Header, table of tags, and their content at multiples of four bytes (ICC.1, 7)."""
    at = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    for tag, value in tags.items():
        if value not in places:
            places[value] = at + len(content)
            content += value + bytes(-len(value) % 4)
        table += tag + struct.pack(">2I", places[value], len(value))
    size = at + len(content)
    header = struct.pack(">I4sI4s4s4s12x4s", size, b"", 0x04300000, b"mntr", space, b"XYZ ", b"acsp")
    header += bytes(28) + _fixed(D50)  # platform to rendering intent (perceptual); the white of the profile
    return header + bytes(128 - len(header)) + table + content


def _fixed(values: Sequence[float] | Array) -> bytes:
    """Numbers as s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))


def _xyz(values: Sequence[float] | Array) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _text(text: str) -> bytes:
    """One text in English (multiLocalizedUnicodeType)."""
    words = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">3I4s2I", 0, 1, 12, b"enUS", len(words), 28) + words
