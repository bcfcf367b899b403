"""Training in fp16: losses are scaled so that small gradients live, and an overflow costs one update."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_batches import random_batches
from translate_latent import WGANGP

from translate import Direction, Method, NoOptions, StageError, Update
from translate.testing.harness import MethodHarness
from translate.training.ema import Averages
from translate.training.numerics.scaler import GROWS_AFTER, LARGEST, SMALLEST, START, LossScale
from translate.training.numerics.stepping import _step_and_put_back, step_where
from translate.training.saving import checkpoint
from translate.training.saving.state import TrainingState

CPU = torch.device("cpu")


class Line(Method[NoOptions]):
    """One player, whose loss is the mean of two convolutions times `times`."""

    name, data = "line", "paired"
    players = {"G": ("gen",)}
    losses = {"l1": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}
    times = 1.0

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 3, 3))}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"l1": self.times * nets.gen(batch["input"]).float().square().mean()})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


def line(make_engine: Any, times: float, precision: str = "fp16", **config: Any) -> Any:
    return make_engine(type("Times", (Line,), {"times": times}), precision=precision, **config)


def batch(number: int = 1) -> dict[str, Tensor]:
    return random_batches(("input", "target"), number)[-1]


def gradients(engine: Any) -> Tensor:
    """Of the first update."""
    engine.step([batch()], 0)
    return torch.cat([p.grad.flatten() for p in engine.nets.gen.parameters()])


def test_the_factor_halves_at_once_and_doubles_after_many() -> None:
    scale = LossScale(CPU)
    yes, no = torch.tensor(True), torch.tensor(False)
    assert scale.factor == START
    scale.update(no)
    assert (scale.factor, scale.fine) == (START / 2, 0)
    for done in range(1, GROWS_AFTER):
        scale.update(yes)
        assert (scale.factor, scale.fine) == (START / 2, done)
    scale.update(yes)
    assert (scale.factor, scale.fine) == (START, 0)
    scale.update(yes)
    scale.update(no)
    assert scale.fine == 0, "many in a row"
    for _ in range(40):
        scale.update(no)
    assert scale.factor == SMALLEST
    assert not scale.can_fall()
    scale.factor.fill_(LARGEST)
    scale.fine.fill_(GROWS_AFTER)
    scale.update(yes)
    assert scale.factor == LARGEST


@pytest.mark.parametrize("times", [1.0, 1e-6])
def test_small_gradients_live(make_engine: Any, times: float) -> None:
    exact = gradients(line(make_engine, times, "fp32"))
    torch.testing.assert_close(
        gradients(line(make_engine, times)), exact, rtol=0.02, atol=float(exact.abs().max()) / 100
    )
    engine = line(make_engine, times)
    engine.scales["G"].factor.fill_(1.0)
    lost = (gradients(engine) == 0).float().mean()
    assert lost < 0.1 if times == 1 else lost > 0.3, "without the factor small ones are rounded to zero"


def test_an_overflow_costs_one_update_and_is_no_fault(make_engine: Any) -> None:
    engine = line(make_engine, 1.0)
    engine.scales["G"].factor.fill_(LARGEST)
    before = copy.deepcopy(engine.nets.gen.state_dict())
    engine.step([batch()], 0)
    assert all(torch.equal(v, before[k]) for k, v in engine.nets.gen.state_dict().items())
    assert engine.players["G"].optimizer.state == {}
    assert engine.scales["G"].factor == LARGEST / 2
    engine.check_finite({})
    meters = engine.read_meters()
    assert meters["loss_scale/G"] == LARGEST
    assert "grad_norm/G" not in meters, "no mean of one that is not a number"
    for _ in range(20):
        engine.step([batch()], 0)
    assert any(not torch.equal(v, before[k]) for k, v in engine.nets.gen.state_dict().items())
    assert 0 < engine.read_meters()["grad_norm/G"] < 10


def test_one_that_no_factor_mends_is_a_fault(make_engine: Any) -> None:
    engine = line(make_engine, 1.0)
    poison = engine.nets.gen[0].weight.register_hook(lambda grad: grad * float("nan"))
    halvings = int(torch.tensor(START).log2())
    for _ in range(halvings):
        engine.step([batch()], 0)
        engine.check_finite({})
    engine.step([batch()], 0)
    with pytest.raises(StageError, match=rf"the gradient of player G of method line is not finite at step {halvings}"):
        engine.check_finite({})
    poison.remove()


def test_a_loss_that_is_not_finite_is_a_fault_at_once(make_engine: Any) -> None:
    engine = line(make_engine, float("nan"))
    engine.step([batch()], 0)
    with pytest.raises(StageError, match="loss 'l1' of method line is not finite at step 0"):
        engine.check_finite({})


def test_the_limit_is_for_the_gradient_without_the_factor(make_engine: Any) -> None:
    norm = gradients(line(make_engine, 1.0)).norm()
    limited = gradients(line(make_engine, 1.0, clip=float(norm) / 4)).norm()
    torch.testing.assert_close(limited, norm / 4, rtol=1e-3, atol=0)
    torch.testing.assert_close(gradients(line(make_engine, 1.0, clip=float(norm) * 2)).norm(), norm)


def test_accumulated_batches_share_a_factor(make_engine: Any) -> None:
    parts = random_batches(("input", "target"), 3, batch=2)
    joined = {side: torch.cat([part[side] for part in parts]) for side in parts[0]}
    one, many = line(make_engine, 1.0), line(make_engine, 1.0)
    one.step([joined], 0)
    many.step(parts, 0)
    for a, b in zip(one.nets.gen.parameters(), many.nets.gen.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0.02, atol=1e-4)


def test_an_overflow_elsewhere_is_one_of_all_processes(make_engine: Any) -> None:
    engine = line(make_engine, 1.0)
    engine.world = SimpleNamespace(
        shared=True, rank=0, size=2, leads=True, place=None, average=lambda params, finite: torch.tensor(False)
    )
    engine.step([batch()], 0)
    assert engine.scales["G"].factor == START / 2
    assert engine.players["G"].optimizer.state == {}


def test_a_penalty_of_the_slope_is_that_of_fp32() -> None:
    """It asks for a gradient within the step, which must not be scaled twice, nor lie in fp16."""
    norms, losses = {}, {}
    for precision in ("fp32", "fp16"):
        harness = MethodHarness(WGANGP)
        engine = harness.engine(precision=precision)
        for scale in engine.scales.values():
            scale.factor.fill_(1024.0)
        harness.play(engine, 1)
        engine.check_finite({})
        assert engine.players["D"].optimizer.state
        meters = engine.read_meters()
        norms[precision], losses[precision] = meters["grad_norm/D"], meters["critic"]
    assert losses["fp32"] > 5, "the penalty, times 10"
    assert norms["fp16"] == pytest.approx(norms["fp32"], rel=0.02)
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.02)


def state_of(engine: Any) -> TrainingState:
    return TrainingState(engine, Averages(engine, ("gen",), None))


def test_the_factor_goes_on_from_a_checkpoint(make_engine: Any, tmp_path: Path) -> None:
    whole, parts = line(make_engine, 1.0), line(make_engine, 1.0)
    for engine in (whole, parts):
        engine.scales["G"].factor.fill_(LARGEST)
        for _ in range(3):
            engine.step([batch()], 0)
    folder = checkpoint.save(tmp_path, state_of(parts))
    again = line(make_engine, 1.0)
    checkpoint.restore(folder, state_of(again))
    for engine in (whole, again):
        for number in range(3):
            engine.step([batch(number + 1)], 0)
    assert whole.scales["G"].factor == again.scales["G"].factor < LARGEST
    assert whole.scales["G"].fine == again.scales["G"].fine
    for a, b in zip(whole.nets.gen.parameters(), again.nets.gen.parameters(), strict=True):
        assert torch.equal(a, b)
    in_fp32 = line(make_engine, 1.0, "fp32")
    checkpoint.restore(folder, state_of(in_fp32))


@pytest.mark.parametrize("name", ["RMSprop", "Adam", "SGD"])
def test_a_step_that_is_put_back_has_changed_nothing(name: str) -> None:
    """The way of a GPU for optimizers without a switch of their own."""
    net = nn.Linear(3, 2)
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1, **({"momentum": 0.9} if name == "SGD" else {}))
    for fine in (True, True, False, True):
        for param in net.parameters():
            param.grad = torch.full_like(param, 0.5 if fine else torch.inf)
        weights = [param.clone() for param in net.parameters()]
        state = copy.deepcopy(optimizer.state_dict())
        _step_and_put_back(optimizer, torch.tensor(fine))
        same = all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
        assert same == (not fine)
        if not fine:
            for values, before in zip(optimizer.state_dict()["state"].values(), state["state"].values(), strict=True):
                assert all(torch.equal(values[key], before[key]) for key in before)


@pytest.mark.parametrize("left_out", [0, 2])
@pytest.mark.parametrize(
    ("name", "options"),
    [("Adam", {}), ("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "dampening": 0.5})],
)
def test_fused_optimizers_begin_with_the_first_step_that_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch, left_out: int, name: str, options: dict[str, float]
) -> None:
    """The way of a GPU for optimizers with a switch of their own."""
    monkeypatch.setattr("translate.training.numerics.stepping.GPUS", ("cpu",))
    plain, switched = nn.Linear(64, 64), nn.Linear(64, 64)
    switched.load_state_dict(plain.state_dict())
    make = getattr(torch.optim, name)
    plain_optimizer = make(plain.parameters(), lr=0.1, **options)
    optimizer = make(switched.parameters(), lr=0.1, fused=True, **options)
    for number in range(5):
        fine = number >= left_out
        for param, other in zip(plain.parameters(), switched.parameters(), strict=True):
            param.grad = torch.full_like(param, 0.5 + number if fine else torch.inf)
            other.grad = param.grad.clone()
        step_where(optimizer, torch.tensor(fine))
        if fine:
            plain_optimizer.step()
        for param, other in zip(plain.parameters(), switched.parameters(), strict=True):
            torch.testing.assert_close(other, param)
