"""Steps that are recorded once and replayed compute what steps do that are computed as they come."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tape import TapeGraph
from test_training_against_plain_loop import CYCLEGAN, PIX2PIX
from torch import Tensor, nn
from training_batches import random_batches
from translate_cyclegan import CycleGAN
from translate_pix2pix import Pix2Pix

from translate import Direction, Method, NoOptions, StageError, Update
from translate.training.replay.replayer import WARM_UP, Replayer

STEPS = 9
EXACT = {
    "optimizer": {"uses": "adam", "lr": 2**-12},
    "schedule": {"uses": "step", "every": 2, "gamma": 0.5, "unit": "updates"},
    "players": {"G": {"schedule": {"uses": "step", "every": {"steps": 3}, "gamma": 0.5}}},
}
"""Learning rates that are the same in float32."""


class Small(Method[NoOptions]):
    name, data = "small", "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "l1": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)), "disc": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        noise = torch.randn(batch["input"].shape, generator=step.rng)
        fake = nets.gen(torch.dropout(batch["input"] + noise, 0.5, True))
        yield Update("D", {"critic": nets.disc(fake.detach()).square().mean()})
        yield Update("G", {"l1": fake.square().mean() - nets.disc(fake).mean()})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


CASES = {"small": (Small, {}), "pix2pix": (Pix2Pix, PIX2PIX), "cyclegan": (CycleGAN, CYCLEGAN)}


@pytest.fixture(autouse=True)
def counts_in_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets optimizers count steps in tensors alone, as they do on a GPU."""
    monkeypatch.setattr(sys.modules["torch.optim.adam"], "_get_capturable_supported_devices", lambda **_: ["cpu"])
    monkeypatch.setattr("translate.training.numerics.stepping.GPUS", ("cpu",))
    monkeypatch.setattr("translate.training.numerics.stepping.READABLE", ())
    monkeypatch.setattr("translate.training.replay.replayer.DEVICES", ("cpu",))


