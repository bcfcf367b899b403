"""What the engine promises of an Update, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from training_batches import random_batches

from translate import ContractError, Direction, Method, NoOptions, StageError, Update
from translate.training.config import ExtraLoss
from translate.training.extra_losses import bind, check_met
from translate.training.optimization.schedules import Cosine, LinearDecay, StartConfig, StepConfig, StepDecay


class Game(Method[NoOptions]):
    """A one-layer generator and critic, to be broken in the tests."""

    name, data = "game", "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "adversarial": 1.0, "l1": 10.0}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Conv2d(3, 3, 3, padding=1), "disc": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["input"])
        yield Update("D", {"critic": nets.disc(fake.detach()).mean() - nets.disc(batch["target"]).mean()})
        yield Update("G", {"adversarial": -nets.disc(fake).mean(), "l1": F.l1_loss(fake, batch["target"])})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


def run(make_engine: Any, step: Any, **kwargs: Any) -> Any:
    engine = make_engine(type("Broken", (Game,), {"step": step}), **kwargs)
    engine.step(random_batches(("input", "target"), 1), 0)
    return engine


def test_a_graph_parked_across_an_update_is_explained(make_engine: Any) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        hidden = nets.disc(nets.gen(batch["input"]) ** 2) ** 2
        score = nets.disc(hidden.expand(-1, 3, -1, -1)).mean()
        yield Update("D", {"critic": -score})
        yield Update("G", {"adversarial": score})

    with pytest.raises(
        ContractError, match=r"method game: .*another player's update.*Recompute after the update.*detach before"
    ):
        run(make_engine, step)


@pytest.mark.parametrize(
    "context", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)]
)
def test_a_yield_inside_a_context_is_refused_and_the_mode_restored(make_engine: Any, context: Any) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        with context():
            yield Update("D", {"critic": nets.disc(batch["target"]).mean()})

    with pytest.raises(ContractError, match=r"method game: step\(\) yields inside no_grad"):
        run(make_engine, step)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_unknown_names_are_refused(make_engine: Any) -> None:
    def loss(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critc": nets.disc(batch["target"]).mean()})

    def player(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("E", {"critic": nets.disc(batch["target"]).mean()})

    def nothing(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"l1": nets.disc(batch["target"]).mean()})

    def number(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critic": 0.5})  # type: ignore[dict-item]

    def map_of_losses(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critic": nets.disc(batch["target"])})

    with pytest.raises(ContractError, match=r"loss 'critic' is 0\.5; a loss is a scalar tensor"):
        run(make_engine, number)
    with pytest.raises(ContractError, match=r"loss 'critic' has shape \(1, 1, 30, 30\); a loss is a scalar tensor"):
        run(make_engine, map_of_losses)
    with pytest.raises(ContractError, match="loss 'critc' is not in its vocabulary"):
        run(make_engine, loss)
    with pytest.raises(ContractError, match="player 'E'; its players are D, G"):
        run(make_engine, player)
    with pytest.raises(ContractError, match=r"losses of player G do not depend on its networks \(gen\)"):
        run(make_engine, nothing)


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_value_that_is_not_finite_never_reaches_the_weights(make_engine: Any, poison: str) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        out = nets.gen(batch["input"]).mean()
        bad = out * float("nan") if poison == "loss" else (out * 0).sqrt()  # the derivative of sqrt at 0 is infinite
        yield Update("G", {"l1": bad})

    engine = make_engine(type("Broken", (Game,), {"step": step}))
    before = copy.deepcopy(engine.nets.gen.state_dict())
    engine.step(random_batches(("input", "target"), 1), 0)
    assert all(torch.equal(v, before[k]) for k, v in engine.nets.gen.state_dict().items())
    named = "loss 'l1'" if poison == "loss" else "the gradient of player G"
    with pytest.raises(StageError, match=rf"{named} of method game is not finite at step 0 on 17, 18"):
        engine.check_finite({0: "17, 18"})


def test_a_step_moves_only_the_player_of_the_update(make_engine: Any) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"adversarial": -nets.disc(nets.gen(batch["input"])).mean()})

    engine = make_engine(type("OnlyG", (Game,), {"step": step}))
    before = {n: copy.deepcopy(net.state_dict()) for n, net in engine.nets.items()}
    engine.step(random_batches(("input", "target"), 1), 0)
    assert all(p.grad is None for p in engine.nets.disc.parameters())
    assert all(torch.equal(v, before["disc"][k]) for k, v in engine.nets.disc.state_dict().items())
    assert not torch.equal(engine.nets.gen.weight, before["gen"]["weight"])


def test_accumulation_equals_the_joined_batch(make_engine: Any) -> None:
    parts = random_batches(("input", "target"), 3, batch=2)
    joined = {k: torch.cat([p[k] for p in parts]) for k in parts[0]}
    nets = {n: m.double() for n, m in Game(NoOptions(), None, {}).networks(None).items()}  # type: ignore[arg-type]
    one, many = make_engine(Game, nets=nets), make_engine(Game, nets=nets)
    for _ in range(3):
        one.step([{k: v.double() for k, v in joined.items()}], 0)
        many.step([{k: v.double() for k, v in p.items()} for p in parts], 0)
    for name in nets:
        for a, b in zip(one.nets[name].parameters(), many.nets[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-9)  # the terms are summed in float32


def test_accumulation_has_one_graph_alive_at_a_time(make_engine: Any) -> None:
    events = []

    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        out = nets.gen(batch["input"])
        events.append("forward")
        out.register_hook(lambda _: events.append("backward"))
        yield Update("G", {"l1": out.mean()})

    engine = make_engine(type("Heavy", (Game,), {"step": step}))
    engine.step(random_batches(("input", "target"), 3), 0)
    assert events == ["forward", "backward"] * 3


def test_batches_of_one_step_play_the_same_players(make_engine: Any) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        if len(batch["input"]) == 2:
            yield Update("G", {"l1": nets.gen(batch["input"]).mean()})

    engine = make_engine(type("Uneven", (Game,), {"step": step}))
    one, two = (random_batches(("input", "target"), 1, batch=n)[0] for n in (1, 2))
    for order in ((one, two), (two, one)):
        with pytest.raises(ContractError, match=r"step\(\) plays different players on different batches"):
            engine.step(order, 0)


@pytest.mark.parametrize("shown", [True, False])
def test_an_extra_loss_waits_for_its_player(make_engine: Any, registry: Any, shown: bool) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critic": nets.disc(batch["target"]).mean()})
        if step.index % 5 == 4:
            out = nets.gen(batch["input"])
            yield Update("G", {"l1": out.mean()}, views={"output": out} if shown else {})

    entry = ExtraLoss(uses="total-variation", player="G", on={"output": "output"})
    engine = make_engine(type("Bursts", (Game,), {"step": step}))
    engine.extra = bind([entry, entry], registry, "cpu", ("l1", "total-variation-2"))
    assert [loss.name for loss in engine.extra] == ["total-variation", "total-variation-3"]
    assert not any(loss.term.training for loss in engine.extra)
    for batch in random_batches(("input", "target"), 4):
        engine.step([batch], 0)
        check_met("game", engine.extra)  # G has not moved yet, as after a restart between two of its updates
    engine.step(random_batches(("input", "target"), 1), 0)
    if shown:
        check_met("game", engine.extra)
    else:
        with pytest.raises(ContractError, match=r"published no update of player G with the views output"):
            check_met("game", engine.extra)


def test_clipping_bounds_the_step(make_engine: Any) -> None:
    engine = make_engine(Game, clip=1e-3, optimizer={"uses": "sgd", "lr": 1.0})
    before = [p.detach().clone() for p in engine.nets.gen.parameters()]
    engine.step(random_batches(("input", "target"), 1), 0)
    moved = torch.cat(
        [(p.detach() - b).flatten() for p, b in zip(engine.nets.gen.parameters(), before, strict=True)]
    ).norm()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


def test_bf16_autocast_covers_the_networks_and_not_the_sum(make_engine: Any) -> None:
    seen: list[torch.dtype] = []

    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        out = nets.gen(batch["input"])
        seen.append(out.dtype)
        yield Update("G", {"l1": out.mean()})

    engine = run(make_engine, step, precision="bf16")
    assert seen == [torch.bfloat16]
    assert engine.nets.gen.weight.dtype == engine.nets.gen.weight.grad.dtype == torch.float32


def test_linear_decay_is_the_one_of_the_cyclegan_code() -> None:
    schedule = LinearDecay(StartConfig(start=100))
    rates = [schedule.factor(e, 200) for e in range(200)]
    assert rates[:100] == [1.0] * 100
    assert rates[100:] == pytest.approx([1 - max(0, e - 100) / 101 for e in range(101, 201)])


def test_a_player_that_updates_more_often_than_once_a_step_never_climbs() -> None:
    for kind in (LinearDecay, Cosine):
        assert kind(StartConfig(unit="updates")).factor(150, 100) == pytest.approx(0)


def test_the_logged_rate_is_the_rate(make_engine: Any) -> None:
    engine = make_engine(Game, optimizer={"lr": 2e-4})
    engine.step(random_batches(("input", "target"), 1), 0)
    assert engine.read_meters()["lr/G"] == 2e-4


def test_cosine_and_step() -> None:
    cosine = Cosine(StartConfig())
    assert [cosine.factor(e, 4) for e in (0, 2, 4)] == pytest.approx([1.0, 0.5, 0.0])
    steps = StepDecay(StepConfig(every=3, gamma=0.1))
    assert [steps.factor(e, 9) for e in (0, 2, 3, 6)] == pytest.approx([1, 1, 0.1, 0.01])


def test_updates_count_per_player_and_draws_repeat(make_engine: Any) -> None:
    seen = []

    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        seen.append((step.index, dict(step.updates), torch.rand((), generator=step.rng).item(), torch.rand(()).item()))
        yield Update("D", {"critic": nets.disc(batch["target"]).mean()})
        if step.index % 2 == 0:
            yield Update("G", {"adversarial": -nets.disc(nets.gen(batch["input"])).mean()})

    for _ in range(2):
        engine = make_engine(type("TwoToOne", (Game,), {"step": step}))
        for batch in random_batches(("input", "target"), 4):
            engine.step([batch], 0)
    assert seen[:4] == seen[4:]
    assert [s[1] for s in seen[:4]] == [{"D": 0, "G": 0}, {"D": 1, "G": 1}, {"D": 2, "G": 1}, {"D": 3, "G": 2}]
    assert len({s[2] for s in seen[:4]} | {s[3] for s in seen[:4]}) == 8
