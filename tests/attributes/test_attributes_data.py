"""Sources with and without an attribute, and generated people and shoes of which the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from translate.data.generated.portraits import BASE, CORE, PLACE, GeneratedHats, make_portrait
from translate.data.generated.sketches import GeneratedSketches, make_shoe, shoe_of
from translate.data.sources.attribute import Attribute, AttributeList
from translate.data.sources.card_source import DatasetSource
from translate.data.sources.folders import SideBySide
from translate.data.transforms import ThickenLines
from translate.errors import ConfigError, DataError
from translate.imaging.io import write
from translate.pipeline.schema import load

SIZE = 64


def box(place: tuple[float, float, float, float], size: int = SIZE) -> tuple[slice, slice]:
    top, left, bottom, right = (round(v * size) for v in place)
    return slice(top, bottom), slice(left, right)


def chroma(image: np.ndarray) -> float:  # type: ignore[type-arg]
    at = image[box(CORE)].astype(float) / 255
    return float((at.max(axis=2) - at.min(axis=2)).mean())


# ------------------------------------------------------------------------------------------------------------ hats


def test_a_hat_changes_its_place_and_nothing_else() -> None:
    for n in range(30):
        bare, worn = make_portrait(n, None, SIZE), make_portrait(n, 100 + n, SIZE)
        changed = (bare != worn).any(axis=2)
        inside = np.zeros_like(changed)
        inside[box(PLACE)] = True
        assert changed[inside].mean() > 0.1 and not changed[~inside].any()


def test_a_hat_looks_the_same_on_every_head() -> None:
    """Where the hat of seed 5 is on two people (both pictures changed), they have the same colours there."""
    first, second = (make_portrait(n, 5, 128) for n in (1, 2))
    on = np.logical_and(*((make_portrait(n, None, 128) != make_portrait(n, 5, 128)).all(axis=2) for n in (1, 2)))
    close = np.abs(first.astype(int) - second.astype(int))[on].max(axis=1) <= 1
    assert on.sum() > 400 and close.mean() > 0.85  # the rest is the hat's edge, where the background shines through


def test_only_hats_are_colourful_at_their_place() -> None:
    worn = [chroma(make_portrait(n, 1000 + n, SIZE)) for n in range(60)]
    bare = [chroma(make_portrait(n, None, SIZE)) for n in range(60)]
    assert min(worn) > 0.45 and max(bare) < 0.3
    assert CORE[2] < BASE < PLACE[2]


def test_hats_differ_in_hue_size_and_shape() -> None:
    places = []
    colours = []
    for n in range(40):
        changed = (make_portrait(0, n, SIZE) != make_portrait(0, None, SIZE)).any(axis=2)
        places.append((changed.any(axis=1).sum(), changed.any(axis=0).sum()))
        colours.append(make_portrait(0, n, SIZE)[box(CORE)].reshape(-1, 3).mean(axis=0).argmax())
    assert len(set(places)) > 20 and min(np.bincount(colours, minlength=3)) >= 5


def test_the_truth_of_an_exchange_is_in_the_test_split() -> None:
    source = GeneratedHats(GeneratedHats.Config(size=32, train=2, test=4), seed=3)
    facts = source.facts()
    assert (facts.kind, facts.splits, facts.pairs) == ("attribute", ("train", "test"), {"test"})
    test = {(r.side, r.key): r.load() for r in source.records("test")}
    keys = ["00000/00000", "00000/00001", "00001/00002", "00001/00003"]
    assert [k for s, k in test if s == "with"] == [k for s, k in test if s == "without"] == keys
    rows, columns = box(CORE, 32)
    for a, b, same in ((0, 1, True), (2, 3, True), (1, 2, False)):
        hats = [test["with", keys[n]][rows, columns].astype(int).mean(axis=(0, 1)) for n in (a, b)]
        assert (np.abs(hats[0] - hats[1]).max() <= 3) == same
        assert not np.array_equal(test["without", keys[a]], test["without", keys[b]])
    train = list(source.records("train"))
    assert [(r.side, r.key) for r in train[:2]] == [("with", "with-00000"), ("without", "bare-00000")]
    assert not np.array_equal(train[0].load()[20:], train[1].load()[20:])
    odd = GeneratedHats(GeneratedHats.Config(size=32, train=1, test=3)).records("test")
    assert {r.key for r in odd} == {"00000/00000", "00000/00001", "00000/00002"}
    unpaired = GeneratedHats(GeneratedHats.Config(kind="unpaired", train=1, test=0), seed=3)
    assert [r.side for r in unpaired.records("train")] == ["a", "b"]


def test_the_pipelines_name_the_place_of_the_hats() -> None:
    recipe = Path(__file__).parents[2] / "pipelines" / "faces_genegan.yaml"
    for profile in ("quick", "hats"):
        stages = load(recipe, profile).root.plain()["stages"]
        metrics = [m for name in ("score", "score_remove") for m in stages[name]["with"]["metrics"]]
        for metric in (m for m in metrics if isinstance(m, dict)):
            assert tuple(metric["place"]) == (CORE if metric["uses"] == "colourful-place" else PLACE)


# ----------------------------------------------------------------------------------------------------------- shoes


def test_sketch_and_picture_show_the_same_shoe_and_its_colour_follows_from_its_shape() -> None:
    for n in range(20):
        sketch, picture = make_shoe(n, SIZE)
        assert np.ptp(sketch.astype(int), axis=2).max() == 0  # grey
        filled = np.ptp(picture.astype(int), axis=2) > 40
        rows, columns = np.nonzero(filled)
        dark = np.nonzero(sketch[..., 0] < 128)
        assert abs(rows.min() - dark[0].min()) <= 2 and abs(columns.max() - dark[1].max()) <= 2
        mean = picture[filled].astype(float).mean(axis=0)
        assert mean.argmax() == np.array(shoe_of(n).colour).argmax() or np.ptp(np.sort(mean)[1:]) < 25


def test_training_shoes_are_different_ones_on_the_two_sides() -> None:
    source = GeneratedSketches(GeneratedSketches.Config(size=32, train=3, test=2), seed=1)
    assert source.facts().pairs == {"test"}
    assert [(r.side, r.key) for r in source.records("train")][:2] == [("a", "a00000"), ("b", "b00000")]
    assert [(r.side, r.key) for r in source.records("test")][:2] == [("a", "00000"), ("b", "00000")]
    paired = GeneratedSketches(GeneratedSketches.Config(kind="paired", size=32, train=1, test=0))
    assert [r.side for r in paired.records("train")] == ["input", "target"] and paired.facts().pairs == {"train"}


def test_thick_lines_are_as_thick_as_they_say() -> None:
    drawing = np.full((9, 9, 3), 255, np.uint8)
    drawing[4] = 0
    made = ThickenLines(ThickenLines.Config(size=3, sides=("a",)))({"a": drawing, "b": drawing}, 0)
    assert (made["a"][..., 0] == 0).sum(axis=0).tolist() == [3] * 9 and made["b"] is drawing
    assert ThickenLines(ThickenLines.Config())({"b": drawing[..., :1]}, 0)["b"].shape == (9, 9, 1)


# --------------------------------------------------------------------------------------------------------- folders


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.full((8, 8, 1), value, np.uint8))


def test_two_folders_a_split(tmp_path: Path) -> None:
    for n, folder in enumerate(("train_with", "train_without", "test_with", "test_without")):
        for name in ("b", "a"):
            grey(tmp_path / folder / f"{name}.png", n)
    source = Attribute(Attribute.Config(root=tmp_path, limit={"train": 1}))
    facts = source.facts()
    assert (facts.kind, facts.splits, facts.pairs) == ("attribute", ("train", "test"), frozenset())
    assert [(r.side, r.key) for r in source.records("train")] == [("with", "a"), ("without", "a")]
    assert [r.load().shape for r in source.records("test")] == [(8, 8, 1)] * 4
    colour = Attribute(Attribute.Config(root=tmp_path, colour=True))
    assert [int(r.load()[0, 0, 2]) for r in colour.records("test")] == [2, 2, 3, 3]
    named = {"with": tmp_path / "train_with", "without": tmp_path / "train_without"}
    given = Attribute(Attribute.Config.model_validate({**named, "test": named}))
    assert given.splits() == ("train", "test") and len(list(given.inputs())) == 2
    with pytest.raises(DataError, match="val_without: no such folder"):
        (tmp_path / "val_with").mkdir()
        Attribute(Attribute.Config(root=tmp_path)).facts()


def test_ways_to_name_folders_exclude_each_other(tmp_path: Path) -> None:
    for wrong in ({}, {"root": tmp_path, "with": tmp_path, "without": tmp_path}, {"with": tmp_path}):
        with pytest.raises(ValueError, match="give either `root`"):
            Attribute.Config.model_validate(wrong)
    with pytest.raises(ValueError, match="finds them"):
        Attribute.Config.model_validate({"root": tmp_path, "test": {"with": tmp_path, "without": tmp_path}})


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Six images: 1 to 3 train, 4 val, 5 and 6 test; odd ones smile, and the last three have bangs."""
    folder = tmp_path / "celeba"
    lines, parts = ["6", "Bangs Smiling "], []
    for n in range(1, 7):
        grey(folder / "img_align_celeba" / f"{n:06d}.jpg", 10 * n)
        lines.append(f"{n:06d}.jpg {1 if n > 3 else -1:2d} {1 if n % 2 else -1:2d}")
        parts.append(f"{n:06d}.jpg {0 if n < 4 else 1 if n == 4 else 2}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return folder


def test_a_list_of_attributes(celeba: Path) -> None:
    source = DatasetSource(DatasetSource.Config(name="celeba", root=celeba, attribute="Smiling"))
    assert source.facts().kind == "attribute" and source.facts().splits == ("train", "val", "test")
    found = [(r.side, r.key) for r in source.records("train")]
    assert found == [("with", "000001"), ("with", "000003"), ("without", "000002")]
    assert len(list(source.inputs())) == 3
    (record,) = (r for r in source.records("val"))
    assert record.side == "without" and abs(int(record.load().mean()) - 40) <= 1


def test_a_list_of_attributes_says_what_is_wrong(celeba: Path) -> None:
    def facts(**options: str) -> object:
        return AttributeList(AttributeList.Config(root=celeba, attribute="Smiling", **options)).facts()

    with pytest.raises(DataError, match=r"no attribute 'Smilin'; did you mean 'Smiling'\?"):
        AttributeList(AttributeList.Config(root=celeba, attribute="Smilin")).facts()
    with pytest.raises(DataError, match=r"absent.txt: No such file"):
        facts(attributes="absent.txt")
    (celeba / "odd.txt").write_text("000001.jpg 7\n")
    with pytest.raises(DataError, match="is no line of a file and 0, 1 or 2"):
        facts(partition="odd.txt")
    (celeba / "odd.txt").write_text("6\nBangs Smiling\n")
    with pytest.raises(DataError, match="no line has a file and 2 values"):
        facts(attributes="odd.txt")
    with pytest.raises(ConfigError, match="needs `attribute`"):
        DatasetSource(DatasetSource.Config(name="celeba", root=celeba))


def test_options_go_with_layouts() -> None:
    for wrong in ({"name": "maps", "attribute": "x"}, {"name": "malaria", "disjoint": True}):
        with pytest.raises(ConfigError, match="has no use for"):
            DatasetSource(DatasetSource.Config.model_validate(wrong))
    with pytest.raises(ValueError, match="goes with `kind: unpaired`"):
        DatasetSource(DatasetSource.Config(name="maps", disjoint=True))


def test_disjoint_halves(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for n in range(3):
            (tmp_path / split).mkdir(exist_ok=True)
            write(tmp_path / split / f"{n}.png", np.zeros((4, 8, 3), np.uint8))
    source = SideBySide(SideBySide.Config(root=tmp_path, kind="unpaired", disjoint=True))
    assert source.facts().pairs == {"val"}
    assert [(r.side, r.key) for r in source.records("train")] == [("a", "0"), ("b", "1"), ("a", "2")]
    assert len(list(source.records("val"))) == 6
