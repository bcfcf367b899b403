"""Transforms against numpy, OpenCV and the promise that all images of a call share their geometry."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from data_images import picture

from translate.contracts import Transform
from translate.data.transforms import TRANSFORMS, apply
from translate.errors import DataError

BY_NAME = {t.name: t for t in TRANSFORMS}


def make(name: str, **options: Any) -> Transform[Any]:
    return BY_NAME[name](BY_NAME[name].Config(**options))


EXAMPLES = [
    make("resize", size=[20, 30]),
    make("resize-shorter", size=10),
    make("center-crop", size=12),
    make("random-crop", size=[12, 14]),
    make("random-resized-crop", size=16),
    make("horizontal-flip"),
    make("vertical-flip"),
    make("rotate-90", p=1),
    make("colour-jitter"),
    make("thicken-lines"),
    make("modcrop", multiple=5),
]


def test_every_transform_has_an_example() -> None:
    assert {t.name for t in EXAMPLES} == set(BY_NAME)


@pytest.mark.parametrize("transform", EXAMPLES, ids=lambda t: t.name)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transform_is_a_function_of_its_seed(transform: Transform[Any], dtype: Any, channels: int) -> None:
    images = {"input": picture(24, 32, channels, dtype), "target": picture(24, 32, 3, dtype, seed=1)}
    before = {side: array.copy() for side, array in images.items()}
    results = [transform(dict(images), seed) for seed in (5, 5, 6, 7, 8, 9, 10, 11)]
    for side, array in results[0].items():
        assert np.array_equal(array, results[1][side])
        assert array.dtype == dtype and array.ndim == 3 and array.shape[2] == images[side].shape[2]
        assert np.array_equal(images[side], before[side])
        expected = transform.size((24, 32))
        assert expected is None or array.shape[:2] == expected
    varies = any(not np.array_equal(results[0]["target"], r["target"]) for r in results[2:])
    assert varies == transform.random


@pytest.mark.parametrize(
    "transform", [t for t in EXAMPLES if t.name not in ("colour-jitter", "thicken-lines")], ids=lambda t: t.name
)
def test_sides_and_labels_share_one_geometry(transform: Transform[Any]) -> None:
    y, x = np.mgrid[0:24, 0:32]
    where = (y * 32 + x).astype(np.uint16)[..., None]
    nearest = {"interpolation": "nearest"} if "interpolation" in type(transform.config).model_fields else {}
    transform = type(transform)(transform.config.model_copy(update=nearest))
    for seed in range(8):
        done = transform({"image": where, "target": where, "label": (where[..., 0] % 7).astype(np.uint8)}, seed)
        assert np.array_equal(done["image"], done["target"])
        assert np.array_equal(done["image"][..., 0] % 7, done["label"])


def test_labels_are_never_interpolated() -> None:
    label = np.random.default_rng(0).choice([3, 200], (24, 32)).astype(np.uint8)
    for name in ("resize", "resize-shorter", "random-resized-crop"):
        done = make(name, size=9)({"image": picture(), "label": label}, 0)
        assert set(np.unique(done["label"])) <= {3, 200}


def test_resize_averages_when_it_shrinks_and_is_bicubic_when_it_grows() -> None:
    array = picture(24, 32)
    smaller = make("resize", size=[12, 16])({"a": array}, 0)["a"].astype(float)
    means = array.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.abs(smaller - means).max() <= 0.5 + 1e-6
    larger = make("resize", size=[48, 64])({"a": array}, 0)["a"]
    assert np.array_equal(larger, cv2.resize(array, (64, 48), interpolation=cv2.INTER_CUBIC))
    nearest = make("resize", size=[48, 64], interpolation="nearest")({"a": array}, 0)["a"]
    assert np.array_equal(nearest, array.repeat(2, 0).repeat(2, 1))


def test_flips_and_turns_are_numpy_s() -> None:
    array = picture(6, 8)
    assert np.array_equal(make("horizontal-flip", p=1)({"a": array}, 0)["a"], array[:, ::-1])
    assert np.array_equal(make("vertical-flip", p=1)({"a": array}, 0)["a"], array[::-1])
    turns = [make("rotate-90", p=1)({"a": array}, seed)["a"] for seed in range(40)]
    expected = [np.rot90(array, k) for k in range(4)]
    hits = [sum(np.array_equal(t, e) for t in turns) for e in expected]
    assert sum(hits) == 40 and min(hits) > 0


def test_random_crops_are_windows_and_reach_every_corner() -> None:
    y, x = np.mgrid[0:6, 0:7]
    array = (y * 16 + x).astype(np.uint8)[..., None]
    corners = set()
    for seed in range(200):
        window = make("random-crop", size=[4, 5])({"a": array}, seed)["a"]
        top, left = divmod(int(window[0, 0, 0]), 16)
        assert np.array_equal(window, array[top : top + 4, left : left + 5])
        corners.add((top, left))
    assert corners == {(t, s) for t in range(3) for s in range(3)}
    centre = make("center-crop", size=4)({"a": array}, 0)["a"]
    assert np.array_equal(centre, array[1:5, 1:5])


def test_flip_probability() -> None:
    flip, array = make("horizontal-flip", p=0.25), picture(2, 3)
    hits = sum(np.array_equal(flip({"a": array}, s)["a"], array[:, ::-1]) for s in range(400))
    assert 70 <= hits <= 130


def test_colour_jitter_leaves_labels_and_other_sides_alone() -> None:
    images = {"image": picture(), "target": picture(seed=2), "label": picture(channels=1)[..., 0]}
    done = make("colour-jitter", sides=["image"])(images, 3)
    assert not np.array_equal(done["image"], images["image"])
    assert np.array_equal(done["target"], images["target"]) and np.array_equal(done["label"], images["label"])
    alike = make("colour-jitter")({"input": images["image"], "target": images["image"]}, 3)
    assert np.array_equal(alike["input"], alike["target"])


def test_a_crop_larger_than_the_image_is_refused_with_both_sizes() -> None:
    with pytest.raises(DataError, match=r"random-crop: an image of 32 x 24 pixels is smaller than the crop of 40 x 40"):
        make("random-crop", size=40)({"a": picture()}, 0)
    with pytest.raises(DataError, match="center-crop"):
        make("center-crop", size=40).size((24, 32))


def test_chained_transforms_draw_apart() -> None:
    chain = [make("horizontal-flip"), make("horizontal-flip")]
    array = picture(2, 3)
    flipped = sum(np.array_equal(apply(chain, {"a": array}, seed)["a"], array[:, ::-1]) for seed in range(100))
    assert 25 < flipped < 75  # equal seeds would cancel each other


@pytest.mark.parametrize("transform", EXAMPLES, ids=lambda t: t.name)
@pytest.mark.parametrize("channels", [2, 6])
def test_bands_and_floats_keep_their_values(transform: Transform[Any], channels: int) -> None:
    rng = np.random.default_rng(0)
    wide = (rng.random((24, 32, channels)) * 4000 - 1000).astype(np.float32)
    deep = rng.integers(0, 65536, (24, 32, channels), np.uint16)
    if transform.name == "colour-jitter":
        with pytest.raises(
            DataError, match=r"colour-jitter cannot take a \(24, 32, \d\) float32: .*1-channel or 3-channel"
        ):
            transform({"a": wide}, 1)
        return
    results = transform({"a": wide, "b": deep}, 1)
    assert results["a"].dtype == np.float32 and results["b"].dtype == np.uint16
    assert results["a"].shape[2] == results["b"].shape[2] == channels
    # Cubic interpolation overshoots a little.
    assert wide.min() - 1500 <= results["a"].min() < 0 and 1000 < results["a"].max() <= wide.max() + 1500
    moved = transform({"a": wide, "b": wide.copy()}, 3)
    assert np.array_equal(moved["a"], moved["b"])
