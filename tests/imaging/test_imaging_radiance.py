"""Radiance HDR: the header says of which form its samples are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from translate.errors import DataError
from translate.imaging.guarded import read

# One row of two pixels: (mantissa + 0) / 256 * 2^(exponent - 128).
PIXELS = bytes([128, 64, 32, 129, 64, 64, 64, 128])


@pytest.mark.parametrize("line", [b"FORMAT=32-bit_rle_rgbe\n", b"", b"GAMMA=1\nFORMAT = 32-bit_rle_rgbe \n"])
def test_samples_of_rgbe_are_read(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.hdr"
    path.write_bytes(b"#?RADIANCE\n" + line + b"\n-Y 1 +X 2\n" + PIXELS)
    np.testing.assert_allclose(read(path).pixels[0], [[1, 0.5, 0.25], [0.25, 0.25, 0.25]], atol=0.01)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"FORMAT=32-bit_rle_xyze\n", "XYZ"),
        (b"FORMAT=32-b\xe9t_rle_rgbe\n", "damaged"),
        (b"FOSMAT=32-bit_rle_rgbe\n", "damaged"),
        (bytes(20) + b"\n", "damaged"),
    ],
)
def test_other_samples_are_refused(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "a.hdr"
    path.write_bytes(b"#?RADIANCE\n" + line + b"\n-Y 1 +X 2\n" + PIXELS)
    with pytest.raises(DataError, match=words):
        read(path)
