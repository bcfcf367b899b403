"""The trial of `fast: auto`: what it chooses, when it is made, and that it leaves no trace."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from duel import data, stop_at, train, weights

from translate.distributed.world import World
from translate.errors import StageError, Stopped
from translate.storage.tensor_files import load_tensors
from translate.training.fast import tuner
from translate.training.fast.variant import Variant

__all__ = ["data", "train"]

PLAIN = Variant("fp32", merge=True, fused=True)
QUICK = Variant("fp32", merge=True, fused=True, layers="quick")
LAST = Variant("fp32", "channels_last", merge=True, fused=True, layers="quick")
SMALL = {
    "method": "cyclegan",
    "options": {
        "generator": {"uses": "resnet", "blocks": 1, "filters": 4},
        "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
        "pool": 2,
    },
    "critic_augment": {"p": 0.5},
    "ema": {"decay": 0.9, "warmup": True},
    "device_augment": [{"uses": "kornia/RandomHorizontalFlip", "p": 0.5}],
    "max_steps": 4,
}

Clock = Callable[[Variant], float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Clock], list[Variant]]:
    """Lets trials happen at any length, and steps last as long as a test says. Returns the steps that were tried."""

    def set_clock(seconds: Clock) -> list[Variant]:
        tried: list[Variant] = []

        def measured(engine: Any, batches: Any, epoch: int) -> float:
            engine.step(batches, epoch)
            tried.append(engine.choice.variant)
            return seconds(engine.choice.variant)

        monkeypatch.setattr(tuner, "LEAST_STEPS", 1)
        monkeypatch.setattr(tuner, "measured", measured)
        monkeypatch.setattr(tuner, "SHARE", 1e6)
        return tried

    return set_clock


def saved(context: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last checkpoint: tensors, and the rest without what says how the choice came about."""
    folder: Path = max((context.folder / "checkpoints").iterdir())
    return load_tensors(folder / "tensors.safetensors"), json.loads((folder / "state.json").read_text())


@pytest.mark.parametrize(
    ("winner", "fixed"),
    [(PLAIN, {}), (LAST, {"layers": "quick", "memory_format": "channels_last"})],
    ids=["plain", "quick"],
)
def test_a_training_with_a_trial_is_that_with_its_choice_fixed(
    train: Any, clock: Any, winner: Variant, fixed: dict[str, Any]
) -> None:
    tried = clock(lambda variant: 100.0 if variant == winner else 200.0)
    chosen, curves = train("chosen", **SMALL)
    assert {PLAIN, QUICK, LAST} <= {*tried}
    told, curves_of_fixed = train("fixed", **SMALL, fast=fixed)
    (mine, state), (theirs, other) = saved(chosen), saved(told)
    assert state == other and Variant.from_json(state["fast"]) == winner and state["fast"]["settled"]
    assert mine.keys() == theirs.keys() and all(mine[name].equal(theirs[name]) for name in mine)
    assert weights(chosen) == weights(told)
    losses = {key for key in curves.curves if not any(word in key[0] for word in ("second", "wait", "peak"))}
    assert {key: curves.curves[key] for key in losses} == {key: curves_of_fixed.curves[key] for key in losses}
    assert ("times as fast" in chosen.console.said()) == (winner != PLAIN)


def test_the_plain_way_stays_unless_another_one_is_clearly_faster(train: Any, clock: Any) -> None:
    clock(lambda variant: 100.0 if variant == PLAIN else 97.0)
    context, _ = train(max_steps=2)
    assert Variant.from_json(saved(context)[1]["fast"]) == PLAIN
    assert f"steps in {PLAIN}: no other way was clearly faster (tried for " in context.console.said()


def test_short_trainings_have_no_trial(train: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = clock(lambda variant: 1.0)
    train("soon", max_steps=2)
    assert tried == [PLAIN, PLAIN]  # two steps of a second: too little to gain
    monkeypatch.setattr(tuner, "LEAST_STEPS", 300)
    context, _ = train("few", max_steps=2)
    assert len(tried) == 2
    assert saved(context)[1]["fast"]["settled"]  # a training that goes on computes as it began


def test_a_way_that_breaks_is_left_out(train: Any, clock: Any) -> None:
    def seconds(variant: Variant) -> float:
        if variant.layers == "quick":
            raise RuntimeError("not enough memory")
        return 100.0

    clock(seconds)
    context, _ = train(max_steps=2)
    assert Variant.from_json(saved(context)[1]["fast"]) == PLAIN


def test_a_way_that_breaks_in_one_process_alone_is_an_error(
    train: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for it in a call of all."""

    def seconds(variant: Variant) -> float:
        if variant.layers == "quick":
            raise RuntimeError("not enough memory\nand more")
        return 100.0

    clock(seconds)
    monkeypatch.setattr(World, "all_failed", lambda self, work: False)
    with pytest.raises(StageError, match=r"quick layers, .* failed in one process alone \(not enough memory\)"):
        train(max_steps=2)


def test_a_trial_keeps_its_budget(train: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = clock(lambda variant: 100.0)
    monkeypatch.setattr(tuner, "SHARE", 0.02)
    train(max_steps=4)  # 400 s, of which 8 s are no step
    assert tried == [PLAIN, PLAIN]


def test_a_step_that_was_held_up_makes_no_longer_trial(train: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((100.0, 1000.0))
    tried = clock(lambda variant: next(seconds))
    monkeypatch.setattr(tuner, "SHARE", 1.5)
    train(max_steps=4)  # 600 s by the first step, which four as long as the second do not fit into; 6,000 by the second
    assert tried == [PLAIN, PLAIN]


def test_a_signal_ends_a_trial_which_is_made_when_the_training_goes_on(
    train: Any, clock: Any, monkeypatch: Any
) -> None:

    def interrupted(variant: Variant) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return 100.0

    tried = clock(interrupted)
    with pytest.raises(Stopped):
        train(max_steps=4)
    assert len(tried) == 2
    clock(lambda variant: 100.0 if variant == QUICK else 200.0)
    context, _ = train(max_steps=4)
    assert "resuming at step 1" in context.console.said()
    state = saved(context)[1]
    assert Variant.from_json(state["fast"]) == QUICK
    with pytest.raises(Stopped):
        train("again", max_steps=4, emit=stop_at(2))
    tried = clock(lambda variant: 100.0)
    train("again", max_steps=4)  # no second trial: the checkpoint has its choice
    assert tried == []
