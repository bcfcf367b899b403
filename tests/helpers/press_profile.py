"""The ICC profile of a press whose inks are ideal filters, so that colours are known in closed form."""

from __future__ import annotations

import struct

import numpy as np

GRID = 9


def press() -> bytes:
    """The profile of a press whose inks are ideal filters: red light is (1 - c) (1 - k), and so on."""
    axis = np.linspace(0, 1, GRID)
    c, m, y, k = np.meshgrid(axis, axis, axis, axis, indexing="ij")
    light = np.stack([(1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)], -1)
    to_lab = lab_of(light)
    lightness, a, b = np.meshgrid(np.linspace(0, 100, 17), *[np.linspace(-128, 127, 17)] * 2, indexing="ij")
    light = light_of(np.stack([lightness, a, b], -1)).clip(0, 1)
    black = 1 - light.max(-1, keepdims=True)
    inks = 1 - light / np.maximum(1 - black, 1e-6)
    back = np.concatenate([inks.clip(0, 1), black], -1)
    encoded = np.stack([to_lab[..., 0] / 100 * 0xFF00, *((to_lab[..., n] + 128) * 256 for n in (1, 2))], -1)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 6) + b"Press\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"None\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": table(encoded, 4, 3, GRID),
        b"B2A0": table(back * 65535, 3, 4, 17),
    }
    at, listed, content = 128 + 4 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        listed += tag + struct.pack(">2I", at + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = at + len(content)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp") + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + listed + content


def table(values: np.ndarray, inputs: int, outputs: int, grid: int) -> bytes:
    """A table of 16 bits (lut16Type) with straight curves."""
    head = b"mft2" + bytes(4) + struct.pack(">4B", inputs, outputs, grid, 0)
    head += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + struct.pack(">2H", 2, 2)
    straight = struct.pack(">2H", 0, 65535)
    return head + straight * inputs + np.rint(values).clip(0, 65535).astype(">u2").tobytes() + straight * outputs


D50 = np.array([0.9642, 1.0, 0.8249])
TO_XYZ = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])


def lab_of(light: np.ndarray) -> np.ndarray:
    x = light @ TO_XYZ.T / D50
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def light_of(lab: np.ndarray) -> np.ndarray:
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    x = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    return x @ np.linalg.inv(TO_XYZ).T
