"""Batches are a function of (seed, step): no start, no worker, no global state changes them."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from data_images import picture

from translate.contracts import NoOptions, Transform
from translate.data.dataset import Dataset, write_index
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Batch, Samples, to_device
from translate.data.transforms import HorizontalFlip, RandomCrop
from translate.errors import DataError
from translate.imaging.io import write

AUGMENT = [RandomCrop(RandomCrop.Config(size=8)), HorizontalFlip(HorizontalFlip.Config())]


def prepared(folder: Path, kind: Any, counts: dict[str, int], dtype: Any = np.uint8, **facts: Any) -> Dataset:
    """A dataset whose image number i of a side has i in its first pixel."""
    keys: dict[str, list[str]] = {}
    for side, count in counts.items():
        keys[side] = [f"k{number:03d}" for number in range(count)]
        for number, key in enumerate(keys[side]):
            array = picture(12, 12, 1 if side == "label" else 3, dtype, seed=number)
            array[0, 0, 0] = number
            path = folder / "train" / side / f"{key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, array, compression=1)
    channels = {side: 1 if side == "label" else 3 for side in counts}
    stated = {"kind": kind, "splits": ["train"], "pairs": [], "classes": [], "palette": [], "channels": channels}
    write_index(folder, stated | facts, {"train": keys}, {"train": [[12, 12], [12, 12]]})
    return Dataset(folder)


def batches(loader: Loader, count: int) -> list[Batch]:
    found = list(islice(loader, count))
    loader.close()
    return found


def same(one: Batch, other: Batch) -> bool:
    tensors = all(torch.equal(one.images[s], other.images[s]) for s in one.images)
    return tensors and (one.step, one.epoch, one.keys) == (other.step, other.epoch, other.keys)


@pytest.mark.parametrize(("kind", "counts"), [("unpaired", {"a": 5, "b": 7}), ("paired", {"input": 6, "target": 6})])
def test_any_start_and_any_number_of_workers_give_the_same_batches(
    kind: str, counts: dict[str, int], tmp_path: Path
) -> None:
    dataset = prepared(tmp_path, kind, counts)
    whole = batches(Loader(Samples(dataset, "train", AUGMENT, 2, 9), 0), 12)
    for start, workers in ((0, 2), (5, 0), (5, 1), (11, 3)):
        torch.manual_seed(start)
        part = batches(Loader(Samples(dataset, "train", AUGMENT, 2, 9), workers, start), 12 - start)
        assert len(part) == 12 - start and all(map(same, part, whole[start:]))
    other = batches(Loader(Samples(dataset, "train", AUGMENT, 2, 10), 0), 12)
    assert not any(map(same, other, whole))


def test_global_random_state_is_left_alone(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 3, "b": 3})
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    batches(Loader(Samples(dataset, "train", AUGMENT, 1, 0), 2), 4)
    batches(Loader(Samples(dataset, "train", AUGMENT, 1, 0), 0), 4)
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])


def test_unpaired_sides_use_each_image_equally_and_shuffle_apart(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 4, "b": 6})
    loader = Loader(Samples(dataset, "train", [], 2, 1), 0)
    assert loader.steps_per_epoch == 3
    seen = batches(loader, 12)  # 24 draws: 6 rounds of a, 4 of b
    for side, times in (("a", 6), ("b", 4)):
        order = [key for batch in seen for key in batch.keys[side]]
        assert Counter(order) == dict.fromkeys(dataset.keys("train", side), times)
        size = len(dataset.keys("train", side))
        rounds = [tuple(order[i : i + size]) for i in range(0, 24, size)]
        assert all(len(set(r)) == size for r in rounds) and len(set(rounds)) > 1
    assert [batch.epoch for batch in seen] == [s // 3 for s in range(12)]
    met = {(a, b) for batch in seen for a, b in zip(batch.keys["a"], batch.keys["b"], strict=True)}
    assert len(met) > 6  # a does not keep its partner


def test_unpaired_sides_are_augmented_apart_and_paired_ones_together(tmp_path: Path) -> None:
    flip = [HorizontalFlip(HorizontalFlip.Config())]

    def flips(kind: str, sides: tuple[str, str]) -> list[tuple[bool, bool]]:
        dataset = prepared(tmp_path / kind, kind, dict.fromkeys(sides, 1))
        plain = {
            side: torch.from_numpy(dataset.array("train", side, "k000").transpose(2, 0, 1).copy()) for side in sides
        }
        seen = batches(Loader(Samples(dataset, "train", flip, 1, 0), 0), 40)
        return [tuple(not torch.equal(b.images[s][0], plain[s]) for s in sides) for b in seen]  # type: ignore[misc]

    assert all(a == b for a, b in flips("paired", ("input", "target")))
    assert set(flips("unpaired", ("a", "b"))) == {(False, False), (False, True), (True, False), (True, True)}


def test_a_batch_larger_than_the_data_wraps(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 2, "b": 3})
    loader = Loader(Samples(dataset, "train", [], 5, 0), 0)
    assert loader.steps_per_epoch == 1
    (batch,) = batches(loader, 1)
    assert batch.images["a"].shape == (5, 3, 12, 12) and set(Counter(batch.keys["a"]).values()) == {2, 3}


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_images_reach_the_network_in_minus_one_to_one(dtype: Any, top: int, tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 2, "b": 2}, dtype)
    (batch,) = batches(Loader(Samples(dataset, "train", [], 2, 0), 0), 1)
    assert batch.images["a"].dtype == (torch.uint8 if dtype == np.uint8 else torch.int32)
    ready = to_device(batch, "cpu")["a"]
    for row, key in zip(ready, batch.keys["a"], strict=True):
        expected = dataset.array("train", "a", key).transpose(2, 0, 1).astype(np.float64) / top * 2 - 1
        assert np.abs(row.numpy() - expected).max() < 1e-6
        assert torch.equal(row, dataset.tensor("train", "a", key))
    assert ready.dtype == torch.float32


def test_labels_stay_whole_numbers(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "labelled", {"image": 3, "label": 3})
    (batch,) = batches(Loader(Samples(dataset, "train", AUGMENT, 2, 0), 0), 1)
    assert batch.images["label"].shape == (2, 8, 8) and to_device(batch, "cpu")["label"].dtype == torch.int64
    assert dataset.tensor("train", "label", "k001").shape == (12, 12)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_clear_error(workers: int, tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 1, "b": 1})
    dataset.path("train", "a", "k000").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"^[^\n]*k000.png: truncated PNG[^\n]*$"):
        batches(Loader(Samples(dataset, "train", [], 1, 0), workers), 1)


def test_images_of_two_sizes_are_refused_in_a_batch_and_before(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 2, "b": 2})
    write(dataset.path("train", "a", "k001"), picture(9, 12))
    with pytest.raises(DataError, match=r"k00\d.png cannot share a batch: .*; add a `resize`"):
        batches(Loader(Samples(dataset, "train", [], 2, 0), 0), 1)


def test_the_size_of_a_batch_is_known_before_training(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "unpaired", {"a": 2, "b": 2})
    assert dataset.batch_size_of() == (12, 12) and dataset.batch_size_of(AUGMENT) == (8, 8)
    with pytest.raises(DataError, match="12 x 12 pixels is smaller than the crop of 13 x 13"):
        dataset.batch_size_of([RandomCrop(RandomCrop.Config(size=13))])
    write_index(tmp_path, dataset.facts.to_json(), {"train": {"a": ["x"], "b": ["y"]}}, {"train": [[9, 12], [12, 14]]})
    dataset = Dataset(tmp_path)
    with pytest.raises(DataError, match=r"images of 'train' differ in size \(12 x 9 to 14 x 12\)"):
        dataset.batch_size_of()
    assert dataset.batch_size_of(AUGMENT) == (8, 8)
    assert dataset.spec((8, 8)).size == (8, 8) and dataset.spec((8, 8)).channels == {"a": 3, "b": 3}


def test_errors_of_a_dataset_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared dataset"):
        Dataset(tmp_path)
    dataset = prepared(tmp_path, "unpaired", {"a": 2, "b": 2})
    with pytest.raises(DataError, match="no split 'tests'; there are train"):
        dataset.keys("tests", "a")
    with pytest.raises(DataError, match="no side 'c'; there are a, b"):
        dataset.keys("train", "c")
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match=r"dataset.json: cannot be read"):
        Dataset(tmp_path)


ITERATING = """
import sys, time
from pathlib import Path
from translate.data.dataset import Dataset
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Samples
loader = Loader(Samples(Dataset(Path(sys.argv[1])), "train", [], 2, 0), 2)
loader.workers = 2  # also where there is one core
batches = iter(loader)
next(batches)
print("iterates", flush=True)
time.sleep(600)
"""


def test_workers_end_at_once_when_their_parent_is_killed(tmp_path: Path) -> None:
    prepared(tmp_path, "paired", {"input": 6, "target": 6})
    with subprocess.Popen([sys.executable, "-c", ITERATING, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"iterates\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) >= 2
        parent.kill()
        killed = time.monotonic()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
        assert time.monotonic() - killed < 60, "until then they decode beside the training that is started again"


class Slow(Transform[NoOptions]):
    """A transform that imports a library when it is first used, as the built-in ones import albumentations."""

    name = "slow"

    def __call__(self, images: dict[str, Any], seed: int) -> dict[str, Any]:
        import slow_library  # type: ignore[import-not-found]

        assert slow_library.READY
        return images


@pytest.mark.timeout(250)
def test_workers_start_while_another_thread_imports_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(1.5)\nREADY = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    dataset = prepared(tmp_path / "data", "unpaired", {"a": 4, "b": 4})
    importing = threading.Thread(target=importlib.import_module, args=("slow_library",))
    importing.start()
    time.sleep(0.3)
    loader = Loader(Samples(dataset, "train", [Slow(NoOptions())], 1, 0), 1)
    assert len(batches(loader, 2)) == 2
    importing.join()
    del sys.modules["slow_library"]
