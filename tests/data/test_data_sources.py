"""Sources: what they find, and what they say about what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture, saved
from pydantic import ValidationError

from translate.contracts import Record, Source
from translate.data.sources.folders import Folders, Pairs, SideBySide
from translate.errors import DataError

Make = Callable[..., Path]


def folders(**options: Any) -> Folders:
    return Folders(Folders.Config.model_validate(options))


def pairs(**options: Any) -> Pairs:
    return Pairs(Pairs.Config.model_validate(options))


def keys(source: Source[Any], split: str = "train") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record in source.records(split):
        found.setdefault(record.side, []).append(record.key)
    return found


def one(records: Any, side: str, key: str) -> Record:
    return next(r for r in records if (r.side, r.key) == (side, key))


def test_two_folders_with_sub_folders_and_any_suffix(folder_of: Make, tmp_path: Path) -> None:
    a, b = folder_of("a", ["2.jpg", "x/1.PNG", "3.tif"]), folder_of("b", ["9.png"])
    source = folders(a=str(a), b=str(b))
    assert keys(source) == {"a": ["2", "3", "x/1"], "b": ["9"]}
    assert source.facts().splits == ("train",) and source.facts().kind == "unpaired" and not source.facts().pairs
    record = one(source.records("train"), "a", "x/1")
    assert record.origin == str(a / "x" / "1.PNG") and record.load().shape == (12, 16, 3)
    assert list(source.inputs()) == [a, b]


@pytest.mark.parametrize("layout", ["split-side", "split/side"])
def test_folders_of_splits_and_sides(layout: str, folder_of: Make, tmp_path: Path) -> None:
    join = "" if layout == "split-side" else "/"
    for split, side in (("train", "A"), ("train", "B"), ("test", "A"), ("test", "B")):
        folder_of(f"data/{split}{join}{side}", [f"{split}{side}.png"])
    source = folders(root=str(tmp_path / "data"), layout=layout, pairs=["val"])
    assert source.facts().splits == ("train", "test") and source.facts().pairs == frozenset()
    assert keys(source, "test") == {"a": ["testA"], "b": ["testB"]}
    assert folders(root=str(tmp_path / "data"), layout=layout, splits=["train"]).facts().splits == ("train",)


def test_given_splits_and_limits_are_said(folder_of: Make) -> None:
    a, b, t = folder_of("a", ["1.png", "2.png", "3.png"]), folder_of("b", ["1.png"]), folder_of("t", ["5.png"])
    source = folders(a=str(a), b=str(b), test={"a": str(t), "b": str(t)}, limit={"train": 2}, pairs=["test"])
    assert keys(source) == {"a": ["1", "2"], "b": ["1"]} and source.facts().pairs == {"test"}
    assert list(source.notes()) == ["train: the first 2 of 3 images by name (limit)"]


def test_files_that_are_no_images_are_reported(folder_of: Make) -> None:
    a, b = folder_of("a", ["1.png"]), folder_of("b", ["1.png"])
    for name in ("README.md", "list.txt", ".DS_Store", "Thumbs.db"):
        (a / name).write_text("x")
    source = folders(a=str(a), b=str(b))
    assert keys(source)["a"] == ["1"]
    assert list(source.notes()) == [
        f"{a}: 2 files are no images: README.md, list.txt",
        f"{a}: 2 files and folders are passed over (hidden, left by a system, or lead back): .DS_Store, Thumbs.db",
    ]


def test_mistakes_name_examples_and_counts(folder_of: Make, tmp_path: Path) -> None:
    a, empty = folder_of("a", ["1.png", "1.jpg"]), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"a: 1 names stand for two images each \(1.jpg and 1.png\)"):
        keys(folders(a=str(a), b=str(empty)))
    with pytest.raises(DataError, match=r"empty: no images; it holds nothing. Images end in .png"):
        keys(folders(a=str(empty), b=str(a)))
    (empty / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"it holds only other files \(notes.txt\)"):
        keys(folders(a=str(empty), b=str(a)))
    with pytest.raises(DataError, match=r"absent: no such folder; .* holds a, empty"):
        folders(a=str(tmp_path / "absent"), b=str(a)).facts()
    with pytest.raises(DataError, match="no split 'tests'; there are train"):
        folders(a=str(a), b=str(a), splits=["tests"]).facts()
    with pytest.raises(DataError, match="no split 'val'; there are train"):
        folders(a=str(a), b=str(a), limit={"val": 3}).facts()
    for bad in ({"a": "x"}, {"root": "x", "a": "y", "b": "z"}, {}, {"root": "x", "test": {"a": "y", "b": "z"}}):
        with pytest.raises(ValidationError):
            folders(**bad)


def test_pairs_match_by_name(folder_of: Make) -> None:
    a, b = folder_of("a", ["1.png", "d/2.jpg"]), folder_of("b", ["d/2.png", "1.tif"])
    source = pairs(a=str(a), b=str(b))
    assert keys(source) == {"input": ["1", "d/2"], "target": ["1", "d/2"]}
    assert source.facts().pairs == {"train"} and source.facts().kind == "paired"
    assert np.array_equal(one(source.records("train"), "target", "1").load(), picture(12, 16, seed=1000 * ord("b") + 1))


def test_unmatched_pairs_are_an_error_or_are_reported(folder_of: Make) -> None:
    a, b = folder_of("a", [f"{n}.png" for n in range(8)]), folder_of("b", ["7.png", "x.png"])
    with pytest.raises(DataError, match=r"7 only in .*a \(0, 1, 2, 3, 4 and 2 more\); 1 only in .*b \(x\)"):
        keys(pairs(a=str(a), b=str(b)))
    source = pairs(a=str(a), b=str(b), unmatched="skip")
    assert keys(source) == {"input": ["7"], "target": ["7"]}
    assert list(source.notes()) == ["train: 8 images without a partner were left out: 0, 1, 2, 3, 4 and 3 more"]
    with pytest.raises(DataError, match=r"no image of .* has the name of one of"):
        keys(pairs(a=str(a), b=str(folder_of("c", ["y.png"])), unmatched="skip"))
    with pytest.raises(DataError, match="partner of the same name"):
        keys(folders(a=str(a), b=str(b), pairs=["train"]))


def test_side_by_side_files_are_cut_in_the_middle(tmp_path: Path) -> None:
    left, right = picture(8, 10, seed=1), picture(8, 10, seed=2)
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.png").write_bytes(saved(np.concatenate([left, right], axis=1), "PNG"))
    source = SideBySide(SideBySide.Config(root=tmp_path))
    assert source.facts().splits == ("train", "val") == tuple(sorted(source.facts().pairs))
    first, second = source.records("val")
    assert (first.side, second.side, first.key) == ("input", "target", "1")
    assert np.array_equal(first.load(), left) and np.array_equal(second.load(), right)
    assert second.origin.endswith("1.png (right half)")
    unpaired = SideBySide(SideBySide.Config(root=tmp_path, kind="unpaired"))
    assert keys(unpaired) == {"a": ["1"], "b": ["1"]} and unpaired.facts().kind == "unpaired"
    flat = SideBySide(SideBySide.Config(root=tmp_path / "train"))
    assert flat.facts().splits == ("train",) and list(flat.inputs()) == [tmp_path / "train"]
    (tmp_path / "val" / "1.png").write_bytes(saved(picture(8, 11), "PNG"))
    with pytest.raises(DataError, match=r"1.png: an odd width of 11 pixels"):
        next(iter(source.records("val"))).load()
    with pytest.raises(DataError, match="no such folder"):
        SideBySide(SideBySide.Config(root=tmp_path / "nothing")).facts()
