"""Sheets of results: pictures to the pixel, names above their columns, labels and scores beside their rows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from results_sheet import EDGE, GAP, HEAD, INK, LEGIBLE, LINE, TALL, TEXT, WIDE, Block, Row, draw

LEFT, TOP = EDGE, EDGE


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def block(*pictures: np.ndarray, names: str = "abcdefgh", label: tuple[str, ...] = ()) -> Block:
    return Block(list(names[: len(pictures)]), [Row(label, [[pixels] for pixels in pictures])])


def written(words: str) -> np.ndarray:
    """The letters of a line as Pillow draws them, LINE x W x 3."""
    font = ImageFont.load_default(TEXT)
    page = Image.new("RGB", (int(font.getlength(words)), LINE), "white")
    ImageDraw.Draw(page).text((0, 0), words, fill=INK, font=font)
    return np.asarray(page)


def stands(page: np.ndarray, words: str, top: int, left: int) -> bool:
    letters = written(words)
    return bool((letters < 128).any()) and np.array_equal(
        page[top : top + letters.shape[0], left : left + letters.shape[1]], letters
    )


@pytest.mark.parametrize(("side", "times"), [(8, 24), (32, 6), (64, 3), (100, 2), (191, 2), (192, 1), (250, 1)])
def test_small_pictures_are_enlarged_by_a_whole_factor_to_the_bit(side: int, times: int) -> None:
    pixels = noise(side, side)
    page = draw([block(pixels)])
    assert side * times >= LEGIBLE
    seen = page[TOP + HEAD : -EDGE, LEFT:-EDGE]
    assert np.array_equal(seen, np.kron(pixels, np.ones((times, times, 1), np.uint8)))


def test_many_columns_are_enlarged_less_and_never_shrunk() -> None:
    pictures = [noise(64, 64, seed) for seed in range(8)]
    page = draw([block(*pictures)])  # three times the size would take 1,564 pixels, twice takes 1,052
    assert page.shape[1] <= WIDE
    for place, pixels in enumerate(pictures):
        left = LEFT + place * (64 + GAP)
        assert np.array_equal(page[TOP + HEAD : TOP + HEAD + 64, left : left + 64], pixels)


def test_large_pictures_are_cropped_around_the_middle_to_the_bit() -> None:
    pictures = [noise(480, 640, 1), noise(480, 640, 2), noise(480, 640, 3)]
    page = draw([block(*pictures)])
    width = (WIDE - 2 * EDGE - 2 * GAP) // 3
    top, left = (480 - TALL) // 2, (640 - width) // 2
    assert page.shape == (TOP + HEAD + TALL + EDGE, 2 * EDGE + 3 * width + 2 * GAP, 3)
    for place, pixels in enumerate(pictures):
        start = LEFT + place * (width + GAP)
        seen = page[TOP + HEAD : TOP + HEAD + TALL, start : start + width]
        assert np.array_equal(seen, pixels[top : top + TALL, left : left + width])


def test_a_small_input_shows_what_its_large_output_shows() -> None:
    output = noise(400, 400)
    small = output[::4, ::4]
    page = draw([block(small, output)])
    row = page[TOP + HEAD : TOP + HEAD + TALL]
    top = (400 - TALL) // 2
    assert np.array_equal(row[:, LEFT + 400 + GAP : -EDGE], output[top : top + TALL])
    squares = np.kron(small, np.ones((4, 4, 1), np.uint8))
    assert np.array_equal(row[:, LEFT : LEFT + 400], squares[top : top + TALL])


def test_every_column_has_its_whole_name_above_it() -> None:
    names = ["input", "a name that is wider than its picture", "truth"]
    page = draw([Block(names, [Row((), [[noise(192, 20)], [noise(192, 20)], [noise(192, 192)]])])])
    left = LEFT
    for name, width in zip(names, (20, 20, 192), strict=True):
        assert stands(page, name, TOP, left), name
        left += max(width, written(name).shape[1] + 1) + GAP  # a letter more than its advance
    assert not stands(page, "inputs", TOP, LEFT)


def test_label_and_score_stand_beside_their_own_row() -> None:
    rows = [Row(("best", "L1 0.1"), [[noise(192, 192, 1)]]), Row(("worst", "L1 0.9"), [[noise(192, 192, 2)]])]
    page = draw([Block(["output"], rows)])
    for number, row in enumerate(rows):
        top = TOP + HEAD + number * (192 + GAP)
        for line, words in enumerate(row.label):
            assert stands(page, words, top + line * LINE, LEFT)
        assert np.array_equal(page[top : top + 192, -EDGE - 192 : -EDGE], row.columns[0][0])


def test_blocks_stand_beside_each_other_as_far_as_the_page_is_wide() -> None:
    first, second, third = (block(noise(200, 400, seed)) for seed in range(3))
    page = draw([first, second, third])
    assert page.shape[:2] == (2 * (HEAD + 200) + 24 + 2 * EDGE, 2 * 400 + 24 + 2 * EDGE)
    assert np.array_equal(page[TOP + HEAD : TOP + HEAD + 200, -EDGE - 400 : -EDGE], second.rows[0].columns[0][0])
    assert np.array_equal(page[-EDGE - 200 : -EDGE, LEFT : LEFT + 400], third.rows[0].columns[0][0])


def test_several_blocks_are_enlarged_less_than_one() -> None:
    first, second = block(noise(64, 64, 1)), block(noise(64, 64, 2))
    page = draw([first, second])
    for number, each in enumerate((first, second)):
        left = LEFT + number * (128 + 24)
        assert np.array_equal(page[TOP + HEAD : -EDGE : 2, left : left + 128 : 2], each.rows[0].columns[0][0])


def test_answers_stand_beside_each_other_in_one_column() -> None:
    answers = [noise(192, 50, seed) for seed in range(3)]
    page = draw([Block(["sketch", "answers"], [Row((), [[noise(192, 192)], answers])])])
    for number, pixels in enumerate(answers):
        left = LEFT + 192 + GAP + number * (50 + GAP)
        assert np.array_equal(page[TOP + HEAD : -EDGE, left : left + 50], pixels)
    assert stands(page, "answers", TOP, LEFT + 192 + GAP)
