"""What a checkpoint holds: all that the next steps depend on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from training_batches import random_batches
from translate_cyclegan import CycleGAN
from translate_pix2pix import Pix2Pix

from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.saving import checkpoint
from translate.training.saving.state import TrainingState

SPECTRAL = {"uses": "patchgan", "filters": 4, "layers": 1, "spectral": True}
RESNET = {"uses": "resnet", "blocks": 1, "filters": 4, "dropout": True}
UNET = {"uses": "unet", "levels": 5, "filters": 4}
NOISY = {"uses": "lsgan", "noise": 0.1, "noise_steps": 20, "r1": 1.0, "lazy": 2}
CASES = {
    "pool, spectral norm, dropout, noise": (
        CycleGAN,
        {"generator": RESNET, "discriminator": SPECTRAL, "objective": NOISY, "pool": 2},
        {},
    ),
    "wgan with rmsprop": (
        Pix2Pix,
        {"generator": UNET, "discriminator": {**SPECTRAL, "spectral": False}, "objective": "wgan"},
        {"optimizer": {"uses": "rmsprop", "lr": 5e-5, "momentum": 0.5}},
    ),
    "sgd without momentum, a schedule by updates": (
        Pix2Pix,
        {"generator": UNET, "discriminator": SPECTRAL, "objective": "wgan-gp", "norm": "instance"},
        {
            "optimizer": {"uses": "sgd", "lr": 0.01},
            "schedule": {"uses": "linear-decay", "start": 2, "unit": "updates"},
            "clip": 1.0,
        },
    ),
}


def started(engine: Engine) -> TrainingState:
    names = {n for d in engine.method.directions.values() for n in d.nets}
    return TrainingState(engine, Averages(engine, names, 0.9))


def play(state: TrainingState, batches: Any) -> list[dict[str, float]]:
    losses = []
    for pair in zip(batches[::2], batches[1::2], strict=True):
        state.engine.step(pair, state.step)
        state.averages.update()
        losses.append(state.engine.read_meters() if state.step != 3 else {})  # a save between two log steps
    return losses


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_that_the_next_steps_depend_on_is_in_a_checkpoint(
    make_engine: Any, one_thread: None, tmp_path: Path, case: str, fast: bool
) -> None:
    cls, options, config = CASES[case]
    sides = ("a", "b") if cls is CycleGAN else ("input", "target")
    batches = random_batches(sides, 12)
    whole = started(make_engine(cls, options, fast=fast, **config))
    expected = play(whole, batches)

    first = started(make_engine(cls, options, fast=fast, **config))
    play(first, batches[:6])
    first.history.add(3, {"val/l1": 1.0})
    folder = checkpoint.save(tmp_path, first)
    other = copy.deepcopy(dict(first.engine.nets))
    for module in other.values():
        for value in module.state_dict().values():
            value.zero_()
    rest = started(make_engine(cls, options, fast=fast, nets=other, **config))
    torch.manual_seed(123)
    checkpoint.restore(folder, rest)
    assert rest.history == first.history
    assert play(rest, batches[6:]) == expected[3:]
    for mine, theirs in ((rest.engine.nets, whole.engine.nets), (rest.averages.nets, whole.averages.nets)):
        for name, net in theirs.items():
            entries = mine[name].state_dict()
            assert all(torch.equal(entries[key], value) for key, value in net.state_dict().items()), name
