"""Pairs by a pattern of names, in one folder or in two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from translate.data.sources.folders import Folders, Pairs
from translate.data.sources.labelled import Labelled
from translate.errors import DataError

Make = Callable[..., Path]


def pairs_of(source: Pairs | Folders | Labelled) -> dict[str, list[str]]:
    """Key to the names of its files, in the order of the sides."""
    of: dict[str, list[str]] = {}
    for record in source.records("train"):
        of.setdefault(record.key, []).append(Path(record.origin).name)
    return of


@pytest.mark.parametrize(
    ("files", "a", "b", "expected"),
    [
        (["1_A.png", "1_B.jpg", "2_A.png", "2_B.png"], "*_A", "*_B", {"1": ["1_A.png", "1_B.jpg"]}),
        (["x_input.png", "x_target.png"], "*_input.*", "*_target.png", {"x": ["x_input.png", "x_target.png"]}),
        (["A-7.png", "B-7.png"], "A-*", "B-*", {"7": ["A-7.png", "B-7.png"]}),
        (["cat.png", "cat_mask.png", "dog.png", "dog_mask.png"], "*", "*_mask", {"dog": ["dog.png", "dog_mask.png"]}),
        (["0801.png", "0801x4.png"], "*x4", "*", {"0801": ["0801x4.png", "0801.png"]}),
        (["d/1.lr.png", "d/1.hr.png"], "*.lr", "*.hr", {"d/1": ["1.lr.png", "1.hr.png"]}),
    ],
)
def test_both_sides_in_one_folder(
    files: list[str], a: str, b: str, expected: dict[str, list[str]], folder_of: Make
) -> None:
    folder = folder_of("photos", files)
    found = pairs_of(Pairs(Pairs.Config(a=folder / a, b=folder / b)))
    assert len(found) == len(files) // 2 and expected.items() <= found.items()


def test_two_folders_whose_names_have_endings(folder_of: Make) -> None:
    lr, hr = folder_of("lr", ["01x4.png", "02x4.png"]), folder_of("hr", ["01.png", "02.png"])
    assert pairs_of(Pairs(Pairs.Config(a=lr / "*x4", b=hr))) == {
        "01": ["01x4.png", "01.png"],
        "02": ["02x4.png", "02.png"],
    }


def test_two_kinds_and_label_maps_in_one_folder(folder_of: Make) -> None:
    folder = folder_of("mixed", ["cat_1.png", "cat_2.png", "dog_1.png"])
    source = Folders(Folders.Config(a=folder / "cat_*", b=folder / "dog_*"))
    assert [(r.key, r.side) for r in source.records("train")] == [("1", "a"), ("2", "a"), ("1", "b")]
    masks = folder_of("scans", ["1.jpg", "1_mask.png"])
    labelled = Labelled(Labelled.Config(images=masks / "*", labels=masks / "*_mask", classes=("a", "b")))
    assert pairs_of(labelled) == {"1": ["1.jpg", "1_mask.png"]} and list(labelled.inputs()) == [masks]


def test_what_does_not_fit(folder_of: Make) -> None:
    folder = folder_of("photos", ["1_A.png", "2_B.png", "1.A.png"])
    with pytest.raises(DataError, match=r"no image of .* has a name of this pattern"):
        pairs_of(Pairs(Pairs.Config(a=folder / "*_C", b=folder / "*_B")))
    with pytest.raises(DataError, match="no partner of the same name"):
        pairs_of(Pairs(Pairs.Config(a=folder / "*_A", b=folder / "*_B")))
    with pytest.raises(DataError, match="no such folder"):
        Pairs(Pairs.Config(a=folder / "nowhere/*_A", b=folder / "*_B")).facts()
    starred = folder_of("odd/*_A", ["1.png"])  # a folder of that very name is no pattern
    assert pairs_of(Pairs(Pairs.Config(a=starred, b=starred)))["1"] == ["1.png", "1.png"]
