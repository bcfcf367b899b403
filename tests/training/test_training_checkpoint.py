"""What a checkpoint holds: all that the next steps depend on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from training_batches import random_batches
from translate_cyclegan import CycleGAN
from translate_pix2pix import Pix2Pix

from translate.training import checkpoint
from translate.training.engine import Engine

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


def averages(engine: Engine) -> dict[str, AveragedModel]:
    names = {n for d in engine.method.directions.values() for n in d.nets}
    rule = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    return {n: AveragedModel(engine.nets[n], multi_avg_fn=rule) for n in sorted(names)}


def play(engine: Engine, ema: dict[str, AveragedModel], batches: Any) -> list[dict[str, float]]:
    losses = []
    for pair in zip(batches[::2], batches[1::2], strict=True):
        engine.step(pair, engine.index)
        for name, average in ema.items():
            average.update_parameters(engine.nets[name])
        losses.append(engine.read_meters() if engine.index != 3 else {})  # a save between two log steps
    return losses


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_that_the_next_steps_depend_on_is_in_a_checkpoint(
    make_engine: Any, one_thread: None, tmp_path: Path, case: str, fast: bool
) -> None:
    cls, options, config = CASES[case]
    sides = ("a", "b") if cls is CycleGAN else ("input", "target")
    batches = random_batches(sides, 12)
    whole = make_engine(cls, options, fast=fast, **config)
    whole_ema = averages(whole)
    expected = play(whole, whole_ema, batches)

    first = make_engine(cls, options, fast=fast, **config)
    ema = averages(first)
    play(first, ema, batches[:6])
    folder = checkpoint.save(tmp_path, first, ema, {"kept": 1})
    other = copy.deepcopy(dict(first.nets))
    for module in other.values():
        for value in module.state_dict().values():
            value.zero_()
    rest = make_engine(cls, options, fast=fast, nets=other, **config)
    ema = averages(rest)
    torch.manual_seed(123)
    assert checkpoint.restore(folder, rest, ema) == {"kept": 1}
    assert play(rest, ema, batches[6:]) == expected[3:]
    for name, net in [*whole.nets.items(), *whole_ema.items()]:
        mine = (ema if isinstance(net, AveragedModel) else rest.nets)[name].state_dict()
        assert all(torch.equal(mine[key], value) for key, value in net.state_dict().items()), name
