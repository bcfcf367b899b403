"""Pages of pictures for people: names over columns, and a shape that is nearly square."""

from __future__ import annotations

import numpy as np
import pytest

from translate.imaging.grid import BETWEEN, HEAD, titled


def cell(value: int, side: int = 128) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


@pytest.mark.parametrize(("rows", "columns"), [(8, 3), (6, 3), (1, 3), (8, 1), (24, 3), (3, 6)])
def test_a_page_is_nearly_square(rows: int, columns: int) -> None:
    page = titled([[cell(9)] * columns for _ in range(rows)], ["input", "output", "target"][:columns])
    if rows * columns > 6:
        assert 0.45 < page.shape[1] / page.shape[0] < 2.2


def test_every_picture_stands_once_and_in_its_order() -> None:
    rows = [[cell(10 * y + x) for x in (1, 2, 3)] for y in range(8)]
    page = titled(rows, ["input", "output", "target"])
    per_block = 4
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            top = HEAD + (y % per_block) * 132
            left = (y // per_block) * (3 * 132 - 4 + BETWEEN) + x * 132
            assert np.array_equal(page[top : top + 128, left : left + 128], pixels)
    assert (page[:HEAD] < 128).any()  # letters


def test_small_pictures_are_enlarged_with_sharp_pixels() -> None:
    small = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    page = titled([[small]], ["output"])
    assert np.array_equal(page[HEAD:], small.repeat(8, 0).repeat(8, 1))


def test_a_name_is_cut_where_its_column_is_narrow() -> None:
    assert titled([[cell(0)]], ["a name that is far too long"]).shape == (HEAD + 128, 128, 3)
