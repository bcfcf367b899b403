"""Arithmetic on pixels, and grids of pictures."""

from __future__ import annotations

import numpy as np
import torch

from translate.imaging.grid import mosaic, picture
from translate.imaging.io import Image
from translate.imaging.pixels import rounded
from translate.imaging.thumbnail import shrink


def test_numbers_are_clipped_and_rounded_halves_to_even() -> None:
    values = np.array([-3.0, -0.4, 0.5, 1.5, 2.5, 254.6, 255.4, 300.0])
    assert rounded(values).tolist() == [0, 0, 0, 2, 2, 255, 255, 255]
    assert rounded(values.astype(np.float32)).dtype == np.uint8


def test_a_thumbnail_holds_the_means_of_blocks() -> None:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    small = shrink(pixels, 2)
    assert small.shape == (1, 1, 3) and small.dtype == np.uint8
    assert small[0, 0].tolist() == np.rint(pixels[:3, :3].mean(axis=(0, 1))).tolist()
    assert shrink(pixels, 5) is pixels


def test_a_grid_is_as_large_as_its_largest_pictures_and_white_elsewhere() -> None:
    high, wide = np.zeros((5, 2, 3), np.uint8), np.full((1, 6, 3), 9, np.uint8)
    page = mosaic([[high, wide], [wide]], gap=4)
    assert page.shape == (5 + 4 + 1, 6 + 4 + 6, 3)
    assert (page[:5, :2] == 0).all() and (page[0, 10:] == 9).all() and (page[9, :6] == 9).all()
    shown = np.zeros(page.shape[:2], bool)
    shown[:5, :2] = shown[0, 10:] = shown[9, :6] = True
    assert (page[~shown] == 255).all()


def test_pictures_of_tensors_have_three_channels() -> None:
    grey = picture(torch.tensor([[[-1.0, 0.0, 1.0, 2.0]]]), [])
    assert grey.tolist() == [[[v] * 3 for v in (0, 128, 255, 255)]]
    labels = picture(torch.tensor([[1, 0]]), [(9, 8, 7), (6, 5, 4)])
    assert labels.tolist() == [[[6, 5, 4], [9, 8, 7]]]
    two = picture(torch.tensor([[[-1.0, 1.0]], [[0.0, 0.0]]]), [])
    assert two.tolist() == [[[0] * 3, [255] * 3]]
    assert picture(torch.zeros(6, 4, 5), []).shape == (4, 5, 3)


def test_floats_outside_of_the_unit_are_stretched_for_a_screen() -> None:
    values = np.array([[[-100.0], [300.0], [700.0]]], np.float32)
    assert Image(values).shown().ravel().tolist() == [0, 128, 255]
    assert Image(values / 1000 + 0.3).shown().ravel().tolist() == [51, 153, 255]
    wide = np.array([[[-3e38], [3e38]]], np.float32)
    assert Image(wide).shown().ravel().tolist() == [0, 255]
    assert Image(np.full((2, 2, 6), 9, np.float32), mode="bands").shown().tolist() == np.zeros((2, 2, 3)).tolist()
