"""Where the time of a training goes, what a step computes, and what the device could do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from duel import Train, data, train
from test_training_fast_tuner import SMALL, saved
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import SIDES, DataSpec
from translate.plugins import Registry
from translate.testing import tiny_batch
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.fast.choice import Choice
from translate.training.fast.variant import Variant
from translate.training.length import Length
from translate.training.players import make_players
from translate.training.replay.compiled import Compiled
from translate.training.saving.state import TrainingState
from translate.training.speed import peak as peaks
from translate.training.speed.clock import Clock
from translate.training.speed.flops import FlopCount
from translate.training.speed.report import Speed

__all__ = ["data", "train"]

CPU = torch.device("cpu")


def counted(compute: Callable[[], Any]) -> int:
    with FlopCount() as count:
        compute()
    return count.flops


# ------------------------------------------------------------------------------------------------------- operations


@pytest.mark.parametrize(
    ("layer", "size", "expected"),
    [
        # 2 x images x pixels of the output x taps x inputs x outputs
        (nn.Conv2d(3, 8, 5), (2, 3, 20, 30), 2 * 2 * 16 * 26 * 25 * 3 * 8),
        (nn.Conv2d(4, 8, 4, stride=2, bias=False), (1, 4, 18, 18), 2 * 8 * 8 * 16 * 4 * 8),
        (nn.Conv2d(4, 8, 3, groups=4), (1, 4, 10, 10), 2 * 8 * 8 * 9 * 8),
        (nn.Conv2d(1, 1, 3, dilation=2), (1, 1, 10, 12), 2 * 6 * 8 * 9),
        # the pixels of the input
        (nn.ConvTranspose2d(6, 5, 4, stride=2), (1, 6, 8, 8), 2 * 64 * 16 * 6 * 5),
        (nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1), (1, 6, 8, 8), 2 * 64 * 16 * 6 * 5),
        (nn.Conv2d(2, 2, 3, padding=1), (1, 2, 10, 10), 2 * 10 * 10 * 9 * 4),
        (nn.Linear(7, 9), (5, 7), 2 * 5 * 7 * 9),
    ],
    ids=["conv", "stride", "groups", "dilation", "transposed", "transposed-padding", "padding", "linear"],
)
def test_operations_in_closed_form(layer: nn.Module, size: tuple[int, ...], expected: int) -> None:
    assert counted(lambda: layer(torch.ones(size))) == expected
    # backward: once as much for the gradient of the weights, and once for that of the images where it is asked for
    weights = list(layer.parameters())
    assert counted(lambda: torch.autograd.backward(layer(torch.ones(size)).sum(), inputs=weights)) == 2 * expected
    x = torch.ones(size, requires_grad=True)
    assert counted(lambda: layer(x).sum().backward()) == 3 * expected
    assert counted(lambda: torch.autograd.backward(layer(x).sum(), inputs=[x])) == 2 * expected


def test_two_layers_and_a_loss_of_both_networks() -> None:
    """A gradient that passes through a critic leaves none for it: 3 + 2 of the convolutions, not 3 + 3."""
    gen, critic = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 1, 1, bias=False)
    x = torch.ones(1, 3, 4, 4)
    of_gen, of_critic = 2 * 16 * 9, 2 * 16 * 3
    done = counted(lambda: torch.autograd.backward(critic(gen(x)).sum(), inputs=list(gen.parameters())))
    assert done == 2 * of_gen + 2 * of_critic


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("pix2pix", {"generator": {"uses": "unet", "levels": 4, "filters": 4}}),
        ("cyclegan", {"generator": {"uses": "resnet", "blocks": 1, "filters": 4}, "pool": 0}),
    ],
)
def test_every_way_to_compute_a_step_counts_the_same(method: str, options: dict[str, Any], make_engine: Any) -> None:
    critic = {"discriminator": {"uses": "patchgan", "filters": 4, "layers": 1}}
    counts = {}
    for variant in (
        Variant(),
        Variant("bf16", merge=True),
        Variant(layers="quick"),
        Variant("bf16", "channels_last", True, "quick", True),
    ):
        engine, batch = make_engine(method, {**options, **critic}, variant)
        state, speed = TrainingState(engine, Averages(engine, set(), None), {}), Speed(engine.clock, CPU)
        with speed.counted(state, [batch]):
            engine.step([batch], 0)
        assert engine.index == 1
        counts[str(variant)] = speed.flops
    assert len(set(counts.values())) == 1, counts
    assert min(counts.values()) > 1e6


@pytest.fixture
def make_engine() -> Callable[..., tuple[Engine, dict[str, Tensor]]]:
    def make(name: str, options: dict[str, Any], variant: Variant) -> tuple[Engine, dict[str, Tensor]]:
        registry = Registry()
        cls = registry.get("methods", name)
        spec = DataSpec(cls.data, dict.fromkeys(SIDES[cls.data], 3), (32, 32))
        method = cls(registry.config("methods", name, options), spec, dict(cls.losses))
        torch.manual_seed(0)
        nets = {each: net.train() for each, net in build_networks(method, registry).items()}
        train = TrainConfig.model_validate({"method": name})
        players = make_players(name, method.players, nets, train, registry, Length.of(train, 1), fused=variant.fused)
        engine = Engine(method, nets, players, device="cpu", seed=7, choice=Choice(variant))
        return engine, tiny_batch(cls.data, size=32, seed=1, count=2)

    return make


def test_counting_changes_nothing(make_engine: Any) -> None:
    """Every bit of weights and of random numbers, with dropout."""
    ends = []
    for counts in (True, False):
        options = {"generator": {"uses": "unet", "levels": 4, "filters": 4, "dropout": True}}
        engine, batch = make_engine("pix2pix", options, Variant())
        speed = Speed(engine.clock, CPU)
        for _ in range(2):
            if counts:
                with speed.counted(SimpleNamespace(engine=engine), [batch]):
                    engine.step([batch], 0)
            else:
                engine.step([batch], 0)
        ends.append([value for net in engine.nets.values() for value in net.state_dict().values()])
        ends[-1].append(torch.get_rng_state())
    assert all(a.equal(b) for a, b in zip(*ends, strict=True))


def test_compiled_networks_are_counted_aside(make_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own step is not under the count, and finds all as it was."""
    options = {"generator": {"uses": "unet", "levels": 4, "filters": 4}}
    plain, batch = make_engine("pix2pix", options, Variant())
    with FlopCount() as count:
        plain.step([batch], 0)
    engine, _ = make_engine("pix2pix", options, Variant(step="compile"))
    state, speed = TrainingState(engine, Averages(engine, {"gen"}, None), {}), Speed(engine.clock, CPU)
    monkeypatch.setattr(Compiled, "play", lambda self, *_: bool(played.append(self)) or True)
    played: list[Any] = []
    before = {name: net._compiled_call_impl for name, net in engine.nets.items()}
    with speed.counted(state, [batch]):
        assert not torch._C._len_torch_dispatch_stack()
        engine.step([batch], 0)
    assert speed.flops == count.flops and played == [engine.stepper]
    assert {name: net._compiled_call_impl for name, net in engine.nets.items()} == before
    assert all(player.done == 0 for player in engine.players.values())


