"""Dataset cards and the source that reads them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_images import Console, picture, saved

from translate.data.sources import cards
from translate.data.sources.card_source import DatasetSource
from translate.data.sources.cards import Card, fetch, list_cards, load_card
from translate.errors import ConfigError, DataError
from translate.imaging.io import read


def source(name: str, root: Path | None, **options: object) -> DatasetSource:
    return DatasetSource(DatasetSource.Config.model_validate({"name": name, "root": root, **options}))


def test_the_cards_of_the_issue_are_there_and_whole() -> None:
    found = {card.name: card for card in list_cards()}
    assert {"maps", "facades", "monet2photo", "horse2zebra"} <= set(found)
    for card in found.values():
        assert card.archive is None or card.archive.url.startswith("http")
        assert card.archive is None or card.archive.url.endswith(card.archive.format)
        assert card.licence and card.citation and card.unverified
        assert set(card.sides) == ({"a"} if card.kinds in (("single",), ("domains",)) else {"a", "b"})
    assert (found["facades"].splits["test"].a, found["monet2photo"].splits["train"].b) == (106, 6287)
    assert found["maps"].kinds == ("paired", "unpaired") and found["horse2zebra"].kinds == ("unpaired",)


def test_unknown_cards_and_broken_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no dataset 'facade'; there are .*facades, .*; did you mean 'facades'\?"):
        load_card("facade")
    monkeypatch.setattr(cards, "share", lambda what: tmp_path)
    for text in ("name: x\n", "- 1\n", "name: [\n"):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"x.yaml: not a dataset card"):
            load_card("x")


def test_an_absent_dataset_can_be_checked_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRANSLATE_DATA", str(tmp_path))
    absent = source("maps", None, kind="unpaired")
    assert absent.facts().splits == ("train", "val") and absent.facts().pairs == {"train", "val"}
    for attempt in (absent.inputs, lambda: list(absent.records("train"))):
        with pytest.raises(DataError, match=r"not at .*maps: run `translate datasets fetch maps`, or set `root`"):
            attempt()
    with pytest.raises(DataError, match="datasets fetch maps"):
        source("maps", tmp_path / "elsewhere").facts()
    with pytest.raises(ConfigError, match="'monet2photo' can only be `kind: unpaired`"):
        source("monet2photo", None, kind="paired")


def test_a_local_copy_may_lack_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.jpg").write_bytes(saved(picture(8, 16), "JPEG"))
    found = source("facades", tmp_path)
    assert found.facts().splits == ("train", "val") and found.facts().kind == "paired"
    assert len(found.facts().palette) == len(found.facts().classes) == 12
    assert [r.side for r in found.records("val")] == ["input", "target"]
    assert list(found.notes()) == [f"{tmp_path}: this copy lacks the splits test of facades"]
    assert source("facades", tmp_path, splits=["val"]).facts().splits == ("val",)


def test_an_unpaired_card_reads_its_layout(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        folder_of(f"m/{name}", ["1.png", "2.png"])
    found = source("monet2photo", tmp_path / "m", limit={"train": 1})
    assert {(r.side, r.key) for r in found.records("train")} == {("a", "1"), ("b", "1")}
    assert found.facts().pairs == frozenset() and len(list(found.inputs())) == 4


def test_fetch_leaves_what_is_there(console: Console, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    assert fetch("maps", tmp_path, console) == tmp_path / "maps"
    assert console.said == [f"maps is already at {tmp_path / 'maps'}"]


def test_share_finds_the_checkout_s_folder() -> None:
    assert (cards.share("datasets") / "maps.yaml").is_file()
    with pytest.raises(ConfigError, match="lacks its folder of nothing"):
        cards.share("nothing")


def test_a_card_is_consistent() -> None:
    good = load_card("facades").model_dump()
    for change in ({"classes": ()}, {"pairs": ("nope",)}, {"splits": {}}):
        with pytest.raises(ValueError, match=r"pairs|classes|splits"):
            Card.model_validate(good | change)


@pytest.mark.skipif(
    not (Path(os.environ.get("TRANSLATE_TEST_DATA", "")) / "facades/val").is_dir(),
    reason="real facades lie in no folder `facades` of TRANSLATE_TEST_DATA",
)
def test_the_palette_of_facades_is_that_of_the_real_labels() -> None:
    found = source("facades", Path(os.environ["TRANSLATE_TEST_DATA"]) / "facades", splits=["val"])
    targets = [r.load() for r in found.records("val") if r.side == "target"]
    pixels = np.concatenate([t[::4, ::4].reshape(-1, 3) for t in targets]).astype(int)
    gaps = np.sqrt(((pixels[:, None] - np.array(found.facts().palette)) ** 2).sum(axis=-1)).min(axis=1)
    assert np.median(gaps) < 6
    assert read(next((found.root / "val").iterdir())).pixels.shape == (256, 512, 3)
