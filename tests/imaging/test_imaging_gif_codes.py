"""GIFs have no checksums: where the codes of their pixels name what is not there, two decoders see two pictures."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow

from translate.errors import DamagedError
from translate.imaging.formats.gif import _agreed
from translate.imaging.io import decode

DRAW = np.random.default_rng(4)


def gif(height, width, colours, **options):
    coarse = DRAW.integers(0, 256, (max(1, height // 3), max(1, width // 3), 3), dtype=np.uint8)
    picture = Pillow.fromarray(coarse).resize((width, height)).quantize(colours)
    file = io.BytesIO()
    picture.save(file, "GIF", **options)
    return file.getvalue()


@pytest.mark.parametrize("colours", [2, 3, 16, 200, 256])
@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (120, 97)])
def test_whole_ones_are_read(size, interlace, colours):
    data = gif(*size, colours, interlace=interlace)
    wanted = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
    pixels = decode(data, "x.gif").pixels
    assert np.array_equal(np.broadcast_to(pixels, wanted.shape), wanted)


def test_where_decoders_differ_the_file_is_damaged(monkeypatch):
    data, real = gif(48, 64, 200), imagecodecs.gif_decode

    def other(data):
        pixels = real(data).copy()
        pixels[..., 25, 17, 0] ^= 64
        return pixels

    monkeypatch.setattr(imagecodecs, "gif_decode", other)
    with pytest.raises(DamagedError, match=r"x\.gif: damaged GIF: two decoders see two pictures"):
        _agreed(data, "x.gif")


def test_what_the_second_decoder_does_not_know_is_read_all_the_same(monkeypatch):
    def refusing(data):
        raise ValueError("no GIF of ours")

    monkeypatch.setattr(imagecodecs, "gif_decode", refusing)
    _agreed(gif(48, 64, 200), "x.gif")
