"""Large images are cut into tiles: every pixel is in one, labels stay with their images, and splits are not crossed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from translate.data.dataset import Dataset
from translate.data.tiles import starts, windows
from translate.pipeline import run


@pytest.mark.parametrize(("length", "tile"), [(5000, 512), (512, 512), (513, 512), (100, 512), (1024, 512)])
def test_tiles_cover_an_axis(length: int, tile: int) -> None:
    covered = np.zeros(length, int)
    for start in starts(length, tile):
        covered[start : start + tile] += 1
        assert start >= 0 and (start + tile <= length or length < tile)
    assert covered.min() >= 1 and len(starts(length, tile)) == max(1, -(-length // tile))


def test_an_image_that_is_small_keeps_its_name() -> None:
    assert [key for key, _ in windows("a/b", (64, 30), 64)] == ["a/b"]
    assert [key for key, _ in windows("a/b", (64, 65), 64)] == ["a/b/00000-00000", "a/b/00000-00001"]


def test_tiles_of_pairs_and_of_label_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    scenes = {f"s{number}": rng.integers(0, 3, (70, 100)).astype(np.uint8) for number in range(4)}
    for name, labels in scenes.items():
        for folder, array in (("i", np.dstack([labels * 80] * 3)), ("m", labels)):
            Path(folder).mkdir(exist_ok=True)
            Pillow.fromarray(array).save(f"{folder}/{name}.png")
    source = {"uses": "labelled", "images": "i", "labels": "m", "classes": ["a", "b", "c"]}
    options: dict[str, Any] = {"source": source, "split": {"val": 0.25}, "tiles": 48}
    stages = {"prepare": {"uses": "preprocess", "with": options}}
    result = run({"version": 1, "name": "t", "stages": stages})
    dataset = Dataset(result.stages["prepare"])
    keys = {split: dataset.keys(split, "image") for split in ("train", "val")}
    assert len(keys["train"]) == 3 * 6 and len(keys["val"]) == 6
    assert not {key.split("/")[0] for key in keys["train"]} & {key.split("/")[0] for key in keys["val"]}
    rebuilt = {name: np.full((70, 100), 99, np.uint8) for name in scenes}
    for split, of_split in keys.items():
        for key in of_split:
            image, labels = dataset.array(split, "image", key), dataset.array(split, "label", key)[..., 0]
            assert image.shape == (48, 48, 3) and np.array_equal(image[..., 0], labels * 80)
            name, place = key.split("/")
            top, left = map(int, place.split("-"))
            rebuilt[name][top : top + 48, left : left + 48] = labels
    assert all(np.array_equal(rebuilt[name], scenes[name]) for name in scenes)