def run(engine: Any, batches: list[Any], every: int = 2) -> list[dict[str, float]]:
    """The meters of every second step, or of every so many."""
    meters = []
    for batch in batches:
        engine.step([batch], engine.index // 3)
        if engine.index % every == 0:
            meters.append(engine.read_meters())
    return meters


@pytest.mark.parametrize(("case", "fast"), [("small", False), ("small", True), ("pix2pix", True), ("cyclegan", True)])
def test_replayed_steps_are_the_steps(make_engine: Any, one_thread: None, case: str, fast: bool) -> None:
    cls, options = CASES[case]
    sides = ("a", "b") if cls is CycleGAN else ("input", "target")
    batches = random_batches(sides, STEPS)
    plain, replayed = (make_engine(cls, options, fast=fast, **EXACT) for _ in range(2))
    replayed.stepper = Replayer(replayed, TapeGraph)
    calls = []
    step = type(replayed.method).step

    def counted(*args: Any) -> Any:
        calls.append(replayed.index)
        return step(replayed.method, *args)

    replayed.method.step = counted
    expected = run(plain, batches)
    assert run(replayed, batches) == expected
    assert replayed.stepper.failed == ""
    assert calls == [*range(WARM_UP), WARM_UP], "the method runs no more once it is recorded"
    for name, net in plain.nets.items():
        for key, value in net.state_dict().items():
            assert torch.equal(value, replayed.nets[name].state_dict()[key]), (name, key)
    assert [p.done for p in plain.players.values()] == [p.done for p in replayed.players.values()]


@pytest.mark.parametrize("every", [1, WARM_UP, WARM_UP + 1])
def test_meters_are_means_since_they_were_read(make_engine: Any, one_thread: None, every: int) -> None:
    plain, replayed = (make_engine(Small, **EXACT) for _ in range(2))
    replayed.stepper = Replayer(replayed, TapeGraph)
    batches = random_batches(("input", "target"), STEPS)
    assert run(replayed, batches, every) == run(plain, batches, every)
    assert replayed.stepper.failed == ""


@pytest.mark.parametrize(
    ("optimizer", "fast", "steps"),
    [
        ({"uses": "adam"}, False, WARM_UP + 1),
        ({"uses": "adam"}, True, WARM_UP),
        ({"uses": "sgd", "momentum": 0.5}, True, WARM_UP + 1),
    ],
)
def test_a_step_is_recorded_once_optimizers_have_made_what_they_keep(
    make_engine: Any, one_thread: None, optimizer: dict[str, Any], fast: bool, steps: int
) -> None:
    """In fp16 the first updates may all overflow."""
    config = {**EXACT, "optimizer": {**EXACT["optimizer"], **optimizer}}
    plain, replayed = (make_engine(Small, fast=fast, precision="fp16", **config) for _ in range(2))
    replayed.stepper = Replayer(replayed, TapeGraph)
    for engine in (plain, replayed):
        weight = engine.nets.gen[0].weight
        weight.register_hook(lambda grad, engine=engine: grad * (1.0 if engine.index >= WARM_UP else float("inf")))
    batches = random_batches(("input", "target"), STEPS)
    assert run(replayed, batches) == run(plain, batches)
    assert (replayed.stepper.failed, replayed.stepper._steps) == ("", steps)


class Late(Small):
    """A game whose second player has a loss that no step before the recorded one has."""

    losses = {"critic": 1.0, "l1": 1.0, "late": 1.0}
    calls = 0

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        output, self.calls = nets.gen(batch["input"]).mean(), self.calls + 1
        yield Update("G", {"l1": output} if self.calls <= WARM_UP else {"l1": output, "late": output.square()})


def test_a_step_with_a_new_loss_is_not_recorded(make_engine: Any, one_thread: None) -> None:
    plain, replayed = (make_engine(Late, **EXACT) for _ in range(2))
    replayed.stepper = Replayer(replayed, TapeGraph)
    batches = random_batches(("input", "target"), STEPS)
    assert run(replayed, batches, STEPS) == run(plain, batches, STEPS)
    assert replayed.stepper.failed == "no step before it has 'G/late', 'late', \"loss 'late'\""


def test_images_of_another_size_are_computed_as_they_come(make_engine: Any, one_thread: None) -> None:
    plain, replayed = (make_engine(Small, **EXACT) for _ in range(2))
    replayed.stepper = Replayer(replayed, TapeGraph)
    batches = random_batches(("input", "target"), STEPS)
    batches[6] = {side: values[..., :20] for side, values in batches[6].items()}
    assert run(replayed, batches) == run(plain, batches)


def test_a_fault_has_the_number_of_its_step(make_engine: Any) -> None:
    engine = make_engine(Small)
    engine.stepper = Replayer(engine, TapeGraph)
    batches = random_batches(("input", "target"), 8)
    batches[6]["input"].fill_(float("nan"))
    run(engine, batches)
    with pytest.raises(StageError, match=r"loss 'critic' of method small is not finite at step 6 on x\.png"):
        engine.check_finite({6: "x.png"})


class Counting(Small):
    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"l1": nets.gen(batch["input"]).mean() * (step.index + 1)})


def test_steps_of_several_batches_say_that_they_are_not_recorded(make_engine: Any) -> None:
    engine = make_engine(Small, accumulate=2, **EXACT)
    engine.stepper = Replayer(engine, TapeGraph)
    engine.step(random_batches(("input", "target"), 2), 0)
    assert "not recorded, since several batches make a step (`accumulate`)" in engine.note()


class Broken(TapeGraph):
    def record(self, work: Any, rng: Any) -> None:
        work()
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


@pytest.mark.parametrize(
    ("cls", "graph", "config", "reason"),
    [
        (Counting, TapeGraph, {}, "its method reads step.index"),
        (Small, TapeGraph, {"critic_augment": {}}, "`critic_augment` draws for each step"),
    ],
)
def test_what_cannot_be_recorded_is_computed_as_it_comes(
    make_engine: Any, one_thread: None, cls: Any, graph: Any, config: Any, reason: str
) -> None:
    plain, replayed = (make_engine(cls, **config, **EXACT) for _ in range(2))
    replayed.stepper = Replayer(replayed, graph)
    batches = random_batches(("input", "target"), STEPS)
    assert run(replayed, batches) == run(plain, batches)
    assert replayed.stepper.failed == reason


def test_a_recording_that_fails_says_why(make_engine: Any) -> None:
    engine = make_engine(Small)
    engine.stepper = Replayer(engine, Broken)
    run(engine, random_batches(("input", "target"), STEPS))
    assert engine.stepper.failed == "operation not permitted when stream is capturing"
    assert engine.players["G"].done == STEPS


def test_draws_of_this_process_are_noticed() -> None:
    from translate.training.replay.replayer import _generators

    before = _generators()
    assert _generators() == before
    random.random()
    assert _generators() != before
