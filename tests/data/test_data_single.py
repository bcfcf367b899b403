"""The source of data that holds only targets, and cards of that layout."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_images import Console, picture, saved

from translate.data.sources import cards
from translate.data.sources.card_source import DatasetSource
from translate.data.sources.cards import Archive, Card, fetch, load_card
from translate.data.sources.single import Single
from translate.data.transforms import ModCrop
from translate.errors import DataError

FolderOf = Callable[..., Path]


def single(**options: object) -> Single:
    return Single(Single.Config.model_validate(options))


def keys(source: Single, split: str) -> list[str]:
    records = list(source.records(split))
    assert {r.side for r in records} == {"image"}
    return [r.key for r in records]


def test_folders_of_any_split_and_patterns(folder_of: FolderOf, tmp_path: Path) -> None:
    folder_of("photos", ["b.jpg", "a.png", "deep/c.png"])
    folder_of("Set5", ["1_HR.png", "1_LR.png", "2_HR.png", "2_LR.png"])
    found = single(folders={"train": tmp_path / "photos", "set5": str(tmp_path / "Set5/*_HR.png")})
    facts = found.facts()
    assert (facts.kind, facts.splits, facts.pairs) == ("single", ("train", "set5"), {"train", "set5"})
    assert keys(found, "train") == ["a", "b", "deep/c"]
    assert keys(found, "set5") == ["1_HR", "2_HR"]
    assert set(found.inputs()) == {tmp_path / "photos", tmp_path / "Set5"}
    (first, *_) = found.records("set5")
    assert first.load().shape == (12, 16, 3) and first.origin.endswith("1_HR.png")
    assert keys(single(folders={"train": tmp_path / "photos"}, limit={"train": 2}), "train") == ["a", "b"]


def test_several_folders_in_one_split_keep_their_names(folder_of: FolderOf, tmp_path: Path) -> None:
    folder_of("Set5", ["1.png"])
    folder_of("Set14", ["1.png", "2.png"])
    folder_of("more/Set5", ["1.png"])
    both = single(root=tmp_path, folders={"test": ["Set5", "Set14"]})
    assert keys(both, "test") == ["Set14/1", "Set14/2", "Set5/1"]
    with pytest.raises(DataError, match="two folders called Set5 hold the same names: Set5/1"):
        keys(single(root=tmp_path, folders={"test": ["Set5", "more/Set5"]}), "test")


def test_a_root_has_splits_or_images(folder_of: FolderOf, tmp_path: Path) -> None:
    folder_of("split/train", ["1.png"])
    folder_of("split/test", ["1.png"])
    folder_of("flat", ["1.png", "2.png"])
    assert single(root=tmp_path / "split").facts().splits == ("train", "test")
    assert single(root=tmp_path / "split", folders={"train": "train", "extra": "none"}).facts().splits == ("train",)
    assert single(root=tmp_path / "flat").facts().splits == ("train",)
    assert keys(single(root=tmp_path / "flat"), "train") == ["1", "2"]


def test_what_is_wrong_with_folders(folder_of: FolderOf, tmp_path: Path) -> None:
    folder_of("photos", ["a.png"])
    for options in ({}, {"folders": {"train": []}}):
        with pytest.raises(ValueError, match=r"give `root`, or `folders`|split 'train' has no folder"):
            single(**options)
    with pytest.raises(DataError, match=r"nothing: no such folder; .* holds photos"):
        single(folders={"train": tmp_path / "photos", "val": tmp_path / "nothing"}).facts()
    with pytest.raises(DataError, match="nothing: no such folder"):
        single(root=tmp_path / "nothing").facts()
    with pytest.raises(DataError, match=r"photos: no image is called \*_HR.png"):
        keys(single(folders={"train": tmp_path / "photos/*_HR.png"}), "train")
    with pytest.raises(DataError, match="no split 'val'; there are train"):
        single(root=tmp_path / "photos", splits=["val"]).facts()


def test_modcrop() -> None:
    crop = ModCrop(ModCrop.Config(multiple=4))
    image = picture(15, 22)
    assert np.array_equal(crop({"image": image}, 0)["image"], image[:12, :20])
    assert (crop.size((15, 22)), crop.size(None)) == ((12, 20), None)
    with pytest.raises(DataError, match="an image of 22 x 3 pixels is smaller than 4 x 4"):
        crop({"image": image[:3]}, 0)


def card(**changes: object) -> Card:
    """Two archives at one address and one at another."""
    facts = load_card("bsds500").model_dump(mode="json")
    one = {"url": "http://x/one.zip", "format": "zip"}
    facts |= {
        "archive": {**one, "folder": "top/train", "into": "train"},
        "more": [
            {**one, "folder": "top/val", "into": "val"},
            {"url": "http://x/two.zip", "format": "zip", "folder": "Set5", "into": "Set5"},
        ],
    }
    return Card.model_validate(facts | changes)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_dataset_of_several_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, console: Console) -> None:
    png, asked = saved(picture(8, 8), "PNG"), []
    served = {
        "http://x/one.zip": zipped({"top/train/1.png": png, "top/val/2.png": png, "top/rest/3.png": png}),
        "http://x/two.zip": zipped({"Set5/1_HR.png": png, "Set5/1_LR.png": png}),
    }

    def get(url: str, target: Path, *args: object, **options: object) -> None:
        asked.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(served[url])

    monkeypatch.setattr(cards, "load_card", lambda name: card())
    monkeypatch.setattr(cards, "download", get)
    folder = fetch("bsds500", tmp_path, console)
    assert asked == ["http://x/one.zip", "http://x/two.zip"]
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png")) == [
        "Set5/1_HR.png",
        "Set5/1_LR.png",
        "train/1.png",
        "val/2.png",
    ]
    assert not list(tmp_path.glob("*.zip"))
    (folder / "Set5").rename(tmp_path / "away")
    fetch("bsds500", tmp_path, console)
    assert asked[2:] == ["http://x/two.zip"]
    fetch("bsds500", tmp_path, console)
    assert console.said[-1] == f"bsds500 is already at {folder}" and len(asked) == 3

    found = DatasetSource(DatasetSource.Config(name="bsds500", root=folder))
    assert (found.kind, found.facts().splits) == ("single", ("train", "val", "set5"))
    assert [r.key for r in found.records("set5")] == ["1_HR"]
    assert "lacks the splits set14, test" in next(iter(found.notes()))


def test_folders_of_a_card_are_those_of_its_splits() -> None:
    assert card().kinds == ("single",)
    with pytest.raises(ValueError, match="`folders` has every split"):
        card(folders={"train": ["train"]})
    assert Archive(url="u", format="zip", folder="f").into == ""
