"""Who a process is, which part of the data it takes, and which device."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from data_prepared import prepare

from translate import ConfigError
from translate.data.loading.samples import Samples
from translate.device import resolve
from translate.distributed.place import ALONE, Place, place
from translate.distributed.world import LostError, World
from translate.errors import Stopped
from translate.pipeline.devices.together import one_voice


def set_environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_a_place_is_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    assert place() == ALONE and ALONE.leads and not ALONE.shared
    # of a scheduler that sets some of them for its own ends
    set_environment(monkeypatch, RANK="1", WORLD_SIZE="4")
    assert place() == ALONE
    meeting = {"MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    set_environment(monkeypatch, RANK="5", WORLD_SIZE="8", LOCAL_RANK="1", LOCAL_WORLD_SIZE="4", **meeting)
    assert place() == Place(5, 8, 1, 4) and place().shared and not place().leads
    set_environment(monkeypatch, RANK="8", WORLD_SIZE="8", **meeting)
    with pytest.raises(ConfigError, match=r"RANK 8 of WORLD_SIZE 8.*start the processes with torchrun"):
        place()
    set_environment(monkeypatch, RANK="first", WORLD_SIZE="8", **meeting)
    with pytest.raises(ConfigError, match="RANK is 'first', which is no number"):
        place()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert [resolve("auto", Place(rank, 8, rank % 4, 4)) for rank in (1, 6)] == ["cuda:1", "cuda:2"]
    assert chosen == [1, 2]
    assert resolve("cpu", Place(1, 2, 1, 2)) == "cpu" and resolve("cuda:1") == "cuda:1"
    with pytest.raises(ConfigError, match="8 processes run on this machine, which has 4 GPUs"):
        resolve("cuda", Place(1, 8, 1, 8))
    with pytest.raises(ConfigError, match="--device cuda:1 is one device, and 2 processes run"):
        resolve("cuda:1", Place(1, 2, 1, 2))


def test_a_process_alone_loads_nothing_for_it() -> None:
    code = "import sys, translate.pipeline, translate.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("images", [7, 12])
def test_the_parts_of_a_batch_are_the_batch(tmp_path: Path, images: int) -> None:
    source = {"uses": "generated-maps", "kind": "unpaired", "size": 16, "train": images, "val": 1, "test": 1}
    dataset = prepare(tmp_path / "data", {"source": source})
    joined = Samples(dataset, "train", [], 4, seed=5)
    parts = [Samples(dataset, "train", [], 2, seed=5, part=(number, 2)) for number in (0, 1)]
    assert {part.steps_per_epoch for part in parts} == {joined.steps_per_epoch}
    for step in (0, 1, 2, 9):
        whole, shares = joined[step], [part[step] for part in parts]
        assert all(share.epoch == whole.epoch for share in shares)
        for side, pixels in whole.images.items():
            assert torch.cat([share.images[side] for share in shares]).equal(pixels)
            assert [key for share in shares for key in share.keys[side]] == whole.keys[side]


def test_a_process_that_has_lost_another_one_says_so_although_it_is_asked_to_stop_while_it_ends() -> None:
    with pytest.raises(LostError, match="gone"), one_voice(World()):
        try:
            raise LostError("gone")
        finally:
            raise Stopped(75)
    with pytest.raises(Stopped), one_voice(World()):
        raise Stopped(75)


@pytest.mark.parametrize(("works", "alike"), [(("a", "a"), True), (("a", "b"), False)])
def test_processes_find_out_whether_all_have_failed(
    monkeypatch: pytest.MonkeyPatch, works: tuple[str, str], alike: bool
) -> None:
    monkeypatch.setattr("translate.distributed.world._ALIKE", 5.0 if alike else 0.2)
    store = torch.distributed.HashStore()
    worlds = [World(Place(rank, 2, rank, 2), store) for rank in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(World.all_failed, worlds, works)] == [alike, alike]
    assert World().all_failed("a")
