"""Generated maps: every pixel of the map has a class, and the photograph shows the same city."""

from __future__ import annotations

import numpy as np
import pytest
from yardstick import additions_of

from translate.data.generated.city import City, Road, build_city
from translate.data.generated.city_drawing import CLASSES, PALETTE, Canvas, draw_labels
from translate.data.generated.maps import GeneratedMaps, make_tile, metres_per_pixel


def classes(map_: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Index of each pixel's colour in the palette; -1 where there is none."""
    found = np.full(map_.shape[:2], -1)
    for index, colour in enumerate(PALETTE):
        found[(map_ == colour).all(axis=2)] = index
    return found


@pytest.fixture(scope="module")
def tiles() -> list[tuple[np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    return [make_tile(seed, 64) for seed in range(40)]


def test_a_tile_is_a_function_of_seed_and_size() -> None:
    for size in (32, 64):
        first, again, other = make_tile(3, size), make_tile(3, size), make_tile(4, size)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
        assert all(view.shape == (size, size, 3) and view.dtype == np.uint8 for view in first)


def test_maps_hold_palette_colours_only_and_every_class_is_common(tiles) -> None:  # type: ignore[no-untyped-def]
    labels = np.stack([classes(map_) for _, map_ in tiles])
    assert labels.min() >= 0
    shares = np.bincount(labels.ravel(), minlength=len(CLASSES)) / labels.size
    assert shares.min() > 0.05 and shares.max() < 0.4


def test_photograph_and_map_show_the_same_place(tiles) -> None:  # type: ignore[no-untyped-def]
    """The mean colour of a class, of half of the tiles, classifies the pixels of the other half better than the
    most common class does; with the map of another tile it does not."""
    photos = np.stack([photo for photo, _ in tiles]).astype(np.float64)
    labels = np.stack([classes(map_) for _, map_ in tiles])
    known, asked = photos[:20], photos[20:]
    means = np.stack([known[labels[:20] == c].mean(axis=0) for c in range(len(CLASSES))])
    guess = ((asked[..., None, :] - means) ** 2).sum(axis=-1).argmin(axis=-1)
    right = (guess == labels[20:]).mean()
    majority = np.bincount(labels[20:].ravel()).max() / labels[20:].size
    shuffled = (guess == np.roll(labels[20:], 1, axis=0)).mean()
    assert right > majority + 0.15 and shuffled < right - 0.2


def test_a_photograph_is_no_flat_drawing(tiles) -> None:  # type: ignore[no-untyped-def]
    for photo, map_ in tiles[:8]:
        assert len(np.unique(photo.reshape(-1, 3), axis=0)) > 2500 and len(np.unique(map_.reshape(-1, 3), axis=0)) <= 6


def test_a_road_is_as_wide_as_it_says() -> None:
    line = np.array([[-500.0, 0.0], [500.0, 0.0]])
    city = City(roads=[Road(line, 10.0, arterial=False), Road(line[:, ::-1], 20.0, arterial=True)])
    labels = draw_labels(city, Canvas(201, 2.0))
    assert (labels[:, 10] == CLASSES.index("street")).sum() == pytest.approx(20, abs=1)
    assert (labels[10] == CLASSES.index("arterial")).sum() == pytest.approx(40, abs=1)


def test_nothing_stands_in_the_water() -> None:
    wet = 0
    for seed in range(30):
        city = build_city(200, np.random.default_rng(seed))
        canvas = Canvas(400, 2.0)
        without = City(**{**vars(city), "buildings": [], "roads": []})
        for building in city.buildings:
            x, y = np.rint(building.outline.mean(axis=0) * 2 + 200).astype(int)
            if 0 <= x < 400 and 0 <= y < 400:
                assert draw_labels(without, canvas)[y, x] != CLASSES.index("water")
                break
        wet += bool(city.banks)
    assert 5 < wet < 28


def test_splits_sides_and_keys() -> None:
    source = GeneratedMaps(GeneratedMaps.Config(size=32, train=3, val=1, test=2), seed=5)
    facts = source.facts()
    assert (facts.kind, facts.splits, facts.pairs) == ("unpaired", ("train", "val", "test"), {"val", "test"})
    assert facts.classes == CLASSES and facts.palette == PALETTE
    train, test = list(source.records("train")), list(source.records("test"))
    assert sorted(r.key for r in train if r.side == "a") == ["a00000", "a00001", "a00002"]
    assert {r.key for r in train if r.side == "b"} == {"b00000", "b00001", "b00002"}
    assert [r.key for r in test] == ["00000", "00000", "00001", "00001"]
    layouts = {classes(r.load()).tobytes() for r in [*train, *test] if r.side == "b"}
    assert len(layouts) == 5
    again = GeneratedMaps(GeneratedMaps.Config(size=32, train=3, val=1, test=2), seed=5)
    other = GeneratedMaps(GeneratedMaps.Config(size=32, train=3, val=1, test=2), seed=6)
    assert np.array_equal(next(iter(again.records("test"))).load(), test[0].load())
    assert not np.array_equal(next(iter(other.records("test"))).load(), test[0].load())
    paired = GeneratedMaps(GeneratedMaps.Config(kind="paired", size=32, train=2, test=0))
    assert [r.side for r in paired.records("train")] == ["input", "target"] * 2
    assert paired.facts().pairs == {"train"} and paired.facts().splits == ("train",)


def test_a_tile_is_cheap() -> None:
    assert additions_of(lambda seed: make_tile(seed, 64), times=10) < 1_200_000  # 400,000 to 600,000 were seen
    assert metres_per_pixel(256) == 1 and metres_per_pixel(64) == pytest.approx(2.52, abs=0.01)
