"""PNG files that are written fast: Pillow and OpenCV decode them."""

import io

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow, ImageCms

from translate.imaging.formats import png_write
from translate.imaging.formats.png_write import encode_fast, filtered, filtered_alike
from translate.imaging.io import Image, encode


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (20, 31)])
def test_all_decoders_read_the_values(channels, size):
    ramp = np.add.outer(np.arange(size[0]) * 3, np.arange(size[1]) * 5)[..., None] + np.arange(channels)
    noise = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    for array in (ramp.astype(np.uint8), noise, np.zeros_like(noise), np.full_like(noise, 255)):
        data = encode_fast(array)
        with Pillow.open(io.BytesIO(data)) as opened:
            decoded = np.asarray(opened).reshape(array.shape)
            assert opened.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        assert np.array_equal(decoded, array)
        if channels in (1, 3):
            again = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).reshape(array.shape)
            assert np.array_equal(again[..., ::-1], array)


def test_each_row_has_the_filter_with_the_smallest_differences():
    row = np.arange(40, dtype=np.uint8) * 6
    array = np.stack([row, row, np.where(np.arange(40) % 2, 0, 255).astype(np.uint8)])[..., None]
    rows = np.frombuffer(filtered(array), np.uint8).reshape(3, 41)
    assert rows[:, 0].tolist() == [1, 2, 0]
    assert rows[0, 1:].tolist() == [0] + [6] * 39 and not rows[1, 1:].any()


def test_profile_and_level(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    for level in (1, 4, 6):
        data = encode(Image(pixels, icc=profile), ".png", compression=level)
        with Pillow.open(io.BytesIO(data)) as opened:
            assert opened.info["icc_profile"] == profile and np.array_equal(np.asarray(opened), pixels)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (40, 31)])
def test_all_decoders_read_the_values_of_16_bits(channels, size, large, monkeypatch):
    monkeypatch.setattr(png_write, "LARGEST", 0 if large else 1 << 24)
    ramp = np.add.outer(np.arange(size[0]) * 300, np.arange(size[1]) * 517)[..., None] + np.arange(channels)
    noise = np.random.default_rng(0).integers(0, 65536, (*size, channels), dtype=np.uint16)
    down = np.broadcast_to(np.random.default_rng(1).integers(0, 65536, (1, size[1], channels)), noise.shape)
    for array in (ramp.astype(np.uint16), noise, down.astype(np.uint16), np.zeros_like(noise)):
        data = encode(array, ".png", compression=4)
        assert np.array_equal(np.asarray(imagecodecs.png_decode(data)).reshape(array.shape), array)
        if channels in (1, 3):
            again = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).reshape(array.shape)
            assert np.array_equal(again[..., ::-1], array)


def test_all_rows_of_a_large_image_have_the_filter_that_suits_most():
    row = np.random.default_rng(0).integers(0, 256, (1, 50, 6), dtype=np.uint8)
    for array, kind in (
        (np.repeat(row, 40, axis=0), 2),
        (np.repeat(row.reshape(50, 1, 6), 30, axis=1), 1),
        ((np.random.default_rng(0).random((40, 30, 6)) < 0.05).astype(np.uint8), 0),
    ):
        rows = filtered_alike(array).reshape(array.shape[0], -1)
        assert {*rows[:, 0].tolist()} == {kind}


def test_16_bits_keep_their_profile():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(Image(np.zeros((5, 6, 3), np.uint16), icc=profile), ".png", compression=4)
    with Pillow.open(io.BytesIO(data)) as opened:
        assert opened.info["icc_profile"] == profile