@pytest.mark.parametrize(
    ("every", "steps", "counted", "apart"),
    [(16, 1000, 32, 0), (4, 3000, 64, 0), (8, 200, 8, 0), (3, 1000, 32, 0.05), (20, 3000, 64, 0.2)],
)
def test_a_lazy_step_has_its_share_of_the_count(every: int, steps: int, counted: int, apart: float) -> None:
    """Each `every`-th step, the first one among them, computes ten times as much as the others."""
    speed, state = Speed(Clock(CPU), CPU), SimpleNamespace(engine=SimpleNamespace(choice=Choice(Variant())))
    speed.begin(steps)
    for step in range(steps):
        with speed.counted(state, []):
            F.linear(torch.ones(1, 100), torch.ones(100 if step % every == 0 else 10, 100))
    lazy, usual = 2 * 100 * 100, 2 * 100 * 10
    assert speed.flops == pytest.approx((lazy + (every - 1) * usual) / every, rel=apart)
    assert speed._counted_steps().startswith(f"mean of {counted} counted steps, ")


def test_a_recording_is_counted_until_it_is_made() -> None:
    speed = Speed(Clock(CPU), CPU)
    state = SimpleNamespace(engine=SimpleNamespace(choice=Choice(Variant(step="graph"))))
    speed.begin(10_000)
    for step in range(50):
        with speed.counted(state, []):
            F.linear(
                torch.ones(1, 100), torch.ones(10 + (step == 3), 100)
            ) if step < 4 else None  # the rest is replayed
    assert speed.flops == 2 * 100 * 10.25


