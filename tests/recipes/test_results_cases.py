"""Which images stand on a sheet of the results: by their own scores, or spread evenly; from the folder of a run."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from results import draw_first_row, sheet
from results_cases import ends_and_middle, spread
from results_sheet import EDGE, GAP, HEAD

from translate.data.dataset import write_index
from translate.imaging.io import read, write
from translate.storage import manifest

SIDE, TIMES, COUNT = 8, 24, 7
NAMES = [f"{number:03d}" for number in range(COUNT)]
ERRORS = dict(zip(NAMES, random.Random(3).sample(range(5, 100, 5), COUNT), strict=True))
"""How far each output is from its target in every pixel, of 255."""


def picture(value: int) -> np.ndarray:
    """A picture of its own, in which no value is farther than 20 from `value`."""
    return (value + np.random.default_rng(value).integers(0, 20, (SIDE, SIDE, 3))).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run leaves whose outputs are off by `ERRORS`."""
    folder = tmp_path_factory.mktemp("run")
    for number, name in enumerate(NAMES):
        write(made(folder / "prepare/test/a" / f"{name}.png"), picture(200 + number))
        write(made(folder / "prepare/test/b" / f"{name}.png"), picture(100))
        write(made(folder / "convert/images" / f"{name}.png"), picture(100) + np.uint8(ERRORS[name]))
    facts = {"kind": "unpaired", "splits": ["test"], "pairs": ["test"], "classes": [], "palette": []}
    facts |= {"direction": "a_to_b", "channels": {"a": 3, "b": 3}, "size": [SIDE, SIDE], "bits": 8}
    facts["counts"] = {"test": {"a": COUNT, "b": COUNT}}
    write_index(folder / "prepare", facts, {"test": {"a": NAMES, "b": NAMES}}, {"test": [[SIDE, SIDE], [SIDE, SIDE]]})
    finish(folder / "prepare", "preprocess", facts)
    way: dict[str, Any] = {
        "nets": ["G"],
        "inputs": ["image"],
        "sides": ["a"],
        "target": "b",
        "output": "image",
        "scale": 1,
    }
    made(folder / "train/weights")
    finish(folder / "train", "train", {"method": "m", "data": "unpaired", "directions": {"a_to_b": way}})
    images = {"direction": "a_to_b", "split": "test", "source_side": "a", "target_side": "b", "pairs": True}
    finish(folder / "convert", "infer", images | {"data": "unpaired"}, model="train", data="prepare")
    (folder / "convert/results.jsonl").touch()
    made(folder / "score/scores.json")
    finish(folder / "score", "evaluate", {}, images="convert", data="prepare")
    return folder


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def finish(folder: Path, uses: str, facts: dict[str, Any], **parents: str) -> None:
    options = {"metrics": [{"uses": "l1"}, {"uses": "psnr"}, {"uses": "swd"}], "only": [], "split": None}
    manifest.write(folder, {"uses": uses, "facts": facts, "parents": parents, "recipe": {"with": options}})


def section(**options: Any) -> dict[str, Any]:
    columns = {"photo": "cpu/convert/input", "ours": "cpu/convert", "truth": "cpu/convert/target"}
    return {"title": "s", "sheet": [{"columns": columns, **options}]}


def shown(page: np.ndarray, rows: int) -> list[list[np.ndarray]]:
    """The pictures of a sheet of three columns from the right and from below, at their own size, row by row."""
    side = SIDE * TIMES
    cells = []
    for row in range(rows):
        top = EDGE + HEAD + row * (side + GAP)
        lefts = [page.shape[1] - EDGE - side - place * (side + GAP) for place in (2, 1, 0)]
        cells.append([page[top : top + side : TIMES, left : left + side : TIMES] for left in lefts])
    return cells


@pytest.mark.parametrize(("by", "title"), [("l1", "L1"), ("psnr", "PSNR")])
def test_rows_are_the_best_the_median_and_the_worst_to_the_bit(run: Path, by: str, title: str, tmp_path: Path) -> None:
    file = tmp_path / "sheets/s.png"
    says = sheet(section(by={title: f"cpu/score/{by}"}), {"cpu": SimpleNamespace(folder=run)}, file)
    assert says == f"Rows: the best, the median and the worst of {COUNT} by {title}."
    in_order = sorted(NAMES, key=lambda name: ERRORS[name])
    expected = [in_order[0], in_order[3], in_order[6]]
    for name, cells in zip(expected, shown(read(file).pixels, 3), strict=True):
        folders = ("prepare/test/a", "convert/images", "prepare/test/b")
        for folder, pixels in zip(folders, cells, strict=True):
            assert np.array_equal(pixels, read(run / folder / f"{name}.png").pixels), (name, folder)


