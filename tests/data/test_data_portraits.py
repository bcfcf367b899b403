"""Generated portraits with named attributes: the picture shows what the names say."""

from __future__ import annotations

import numpy as np
import pytest
from yardstick import additions_of

from translate.contracts import Class, Image
from translate.data.generated.portrait_attributes import (
    BACKGROUNDS,
    HAIR,
    HATS,
    NAMES,
    Portraits,
    named_portrait,
    portrait_classes,
)
from translate.data.generated.portraits import CORE, Looks, make_portrait

COUNT = 60


def test_the_four_attributes_have_four_classes_each_and_are_independent() -> None:
    drawn = [portrait_classes(seed) for seed in range(2000)]
    assert list(NAMES) == ["hat", "background", "hair", "glasses"]
    assert {len(names) for names in NAMES.values()} == {4}
    for one in NAMES:
        for other in NAMES:
            table = np.zeros((4, 4))
            for classes in drawn:
                table[classes[one], classes[other]] += 1
            expected = 500 if one == other else 125
            cells = table.diagonal() if one == other else table
            assert np.abs(cells - expected).max() < 5 * expected**0.5


def test_the_background_has_its_colour() -> None:
    """Of the upper corners, where nothing else is, the nearest of the four colours is the named one."""
    colours = np.array(list(BACKGROUNDS.values()))
    right = 0
    for seed in range(COUNT):
        corners = named_portrait(seed, 32)[:6, [0, 1, 2, -3, -2, -1]].reshape(-1, 3).mean(0) / 255
        hues = [np.dot(corners - corners.mean(), c - c.mean()) / np.linalg.norm(c - c.mean()) for c in colours]
        right += int(np.argmax(hues)) == portrait_classes(seed)["background"]
    assert right >= 0.95 * COUNT


def test_a_hat_is_there_or_not_and_has_its_shape() -> None:
    """The same person without a hat shows where the hat is: its second row is wide, or runs to a point."""
    widths: dict[str, list[int]] = {name: [] for name in HATS}
    top, left, bottom, right = (round(64 * share) for share in CORE)
    for seed in range(2 * COUNT):
        for name, shape in HATS.items():
            looks = Looks(background=(0.0, 0.0, 0.0), shape=shape)
            worn = make_portrait(seed, None if shape is None else seed, 64, looks)
            changed = (worn != make_portrait(seed, None, 64, looks)).any(axis=2)
            assert changed[top:bottom, left:right].all() == (name != "none")
            rows = np.flatnonzero(changed.any(axis=1))
            widths[name] += [int(changed[row + 2].sum()) for row in rows[:1]]
    assert not widths["none"]
    assert np.mean(widths["top-hat"]) > 2 * np.mean(widths["beanie"]) > np.mean(widths["cone"])


def test_hair_and_lenses_have_their_colours() -> None:
    for index, name in enumerate(NAMES["hair"]):
        (seed,) = [s for s in range(200) if portrait_classes(s)["hair"] == index][:1]
        same = make_portrait(seed, None, 64, Looks(hair=HAIR[name]))
        other = make_portrait(seed, None, 64, Looks(hair=(0.0, 1.0, 0.0)))
        hair = same[(same != other).any(axis=2)].mean(0) / 255
        assert np.abs(hair - np.array(HAIR[name])).max() < 0.2
    dark, none = make_portrait(3, None, 64, Looks(lenses=(0.1, 0.1, 0.1))), make_portrait(3, None, 64)
    rows, columns = np.nonzero((dark != none).any(axis=2))
    assert 0.48 < rows.min() / 64 < rows.max() / 64 < 0.64 and 0.3 < columns.min() / 64 < columns.max() / 64 < 0.7


def test_sides_keys_and_classes_by_name() -> None:
    source = Portraits(Portraits.Config(size=32, train=6, val=2, test=3), seed=5)
    facts = source.facts()
    assert facts.splits == ("train", "val", "test") and not facts.pairs
    assert facts.data.together == (("image", "hat", "background", "hair", "glasses"),)
    assert isinstance(facts.data["image"], Image) and facts.data["hat"] == Class(NAMES["hat"])
    records = list(source.records("train"))
    assert [(r.key, r.side) for r in records[:5]] == [("00000", side) for side in facts.data]
    assert len(records) == 30
    again = list(Portraits(source.config, seed=5).records("train"))
    other = list(Portraits(source.config, seed=6).records("train"))
    assert np.array_equal(records[0].load(), again[0].load()) and not np.array_equal(records[0].load(), other[0].load())
    assert [r.load() for r in records[1:5]] == [r.load() for r in again[1:5]]


@pytest.mark.parametrize("attribute", list(NAMES))
def test_one_attribute_can_be_the_class(attribute: str) -> None:
    options = {"kind": "classes", "attribute": attribute, "size": 16, "train": 40, "test": 1}
    source = Portraits(Portraits.Config.model_validate(options), seed=5)
    assert list(source.facts().data) == ["image", "class"]
    side = source.facts().data["class"]
    assert isinstance(side, Class) and side.names == NAMES[attribute]  # type: ignore[index]
    whole = Portraits(Portraits.Config(size=16, train=40, test=1), seed=5)
    classes = [record.load() for record in source.records("train") if record.side == "class"]
    assert classes == [record.load() for record in whole.records("train") if record.side == attribute]
    assert set(classes) == {0, 1, 2, 3}


def test_a_share_of_the_training_portraits_is_labelled() -> None:
    options = {"kind": "classes", "labelled": 0.05, "size": 16, "train": 200, "test": 20}
    source = Portraits(Portraits.Config.model_validate(options), seed=5)
    side = source.facts().data["class"]
    assert side.optional
    counts = {split: sum(r.side == "class" for r in source.records(split)) for split in ("train", "test")}
    assert counts == {"train": 10, "test": 20}
    keys = [r.key for r in source.records("train") if r.side == "class"]
    assert keys != sorted(r.key for r in source.records("train") if r.side == "image")[:10]


def test_a_portrait_is_cheap() -> None:
    assert additions_of(lambda seed: named_portrait(seed, 32), times=100) < 300_000  # less than 100,000 were seen