def test_steps_that_are_counted_aside_leave_no_trace(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every step of a training with all kinds of state, by quick layers: each bit is as without."""
    options = {**SMALL, "fast": {"layers": "quick"}, "max_steps": 2}
    ends = []
    for name, chosen in (("counted", {0, 1}), ("not", set())):
        monkeypatch.setattr("translate.training.speed.report.places", lambda *_, chosen=chosen: frozenset(chosen))
        context, curves = train(name, **options)
        tensors, state = saved(context)
        timed = ("second", "wait", "peak")
        ends.append((tensors, state, {k: v for k, v in curves.curves.items() if not any(w in k[0] for w in timed)}))
        assert ("the same in 2 counted steps" in context.console.said()) == (name == "counted")
    (ours, state, curve), (theirs, other, others) = ends
    assert ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)
    assert (state, curve) == (other, others)


# ------------------------------------------------------------------------------------------------------------- time


def test_the_outermost_part_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1.0, 4.0, 10.0, 10.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    clock = Clock(CPU)
    with clock.part("trial"), clock.part("forward"):
        pass
    with clock.part("forward"):
        pass
    assert clock.seconds == {"trial": 3.0, "forward": 0.5}


def test_an_error_ends_a_part() -> None:
    clock = Clock(CPU)
    with pytest.raises(KeyError), clock.part("saving"), clock.part("forward"):
        raise KeyError
    assert not clock.inside and [*clock.seconds] == ["saving"]


class Event:
    """A stand-in for one of CUDA: a time is read on the stream, and known later."""

    now = 0.0
    made = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        Event.made += 1

    def record(self) -> None:
        self.at = Event.now

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: Event) -> float:
        return 1000 * (end.at - self.at)


def test_a_gpu_is_read_at_log_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    capturing = False
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    clock = Clock(torch.device("cuda"))
    for _ in range(3):
        for _ in range(2):
            with clock.part("forward"):
                Event.now += 0.25
        clock.read()
    assert clock.seconds == {"forward": 1.5} and Event.made == 4  # which are used again
    capturing = True
    with clock.part("forward"):
        Event.now += 1
    clock.read()
    assert clock.seconds == {"forward": 1.5}


def test_the_report_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.training.speed.report.peak", lambda *_, anew=False: 4e9 if anew else 2e9)
    clock = Clock(CPU)
    speed, state = Speed(clock, CPU), SimpleNamespace(engine=SimpleNamespace(choice=Choice(Variant())))
    now = time.perf_counter()
    speed.begin(2)
    with speed.counted(state, []):
        F.linear(torch.ones(10, 1000), torch.ones(50, 1000))  # a million operations
    with speed.counted(state, []):
        F.linear(torch.ones(10, 1000), torch.ones(50, 1000))  # of a short training the first step alone
    clock.seconds |= {"data": 1.0, "forward": 2.0, "backward": 3.0, "optimizer": 1.0, "validation": 2.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now + 10)
    lines, numbers = speed.report(18_000, 36_000, "fp32")
    assert lines[0] == "18,000 steps in 10 s, 3600.0 images/s, waiting for data 10.0 % of the time"
    assert lines[1].startswith(
        "time: data 10.0 %, forward 20.0 %, backward 30.0 %, optimizer 10.0 %, validation 20.0 %"
    )
    # 18,000 steps of a million in 6 s; the peak was measured anew, since it was below that
    assert lines[2].startswith("0.001 GFLOP a step (counted in one step), 0.003 TFLOP/s in the steps: 75%")
    assert numbers["share_of_peak"] == pytest.approx(0.75) and numbers["flops_per_second"] == pytest.approx(3e9)
    assert sum(value for name, value in numbers.items() if name.startswith("seconds/")) == pytest.approx(10, abs=0.1)


# ------------------------------------------------------------------------------------------------------------- peak


def test_the_peak_is_measured_once_and_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before, began = torch.get_rng_state(), time.perf_counter()
    measured = peaks.measure(CPU, "fp32", seconds=0.02)
    assert time.perf_counter() - began < 5
    x = torch.full((512, 512), 0.01)
    began = time.perf_counter()
    for _ in range(3):
        x @ x
    assert measured > 0.2 * 3 * 2 * 512**3 / (time.perf_counter() - began)
    assert torch.get_rng_state().equal(before)
    rates = iter([7.0, 5.0, 9.0])
    monkeypatch.setattr(peaks, "measure", lambda *_: next(rates))
    assert [peaks.peak(CPU, "fp32") for _ in range(3)] == [7.0] * 3
    assert [peaks.peak(CPU, "fp32", anew=True) for _ in range(2)] == [7.0, 9.0]
    (file,) = (tmp_path / "translate" / "peak").iterdir()
    assert json.loads(file.read_text()) == {"operations_per_second": 9.0}
    file.write_text("{")
    monkeypatch.setattr(peaks, "measure", lambda *_: 3.0)
    assert peaks.peak(CPU, "fp32") == 3.0