def test_without_a_score_rows_are_spread_over_the_names(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.png"
    assert sheet(section(rows=2), {"cpu": SimpleNamespace(folder=run)}, file) == "Rows: 2 of 7, spread evenly by name."
    for name, cells in zip(("001", "005"), shown(read(file).pixels, 2), strict=True):
        assert np.array_equal(cells[0], read(run / f"prepare/test/a/{name}.png").pixels)


def test_the_first_row_of_the_readme_is_drawn_from_the_section_that_is_named(run: Path, tmp_path: Path) -> None:
    use, runs = {"section": "s", "picture": "pictures/row.png"}, {"cpu": SimpleNamespace(folder=run)}
    draw_first_row(use | {"section": "another"}, section(), runs, tmp_path)
    assert not list(tmp_path.iterdir())
    draw_first_row(use, section(by={"L1": "cpu/score/l1"}), runs, tmp_path)
    page = read(tmp_path / "pictures/row.png").pixels
    worst = max(NAMES, key=lambda name: ERRORS[name])
    output = page[EDGE + 2 * HEAD : -EDGE, -EDGE - 2 * 128 - GAP : -EDGE - 128 - GAP]
    assert np.array_equal(output[::16, ::16], read(run / f"convert/images/{worst}.png").pixels)


def test_a_new_sheet_takes_the_place_of_a_jpeg_wherever_it_is_shown(run: Path, tmp_path: Path) -> None:
    former = made(tmp_path / "sheets/s.jpg")
    former.touch()
    (tmp_path / "methods.md").write_text("![a](sheets/s.jpg) ![b](sheets/cs.jpg)")
    sheet(section(), {"cpu": SimpleNamespace(folder=run)}, former.with_suffix(".png"))
    assert not former.exists()
    assert (tmp_path / "methods.md").read_text() == "![a](sheets/s.png) ![b](sheets/cs.jpg)"


@pytest.mark.parametrize(
    ("place", "says"),
    [("cpu/score/swd", "swd of .* scores sets of images"), ("cpu/score/ssim", "has no ssim; it has l1, psnr, swd")],
)
def test_a_score_that_images_do_not_have_is_refused(run: Path, place: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=says):
        sheet(section(by={"score": place}), {"cpu": SimpleNamespace(folder=run)}, tmp_path / "s.png")


def test_answers_to_one_input_are_one_row_and_count_by_their_mean(run: Path, tmp_path: Path) -> None:
    """Seven answers to three inputs: of three, two and two."""
    groups = [NAMES[:3], NAMES[3:5], NAMES[5:]]
    originals = {name: (run / f"prepare/test/a/{name}.png").read_bytes() for name in NAMES}
    for group in groups:
        for name in group:
            (run / f"prepare/test/a/{name}.png").write_bytes(originals[group[0]])
    says = sheet(section(by={"L1": "cpu/score/l1"}, beside=3), {"cpu": SimpleNamespace(folder=run)}, tmp_path / "s.png")
    for name, data in originals.items():
        (run / f"prepare/test/a/{name}.png").write_bytes(data)
    assert says == "Rows: the best, the median and the worst of 3 inputs by L1, the mean of their answers."
    best = min(groups, key=lambda group: np.mean([ERRORS[name] for name in group]))
    page, times = read(tmp_path / "s.png").pixels, 16  # seven pictures of 128 pixels beside the scores
    row = page[EDGE + HEAD : EDGE + HEAD + SIDE * times : times]
    for place, name in enumerate(best):
        left = page.shape[1] - EDGE - (6 - place) * (SIDE * times + GAP) + GAP
        pixels = row[:, left : left + SIDE * times : times]
        assert np.array_equal(pixels, read(run / f"convert/images/{name}.png").pixels)


@pytest.mark.parametrize(
    ("scores", "higher", "chosen"),
    [
        ({"a": 3.0, "b": 1.0, "c": 2.0}, False, {"best": "b", "median": "c", "worst": "a"}),
        ({"a": 3.0, "b": 1.0, "c": 2.0}, True, {"best": "a", "median": "c", "worst": "b"}),
        ({"a": 4.0, "b": 1.0, "c": 2.0, "d": 3.0}, False, {"best": "b", "median": "c", "worst": "a"}),
        ({"d": 1.0, "c": 1.0, "b": 1.0}, True, {"best": "b", "median": "c", "worst": "d"}),
        ({"a": 2.0, "b": 1.0}, False, {"best": "b", "worst": "a"}),
        ({"a": 2.0}, False, {"best": "a"}),
        ({"a": float("nan"), "b": float("inf"), "c": 1.0, "d": 2.0}, True, {"best": "b", "median": "d", "worst": "c"}),
    ],
)
def test_ends_and_middle(scores: dict[str, float], higher: bool, chosen: dict[str, str]) -> None:
    assert ends_and_middle(scores, higher) == chosen
    assert list(ends_and_middle(scores, higher)) == list(chosen)


@pytest.mark.parametrize(("count", "chosen"), [(3, "bfi"), (1, "f"), (10, "abcdefghij"), (12, "abcdefghij")])
def test_names_from_the_middles_of_equal_parts(count: int, chosen: str) -> None:
    assert spread("abcdefghij", count) == list(chosen)
