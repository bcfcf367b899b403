"""Pairs of two sizes are judged after the transforms: a resize makes them equal, and the error says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from translate.data.dataset import Dataset
from translate.data.transforms import enlarged
from translate.errors import StageError
from translate.pipeline import run


def prepared(source: dict[str, Any], transforms: list[dict[str, Any]]) -> Dataset:
    stage = {"uses": "preprocess", "with": {"source": source, "transforms": transforms}}
    return Dataset(run({"version": 1, "name": "p", "stages": {"prepare": stage}}).stages["prepare"])


def save(path: str, height: int, width: int, value: int = 90, mode: str = "RGB") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Pillow.new(mode, (width, height), value if mode == "L" else (value, 0, 9)).save(path)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("transforms", "size"),
    [
        ([{"uses": "resize", "size": 48}], (48, 48)),
        ([{"uses": "resize-shorter", "size": 30}], (30, 60)),
        ([{"uses": "center-crop", "size": 20}], (20, 20)),
        ([{"uses": "resize-shorter", "size": 40}, {"uses": "modcrop", "multiple": 16}], (32, 80)),
    ],
)
def test_transforms_make_a_pair_equal(transforms: list[dict[str, Any]], size: tuple[int, int]) -> None:
    for number in range(2):
        save(f"a/{number}.png", 32, 64, 10)
        save(f"b/{number}.png", 64, 128, 200)
    dataset = prepared({"uses": "pairs", "a": "a", "b": "b"}, transforms)
    for side, value in (("input", 10), ("target", 200)):
        image = dataset.array("train", side, "1")
        assert image.shape[:2] == size and (image[..., 0] == value).all()


def test_a_label_map_of_another_size_keeps_its_values() -> None:
    save("i/1.png", 64, 64)
    Path("m").mkdir()
    values = np.repeat(np.arange(4, dtype=np.uint8) % 3, 8)[:, None] * np.ones((1, 32), np.uint8)
    Pillow.fromarray(values).save("m/1.png")
    source = {"uses": "labelled", "images": "i", "labels": "m", "classes": ["a", "b", "c"]}
    label = prepared(source, [{"uses": "resize", "size": 64}]).array("train", "label", "1")[..., 0]
    assert np.array_equal(label[::2, ::2], values)


@pytest.mark.parametrize(
    ("transforms", "says"),
    [
        ([], r"a pair of two sizes: a/1.png \(64 x 32\) and b/1.png \(30 x 60\); add a resize to `transforms`"),
        (
            [{"uses": "resize-shorter", "size": 30}],
            r"a/1.png \(64 x 32, 60 x 30 after the transforms\) and b/1.png \(30 x 60, 30 x 60 after the transforms\)",
        ),
    ],
)
def test_what_stays_unequal_is_told_with_the_way_out(transforms: list[dict[str, Any]], says: str) -> None:
    save("a/1.png", 32, 64)
    save("b/1.png", 60, 30)
    with pytest.raises(StageError, match=says):
        prepared({"uses": "pairs", "a": "a", "b": "b"}, transforms)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3, 7])
def test_enlarged_images_are_bicubic_in_their_own_type(dtype: Any, bands: int) -> None:
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    y, x = np.mgrid[:12, :10]
    image = (np.dstack([(2 * x + 3 * y + band) / 60 for band in range(bands)]) * top).astype(dtype)
    large = enlarged(image, 3)
    assert large.shape == (36, 30, bands) and large.dtype == dtype
    # Away from the edges a bicubic enlargement of a ramp is the ramp; pixel centres lie at (3 k + 1).
    error = np.abs(large[7:-7:3, 7:-7:3].astype(float) - image[2:-2, 2:-2][: large[7:-7:3].shape[0]].astype(float))
    assert error.max() <= max(1e-5 * top, 1 if dtype != np.float32 else 1e-5)


def test_real_pairs_of_low_and_high_resolution() -> None:
    for number in range(3):
        save(f"lr/{number}x4.png", 10 + number, 15, 60)
        save(f"hr/{number}.png", 4 * (10 + number), 60, 200)
    source = {"uses": "pairs", "a": "lr/*x4", "b": "hr", "scale": 4}
    dataset = prepared(source, [])
    assert dataset.array("train", "input", "2").shape == dataset.array("train", "target", "2").shape == (48, 60, 3)
    assert (dataset.array("train", "input", "2")[..., 0] == 60).all()
    with pytest.raises(StageError, match=r"lr/0x4.png \(enlarged 2 times\) \(30 x 20\) and hr/0.png \(60 x 40\)"):
        prepared({**source, "scale": 2}, [])
