"""From a source to a prepared dataset: what is written, what is refused, what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from translate.contracts import Config, Record, Source, SourceFacts, StageContext, Use
from translate.data.builtin import translate_sources, translate_transforms
from translate.data.dataset import Dataset
from translate.errors import DataError
from translate.imaging.io import read, write
from translate.stages.preprocess import PreprocessStage

Array = np.ndarray[Any, Any]


class Toy(Source[Config]):
    """Shows the records that a test puts here."""

    name = "toy"
    facts_: SourceFacts = SourceFacts("unpaired", ("train",))
    images: Mapping[str, Mapping[tuple[str, str], Any]] = {}
    reads: list[str] = []

    def facts(self) -> SourceFacts:
        return self.facts_

    def records(self, split: str) -> Iterator[Record]:
        for (side, key), array in self.images[split].items():
            yield Record(key, side, f"toy/{key}", lambda a=array, k=key: self._read(a, k))  # type: ignore[misc]

    def _read(self, array: Any, key: str) -> Array:
        self.reads.append(key)
        if isinstance(array, Exception):
            raise array
        return array  # type: ignore[no-any-return]


class Registry:
    """The built-in components, and the toy."""

    def __init__(self) -> None:
        self.known = {(c.name): c for c in (*translate_sources(), *translate_transforms(), Toy)}

    def get(self, kind: str, name: str) -> Any:
        return self.known[name]

    def build(self, use: Use, **kwargs: Any) -> Any:
        found = self.known[use.uses]
        return found(found.Config.model_validate(use.options), **kwargs)

    def provider(self, kind: str, name: str) -> Mapping[str, str]:
        return {}


class Listener:
    """A console and a tracker in one."""

    def __init__(self) -> None:
        self.warned: list[str] = []
        self.rows: list[Any] = []
        self.datasets: list[Any] = []
        self.advanced = 0

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def table(self, title: str, columns: Any, rows: Any) -> None:
        self.rows = list(rows)

    def dataset(self, *facts: Any) -> None:
        self.datasets.append(facts)

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Any]:
        yield self

    def advance(self, n: int = 1, **fields: Any) -> None:
        self.advanced += n


def stage(**options: Any) -> PreprocessStage:
    return PreprocessStage(PreprocessStage.Config.model_validate(options), Registry(), seed=3)


def run(folder: Path, **options: Any) -> tuple[Dataset, dict[str, Any], Listener]:
    heard = Listener()
    folder.mkdir(exist_ok=True)
    context = StageContext(
        pipeline="p", stage="prepare", folder=folder, inputs={}, seed=3, device="cpu", tracker=heard,  # type: ignore[arg-type]
        console=heard, registry=Registry(), emit=lambda *a, **k: None, fingerprint="f00",
    )  # fmt: skip
    facts = stage(**options).run(context)
    return Dataset(folder), facts, heard


def pixels(height: int = 6, width: int = 8, channels: int = 3, dtype: Any = np.uint8, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[Toy]:
    monkeypatch.setattr(Toy, "reads", [])
    monkeypatch.setattr(Toy, "images", {})
    monkeypatch.setattr(Toy, "facts_", SourceFacts("unpaired", ("train",)))
    return Toy


def test_what_is_written_is_what_the_source_shows(toy: type[Toy], tmp_path: Path) -> None:
    toy.facts_ = SourceFacts("unpaired", ("train", "test"), frozenset({"test"}), ("x",), ((1, 2, 3),))
    shown = {("a", "p/1"): pixels(seed=1), ("a", "2"): pixels(seed=2), ("b", "9"): pixels(seed=3)}
    toy.images = {"train": shown, "test": {("a", "1"): pixels(seed=4), ("b", "1"): pixels(seed=5)}}
    dataset, facts, heard = run(tmp_path / "d", source="toy")
    for (side, key), array in shown.items():
        assert np.array_equal(dataset.array("train", side, key), array)
    assert dataset.keys("train", "a") == ["2", "p/1"] and dataset.pairs("test") and not dataset.pairs("train")
    assert facts == dataset.facts.to_json() == {
        "kind": "unpaired", "splits": ["train", "test"], "pairs": ["test"], "classes": ["x"], "palette": [[1, 2, 3]],
        "direction": "a_to_b", "channels": {"a": 3, "b": 3}, "size": [6, 8], "bits": 8,
        "counts": {"train": {"a": 2, "b": 1}, "test": {"a": 1, "b": 1}},
    }  # fmt: skip
    promised = stage(source="toy").promise({})
    assert promised == {key: facts[key] for key in promised}
    assert heard.rows[0] == ["train", "a", 2, "8 x 6", 3, 8, "no"] and heard.advanced == 5
    assert heard.datasets[0][:2] == ("toy", "f00") and not heard.warned


def test_transforms_run_once_and_alike_on_pairs(toy: type[Toy], tmp_path: Path) -> None:
    toy.facts_ = SourceFacts("paired", ("train",), frozenset({"train"}))
    toy.images = {"train": {("input", "1"): pixels(), ("target", "1"): pixels(channels=1, seed=1)}}
    chain = [{"uses": "resize", "size": [12, 16], "interpolation": "bicubic"}, {"uses": "center-crop", "size": 8}]
    dataset, facts, _ = run(tmp_path / "d", source="toy", transforms=chain)
    for side, source in (("input", pixels()), ("target", pixels(channels=1, seed=1))):
        resized = cv2.resize(source, (16, 12), interpolation=cv2.INTER_CUBIC).reshape(12, 16, -1)
        assert np.array_equal(dataset.array("train", side, "1"), resized[2:10, 4:12])
    assert facts["size"] == [8, 8] and facts["channels"] == {"input": 3, "target": 1}


def test_direction_swaps_the_sides(toy: type[Toy], tmp_path: Path) -> None:
    toy.facts_ = SourceFacts("paired", ("train",), frozenset({"train"}))
    toy.images = {"train": {("input", "1"): pixels(), ("target", "1"): pixels(seed=1)}}
    dataset, facts, _ = run(tmp_path / "d", source="toy", direction="b_to_a")
    assert np.array_equal(dataset.array("train", "target", "1"), pixels()) and facts["direction"] == "b_to_a"


def test_mixed_sides_become_alike_and_it_is_said(toy: type[Toy], tmp_path: Path) -> None:
    shown = {
        ("a", "grey"): pixels(channels=1), ("a", "rgb"): pixels(), ("a", "rgba"): pixels(channels=4),
        ("b", "la"): pixels(channels=2), ("b", "wide"): pixels(channels=1, dtype=np.uint16),
    }  # fmt: skip
    toy.images = {"train": shown}
    dataset, facts, heard = run(tmp_path / "d", source="toy")
    assert facts["channels"] == {"a": 3, "b": 1} and facts["bits"] == 16
    assert np.array_equal(
        dataset.array("train", "a", "grey"), np.repeat(pixels(channels=1), 3, 2).astype(np.uint16) * 257
    )
    assert np.array_equal(dataset.array("train", "b", "wide"), shown["b", "wide"])
    rgba = shown["a", "rgba"].astype(float)
    white = rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]
    assert np.abs(dataset.array("train", "a", "rgba") / 257 - white).max() <= 0.5
    assert heard.warned == [
        "2 images have transparency, laid over white: train/a/rgba, train/b/la",
        "side a mixes grey and colour; 1 grey images became RGB: train/grey",
        "8 and 16 bits are mixed; 4 images became 16 bits: train/a/grey, train/a/rgb, train/a/rgba, train/b/la",
    ]


def test_labels_are_not_touched_by_interpolation(toy: type[Toy], tmp_path: Path) -> None:
    colours = tuple((20 * i, 255 - i, 3) for i in range(10))
    toy.facts_ = SourceFacts("labelled", ("train",), frozenset({"train"}), tuple("abcdefghij"), colours)
    label = np.random.default_rng(0).choice([0, 9, 255], (6, 8, 1)).astype(np.uint8)
    toy.images = {"train": {("image", "1"): pixels(dtype=np.uint16), ("label", "1"): label}}
    dataset, facts, listener = run(tmp_path / "d", source="toy", transforms=[{"uses": "resize", "size": [12, 16]}])
    assert np.array_equal(dataset.array("train", "label", "1")[::2, ::2], label)
    assert (facts["channels"], facts["bits"]) == ({"image": 3, "label": 1}, 16)
    (remark,) = listener.warned
    assert remark.startswith("8 classes occur in no label map of train")
    seen = read(dataset.path("train", "label", "1")).pixels[::2, ::2]
    assert np.array_equal(seen, np.array([*colours, *[(255, 255, 255)] * 246])[label[..., 0]])
    assert dataset.tensor("train", "label", "1").shape == (12, 16)


def test_labels_without_a_class_are_refused_by_name(toy: type[Toy], tmp_path: Path) -> None:
    toy.facts_ = SourceFacts("labelled", ("train",), frozenset({"train"}), ("a", "b"))
    toy.images = {"train": {("image", "1"): pixels(), ("label", "1"): np.full((6, 8, 1), 2, np.uint8)}}
    with pytest.raises(
        DataError, match=r"toy/1: there are 2 classes, 0 to 1, and this label map holds 2 \(48 pixels\)"
    ):
        run(tmp_path / "d", source="toy")


def test_an_interrupted_run_continues(toy: type[Toy], tmp_path: Path) -> None:
    toy.images = {"train": {(s, str(n)): pixels(seed=n) for s in "ab" for n in range(5)}}
    images = dict(toy.images["train"])
    toy.images = {"train": {**images, ("b", "4"): DataError("b/4 is damaged")}}
    with pytest.raises(DataError, match=r"1 of 10 images cannot be used:\n  b/4 is damaged$"):
        run(tmp_path / "d", source="toy")
    assert not (tmp_path / "d" / "dataset.json").exists()
    toy.images, toy.reads = {"train": {**images, ("b", "4"): pixels(seed=4)}}, []
    dataset, facts, _ = run(tmp_path / "d", source="toy")
    assert toy.reads == ["4"] and facts["counts"] == {"train": {"a": 5, "b": 5}}
    fresh, again, _ = run(tmp_path / "e", source="toy")
    assert again == facts
    files = sorted(p.relative_to(fresh.folder) for p in fresh.folder.rglob("*.*"))
    assert files == sorted(p.relative_to(dataset.folder) for p in dataset.folder.rglob("*.*")) and len(files) == 11
    assert all((fresh.folder / f).read_bytes() == (dataset.folder / f).read_bytes() for f in files)


BAD = {("a", str(n)): DataError(f"bad {n}") for n in range(9)} | {("b", "1"): pixels()}


@pytest.mark.parametrize(
    ("kind", "shown", "words"),
    [
        ("paired", [("input", "1", 6), ("target", "2", 6)], r"1 only in train/input \(1\); 1 only in train/target"),
        ("unpaired", [("a", "1", 6)], "split 'train' has no images on side b"),
        ("unpaired", [("a", "../1", 6), ("b", "1", 6)], r"'../1' cannot name an image"),
        ("unpaired", [("a", "1", 3), ("b", "1", 6)], "toy/1: center-crop: an image of 8 x 3 pixels is smaller"),
        ("unpaired", BAD, r"9 of 10 images cannot be used:\n  bad 0\n  bad 1\n  bad 2\n  bad 3\n  bad 4\n  and 4 more"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_by_name(
    kind: Any, shown: Any, words: str, toy: type[Toy], tmp_path: Path
) -> None:
    toy.facts_ = SourceFacts(kind, ("train",), frozenset({"train"} if kind == "paired" else ()))
    images = shown if isinstance(shown, dict) else {(side, key): pixels(height) for side, key, height in shown}
    toy.images = {"train": images}
    with pytest.raises(DataError, match=words):
        run(tmp_path / "d", source="toy", transforms=[{"uses": "center-crop", "size": 5}])


def test_check_finds_mistakes_before_anything_runs(toy: type[Toy], tmp_path: Path) -> None:
    assert list(stage(source="toy").check({})) == []
    random, direction = stage(
        source="toy", transforms=["vertical-flip", {"uses": "resize", "size": 8}], direction="b_to_a"
    ).check({})
    assert random.path == ("with", "transforms", 0) and "under `augment`" in random.message
    assert direction.path == ("with", "direction") and "unpaired" in direction.message
    (missing,) = stage(source={"uses": "side-by-side", "root": str(tmp_path / "none")}).check({})
    assert missing.path == ("with", "source") and "no such folder" in missing.message
    assert list(stage(source={"uses": "dataset", "name": "maps"}).check({})) == []
    assert stage(source="toy").neutral == {"workers"}


def test_generated_maps_and_files_go_the_same_way(tmp_path: Path) -> None:
    tiles = {"uses": "generated-maps", "size": 16, "train": 3, "test": 2}
    dataset, facts, _ = run(tmp_path / "d", source=tiles)
    assert facts["kind"] == "unpaired" and facts["pairs"] == ["test"] and dataset.spec((16, 16)).classes[0] == "land"
    for split, side in (("train", "a"), ("train", "b")):
        folder = tmp_path / "files" / f"{split}{side.upper()}"
        folder.mkdir(parents=True)
        for key in dataset.keys(split, side):
            write(folder / f"{key}.tif", dataset.array(split, side, key))
    copy, _, _ = run(tmp_path / "e", source={"uses": "folders", "root": str(tmp_path / "files")})
    for side in "ab":
        for key in dataset.keys("train", side):
            assert np.array_equal(copy.array("train", side, key), dataset.array("train", side, key))
    assert stage(source={"uses": "folders", "root": str(tmp_path / "files")}).inputs() == [
        tmp_path / "files" / "trainA", tmp_path / "files" / "trainB",
    ]  # fmt: skip
