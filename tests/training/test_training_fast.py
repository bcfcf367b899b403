"""`fast`: what a pipeline may say, what an engine computes with, and what a resumed training does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from duel import data, facts, stop_at, train, weights
from pydantic import ValidationError
from training_batches import random_batches
from translate_cyclegan import CycleGAN

from translate.errors import Stopped
from translate.training.config import TrainConfig
from translate.training.fast.choice import Choice
from translate.training.fast.variant import Variant

__all__ = ["data", "train"]

FIXED = {"memory_format": "channels_last", "merge": False, "fused": False}


def choice(**options: Any) -> Choice:
    return Choice.of(TrainConfig.model_validate({"method": "pix2pix", **options}), "cpu")


def test_options_name_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choice(fast="off").variant == Variant()
    assert choice(fast="off", precision="bf16").variant == Variant("bf16")
    auto = choice()
    assert auto.variant == Variant("bf16", merge=True, fused=True) and not auto.settled
    fixed = choice(fast={**FIXED, "threads": 1}, precision="fp32")
    assert fixed.variant == Variant("fp32", "channels_last", threads=1) and fixed.settled
    for wrong in ("on", {"layers": "slow"}, {"threads": 0}, {"merged": True}):
        with pytest.raises(ValidationError):
            choice(fast=wrong)


def test_a_checkpoint_decides_unless_the_pipeline_does() -> None:
    saved = {**Variant("bf16", "channels_last", merge=True).to_json(), "settled": True, "of a later version": 1}
    auto = choice(precision="auto")
    auto.restore(saved)
    assert auto.variant == Variant("bf16", "channels_last", merge=True) and auto.settled and not auto.note()
    precise = choice(precision="fp32")
    precise.restore(saved)
    assert precise.variant == Variant("fp32", "channels_last", merge=True) and "so far in bf16" in precise.note()
    fixed = choice(fast={}, precision="bf16")
    fixed.restore(saved)
    assert fixed.variant == Variant("bf16", merge=True, fused=True) and "fused" in fixed.note()
    old = choice(precision="fp32")
    old.restore(None)  # a checkpoint of a version that knew one variant
    assert old.variant == Variant("fp32", merge=True, fused=True) and old.settled and not old.note()


def test_channels_last_is_the_order_of_weights_images_and_moments(make_engine: Any) -> None:
    small = {"generator": {"uses": "resnet", "blocks": 1, "filters": 4}, "discriminator": "pixel", "pool": 2}
    engine = make_engine(CycleGAN, small)
    (batch,) = random_batches(("a", "b"), 1)
    engine.step([batch], 0)
    before = {key: value.clone() for key, value in engine.nets.G_ab.state_dict().items()}
    engine.choice = Choice(Variant(memory_format="channels_last"))
    engine.apply_choice()
    assert all(torch.equal(value, before[key]) for key, value in engine.nets.G_ab.state_dict().items())
    seen = []
    engine.nets.G_ab.register_forward_pre_hook(lambda net, given: seen.append(given[0]))
    engine.step([batch], 0)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    for player in engine.players.values():
        for param, slots in player.optimizer.state.items():
            assert param.ndim < 4 or param.is_contiguous(memory_format=torch.channels_last)
            assert slots["exp_avg"].stride() == param.stride()


def test_a_resumed_training_computes_as_before_and_says_where_it_does_not(train: Any) -> None:
    with pytest.raises(Stopped):
        train(max_steps=4, fast=FIXED, emit=stop_at(2))
    context, _ = train(max_steps=4)  # `fast: auto` takes what the checkpoint says
    state = json.loads((context.folder / "checkpoints" / "000000004" / "state.json").read_text())
    assert state["fast"] == {**Variant("fp32", "channels_last").to_json(), "settled": True}
    assert "so far" not in context.console.said()
    whole, _ = train("whole", max_steps=4, fast=FIXED)
    assert weights(context) == weights(whole) and facts(context)["step"] == 4
    with pytest.raises(Stopped):
        train("other", max_steps=4, fast=FIXED, emit=stop_at(2))
    other, _ = train("other", max_steps=4, fast="off")
    assert "from here on, so far in fp32, channels-last" in other.console.said()


@pytest.mark.parametrize(("capability", "goes_on"), [((8, 0), "bf16"), ((7, 5), "fp16")])
def test_a_precision_of_a_checkpoint_that_the_device_has_not_is_its_own(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], goes_on: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    restored = Choice.of(TrainConfig(method="cyclegan"), "cuda:0")
    restored.restore({**Variant("bf16", tf32=True).to_json(), "settled": True})
    assert restored.variant == Variant(goes_on, tf32=True)
    assert ("so far in bf16" in restored.note()) == (goes_on != "bf16")
