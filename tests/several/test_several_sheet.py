"""The sheet of a conversion, on which the answers to one input share a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from translate.contracts import ImagesFacts, Route
from translate.conversion.dataset_split import contact_sheet
from translate.conversion.items import Item
from translate.conversion.plan import Plan
from translate.imaging.io import write

GAP = 4
FACTS = ImagesFacts("a_to_b", None, "input", "target", False, None)
ROUTE = Route("a_to_b", ("gen",), ("image",), ("input",), "target", "image", 1)


def plain(path: Path, grey: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.full((8, 8, 3), grey, np.uint8))
    return path


def sheet(folder: Path, inputs: dict[str, tuple[int, ...]]) -> list[list[int]]:
    """The greys of a page, row by row, for inputs by name: the grey of the input (and of an exemplar) and of the
    output."""
    items = []
    for name, (grey, *further, output) in inputs.items():
        plain(folder / "out" / f"{name}.png", output)
        others = {"exemplar": plain(folder / "others" / f"{name}.png", further[0])} if further else {}
        items.append(Item(name, plain(folder / "in" / f"{name}.png", grey), f"{name}.png", others=others))
    page = contact_sheet(Plan(items, folder / "out"), None, FACTS, ROUTE)
    cells = page[4 :: 8 + GAP, 4 :: 8 + GAP, 0].tolist()
    return [[cell for cell in row if cell != 255] for row in cells]


def test_answers_to_one_input_share_a_row(tmp_path: Path) -> None:
    inputs = {"1/0": (10, 1), "1/1": (10, 2), "1/2": (10, 3), "2/0": (20, 4), "3/0": (10, 5)}
    assert sheet(tmp_path, inputs) == [[10, 1, 2, 3], [20, 4], [10, 5]]


def test_a_row_has_room_for_five(tmp_path: Path) -> None:
    assert sheet(tmp_path, {f"1/{n}": (10, n) for n in range(7)}) == [[10, 0, 1, 2, 3, 4]]


def test_another_exemplar_is_another_input(tmp_path: Path) -> None:
    inputs = {"1/0": (10, 7, 1), "1/1": (10, 7, 2), "1/2": (10, 8, 3)}
    assert sheet(tmp_path, inputs) == [[10, 7, 1, 2], [10, 8, 3]]


def test_rows_are_spread_over_inputs_and_not_over_answers(tmp_path: Path) -> None:
    inputs = {f"{n:02d}/{k}": (n, 100 + k) for n in range(16) for k in range(2)}
    assert [row[0] for row in sheet(tmp_path, inputs)] == [0, 2, 4, 6, 8, 10, 12, 14]
