"""The picture of an image that a notebook shows."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from translate.imaging.image import Image


def shown(image: Image) -> np.ndarray:
    data = image._repr_png_()
    assert data.startswith(b"\x89PNG")
    return np.asarray(Pillow.open(io.BytesIO(data)))


def test_colour_grey_and_deep_images() -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(shown(Image(colour)), colour)
    assert np.array_equal(shown(Image(colour[..., :1])), colour[..., 0])
    assert np.array_equal(shown(Image(colour.astype(np.uint16) * 257)), colour)
    assert shown(Image(rng.random((5, 7, 6), dtype=np.float32), mode="bands")).shape == (5, 7, 3)


def test_what_is_transparent_is_white() -> None:
    image = Image(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))
    assert (shown(image) == 255).all()


def test_label_maps_have_their_colours() -> None:
    palette = [(0, 0, 0), (250, 10, 20), *[(0, 0, 0)] * 254]
    pixels = np.array([[0, 1], [1, 0]], np.uint8)[..., None]
    assert shown(Image(pixels, mode="palette", palette=palette)).tolist() == [
        [[0, 0, 0], [250, 10, 20]],
        [[250, 10, 20], [0, 0, 0]],
    ]
