"""Room on the disk is compared with what a training will leave, before its first step."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from duel import Train
from torch import nn

from translate.errors import StageError
from translate.training.length import Length
from translate.training.saving import checkpoint, room
from translate.training.saving.state import TrainingState
from translate.training.trainer import Trainer

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], float]] = {
    "adam": (torch.optim.Adam, {}, 2),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}, 3),
    "sgd": (torch.optim.SGD, {"lr": 0.1}, 0),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, 1),
    "rmsprop": (torch.optim.RMSprop, {"centered": True, "momentum": 0.5}, 3),
    "needs a closure": (torch.optim.LBFGS, {}, 2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_an_optimizer_will_keep_is_known_before_its_first_step(name: str) -> None:
    kind, options, slots = OPTIMIZERS[name]
    assert room._slots(kind([nn.Parameter(torch.ones(3, 5))], **options)) == slots


@pytest.mark.parametrize("ema", [None, 0.9])
def test_the_size_of_a_checkpoint_before_the_first_step_is_that_of_the_file(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ema: float | None
) -> None:
    needs: list[room.Need] = []

    def note(folder: Path, need: room.Need, console: Any) -> None:
        needs.append(need)

    monkeypatch.setattr(room, "check_room", note)
    context, _ = train(epochs=1, ema=ema, keep={"last": 1})
    tensors = context.folder / "checkpoints" / "000000010" / checkpoint.TENSORS
    header = int.from_bytes(tensors.read_bytes()[:8], "little")
    content = json.loads(tensors.read_bytes()[8 : 8 + header])
    # beside these, an optimizer has a counter of four bytes for each parameter
    counters = sum(4 for key in content if key.startswith("opt/") and key.endswith("/step"))
    sums = sum(ends[1] - ends[0] for key, ends in offsets(content) if key.startswith(("meter/", "ring/")))
    (need,) = needs
    assert need.count == 2
    assert need.checkpoint == tensors.stat().st_size - 8 - header - counters - sums
    model = context.folder / "translator" / "model.safetensors"
    assert 0 < need.bundle <= model.stat().st_size


def offsets(content: dict[str, Any]) -> list[tuple[str, list[int]]]:
    return [(key, entry["data_offsets"]) for key, entry in content.items() if key != "__metadata__"]


@pytest.mark.parametrize(
    ("keep", "there", "count"),
    [
        ({}, 0, 3),
        ({"last": 1, "best": ["l1", "swd"]}, 0, 4),
        ({"last": 1, "every": {"steps": 3}}, 0, 5),
        ({"last": 1}, 1, 1),
        ({"last": 1}, 7, 1),
    ],
)
def test_checkpoints_that_stay_are_counted_with_the_one_that_is_written(
    make_engine: Any, keep: dict[str, Any], there: int, count: int
) -> None:
    from translate_pix2pix import Pix2Pix

    from translate.training.config import TrainConfig

    options = {"generator": {"uses": "unet", "levels": 5, "filters": 4}}
    state = TrainingState(make_engine(Pix2Pix, options))
    config = TrainConfig.model_validate({"method": "pix2pix", "max_steps": 10, "keep": keep})
    assert room.need_of(state, Length.of(config, 10), config.keep, there).count == count


def test_a_disk_that_is_too_small_ends_the_training_before_its_first_step_with_all_figures(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps: list[Any] = []
    monkeypatch.setattr(Trainer, "_step", lambda self, group: steps.append(group))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1_000))
    with pytest.raises(StageError) as caught:
        train()
    assert not steps
    message = str(caught.value)
    assert f"and 0.0 MB are free in {tmp_path / 'out'}: make room there" in message
    assert "3 checkpoints of 0.0 MB" in message and "keep: {last: 1}" in message


def test_a_disk_that_gets_tight_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    console: Any = SimpleNamespace(warn=warned.append)
    need = room.Need(3_000_000_000, 3, 400_000)
    for free, warnings in ((12e9, 0), (10e9, 1)):
        monkeypatch.setattr("shutil.disk_usage", lambda folder, free=free: SimpleNamespace(free=int(free)))
        room.check_room(tmp_path, need, console)
        assert len(warned) == warnings
    assert "about 9.0 GB are needed (3 checkpoints of 3.0 GB" in warned[0] and "10.0 GB are free" in warned[0]
