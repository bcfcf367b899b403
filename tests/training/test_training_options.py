"""What people set beside the method: optimizers of torch, lengths in steps, early stops, what stays, frozen weights."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from duel import Duel, Shop, Told, Train, facts, stop_at
from safetensors.torch import load_file
from torch import nn

from translate.contracts import OptimizerUse
from translate.errors import ConfigError
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig
from translate.training.ema import Averages
from translate.training.length import Length
from translate.training.optimization.torch_library import LEFT_OUT
from translate.training.saving import checkpoint
from translate.training.weights.parts import freeze

OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and name != "Optimizer" and name not in LEFT_OUT
)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_of_torch_by_their_names(registry: Registry, name: str) -> None:
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3)) for _ in range(2))
    mine = registry.build(OptimizerUse(uses=f"torch/{name}", options={"lr": 0.01})).build([ours], fused=False)
    plain = getattr(torch.optim, name)([theirs], lr=0.01)
    for step in range(4):
        for optimizer, weight in ((mine, ours), (plain, theirs)):
            optimizer.zero_grad()
            (weight * (1 + step)).pow(3).sum().backward()
            optimizer.step()
    assert torch.equal(ours, theirs) and not torch.equal(ours, torch.linspace(-1, 1, 6).reshape(2, 3))


def test_options_of_an_optimizer_reach_it_and_its_default_rate_is_the_librarys(registry: Registry) -> None:
    use = OptimizerUse.model_validate({"uses": "torch/NAdam", "betas": [0.5, 0.9], "momentum_decay": 0.1})
    optimizer = registry.build(use).build([nn.Parameter(torch.zeros(1))], fused=False)
    group = optimizer.param_groups[0]
    assert (group["betas"], group["momentum_decay"], group["lr"]) == ((0.5, 0.9), 0.1, 2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uses": "torch/NAdam", "betas": [2, 0.9]}, "beta"),
        ({"uses": "torch/NAdam", "lr": 0}, "greater than 0"),
        ({"uses": "torch/NAdam", "momentum": 0.5}, "momentum: unknown key"),
        (
            {"uses": "torch/LBFGS"},
            "torch/LBFGS has no place in a pipeline: it evaluates the loss several times",
        ),
        ({"uses": "torch/Muon"}, "torch/Muon has no place in a pipeline: it takes matrices alone"),
        ({"uses": "NAdam"}, "there is no optimizer 'NAdam'; did you mean 'torch/NAdam'"),
        ({"uses": "Muon"}, "there is no optimizer 'Muon'; did you mean 'torch/Muon'"),
        ({"uses": "Adamm"}, "there is no optimizer 'Adamm'; did you mean 'adam'"),
    ],
)
def test_wrong_options_of_an_optimizer_are_told(registry: Registry, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build(OptimizerUse.model_validate(options))


@pytest.mark.parametrize("optimizer", ["torch/NAdam", "torch/Adafactor", "torch/Rprop", "torch/ASGD"])
def test_a_training_with_an_optimizer_of_torch_goes_on_exactly(train: Train, optimizer: str) -> None:
    options = {"epochs": 1, "optimizer": {"uses": optimizer, "lr": 1e-3}}
    whole, _ = train("whole", **options)
    with pytest.raises(SystemExit):
        train(emit=stop_at(5), **options)
    rest, _ = train(**options)
    ours, theirs = (
        load_file(context.folder / "checkpoints" / checkpoint.name_of(10) / "tensors.safetensors")
        for context in (whole, rest)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


# ------------------------------------------------------------------------------------------------- lengths and stops


def length(**options: Any) -> Length:
    return Length.of(TrainConfig.model_validate({"method": "duel", **options}), 10)


def test_lengths_in_steps_and_in_epochs() -> None:
    assert (length(epochs=3).whole, length(epochs=3).epochs) == (30, 3)
    assert (length(epochs=3, steps=25).whole, length(epochs=3, steps=25).epochs) == (25, 3)
    assert (length(steps=25, accumulate=2).whole, length(steps=25, accumulate=2).epochs) == (25, 5)
    assert length(steps=25, max_steps=7).total == 7
    assert [step for step in range(1, 26) if length(steps=25, validate={"every": {"steps": 10}}).validates(step)] == [
        10,
        20,
        25,
    ]
    assert [step for step in range(1, 31) if length(epochs=3, keep={"every": 1}).keeps(step)] == [10, 20, 30]
    assert not any(map(length(epochs=3).keeps, range(31)))


def test_a_training_of_so_many_steps(train: Train) -> None:
    _, tracker = train(steps=13, schedule={"uses": "linear-decay"}, optimizer={"lr": 1.0})
    curve = {step: value for (name, step), value in tracker.curves.items() if name == "lr/D"}
    # two epochs, one of them begun: 1 - (e + 1) / 3 for e = 0, 1
    assert curve == pytest.approx({step: 2 / 3 if step <= 10 else 1 / 3 for step in range(1, 14)})


STOP = {"validate": {"every": 1, "metrics": ["acme/told"]}, "stop": {"metric": "acme/told", "patience": 2}}


def test_a_training_stops_within_its_patience(train: Train) -> None:
    Told.values = [1.0, 3.0, 2.0, 3.0, 9.0]
    context, tracker = train(epochs=5, keep={"best": "acme/told"}, **STOP)
    assert max(step for name, step in tracker.curves if name == "critic") == 40
    assert Told.values == [9.0] and facts(context)["step"] == 20
    assert checkpoint.steps(context.folder / "checkpoints")[-1] == 40
    assert "stopped early at step 40 of 50: acme/told has not improved for 2 validations" in context.console.said()


def test_small_improvements_do_not_count(train: Train) -> None:
    Told.values = [1.0, 1.05, 1.1, 9.0]
    options = {**STOP, "stop": {"metric": "acme/told", "patience": 2, "least": 0.2}}
    _, tracker = train(epochs=5, **options)
    assert max(step for name, step in tracker.curves if name == "critic") == 30


def test_a_training_that_has_stopped_early_does_not_go_on_when_its_end_was_cut_off(train: Train) -> None:
    Told.values = [1.0, 0.0, math.nan, 9.0]
    context, _ = train(epochs=5, **STOP)
    (context.folder / "translator" / "translator.json").unlink()
    again, tracker = train(epochs=5, **STOP)
    assert not tracker.curves and facts(again)["step"] == 30


def test_the_best_of_each_metric_and_every_tenth_step_stay(train: Train) -> None:
    Told.values = [1.0, 5.0, 2.0, 3.0, 4.0]
    options = {"validate": {"every": {"steps": 4}, "metrics": ["acme/told", "acme/seen"]}, "checkpoint": {"steps": 2}}
    keep = {"best": ["acme/told", "acme/seen"], "last": 1, "every": {"steps": 6}}
    context, _ = train(steps=20, keep=keep, **options)
    assert checkpoint.steps(context.folder / "checkpoints") == [4, 6, 8, 12, 18, 20]  # `seen` is 0 each time
    assert (facts(context)["weights"], facts(context)["step"]) == ("best", 8)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"stop": {"metric": "swd"}}, ("with", "stop", "metric")),
        ({"keep": {"best": ["acme/told", "swd"]}}, ("with", "keep", "best")),
        ({"schedule": {"uses": "plateau", "metric": "swd"}}, ("with", "schedule", "metric")),
        ({"players": {"G": {"schedule": {"uses": "plateau", "metric": "swd"}}}}, ("with", "players", "G", "schedule")),
    ],
)
def test_metrics_that_are_watched_have_to_be_measured(
    data: Any, options: dict[str, Any], place: tuple[str, ...]
) -> None:
    config = TrainConfig.model_validate({"method": "duel", "validate": {"metrics": ["acme/told"]}, **options})
    (problem,) = TrainStage(config, Shop([]), 5).check({"data": data.facts})
    assert problem.path[: len(place)] == place and "validate.metrics does not name 'swd'" in problem.message


# ----------------------------------------------------------------------------------------------------------- weights


def test_frozen_weights_stay_and_others_move(train: Train) -> None:
    def emit(event: str, **told: Any) -> None:
        if event == "checkpoint_saved":
            folders.append(told["folder"])

    folders: list[Any] = []
    train(epochs=1, freeze=["back"], checkpoint={"steps": 2}, emit=emit, keep={"last": 9})
    first, last = (load_file(folder / "tensors.safetensors") for folder in (folders[0], folders[-1]))
    moved = {key.split("/")[1] for key in first if key.startswith("net/") and not torch.equal(first[key], last[key])}
    assert moved == {"there", "disc"}


def test_parts_of_networks_are_frozen_with_their_statistics() -> None:
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    net = nn.Sequential()
    net.add_module("encoder", encoder)
    net.add_module("decoder", nn.Conv2d(4, 3, 3))
    freeze({"gen": net}, ["gen.encoder"])
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(weight.grad is None for weight in encoder.parameters())
    assert all(weight.grad is not None for weight in net.decoder.parameters())
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("back.encoder", "no part 'encoder'"),
        ("disc", "player D has nothing left to train"),
    ],
)
def test_what_cannot_be_frozen_is_told_when_the_training_is_built_too(
    make_engine: Any, name: str, message: str
) -> None:
    nets = {"there": nn.Conv2d(3, 3, 1), "back": nn.Conv2d(3, 3, 1), "disc": nn.Conv2d(3, 1, 3)}
    with pytest.raises(ConfigError, match=message):
        freeze(nets, [name])
        make_engine(Duel, nets=nets, freeze=[name])


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        (
            {"freeze": ["there", "back.encoder"]},
            ("freeze", 1),
            "'back.encoder': there is no part 'encoder'; there are none",
        ),
        ({"freeze": ["disc"]}, ("freeze",), "player D has nothing left to train in disc"),
        ({"freeze": ["there", "back"]}, ("freeze",), "player G has nothing left to train in there, back"),
        (
            {"spectral_norm": ["disc.nothing"]},
            ("spectral_norm", 0),
            "'disc.nothing': there is no part 'nothing'; there are none",
        ),
        ({"freeze": ["there"], "spectral_norm": ["disc", "back"]}, None, None),
    ],
)
def test_parts_that_are_not_there_are_told_before_it_runs(
    data: Any, prepared: bool, options: dict[str, Any], place: tuple[Any, ...] | None, message: str | None
) -> None:
    known = data.facts if prepared else {key: data.facts[key] for key in ("kind", "splits", "pairs")}
    config = TrainConfig.model_validate({"method": "duel", **options})
    problems = [(problem.path, problem.message) for problem in TrainStage(config, Shop([]), 5).check({"data": known})]
    assert problems == ([(("with", *place), message)] if place else [])


def test_a_part_of_a_built_in_network_is_told_before_it_runs(registry: Registry) -> None:
    options = {"generator": {"uses": "resnet", "filters": 2}, "discriminator": {"uses": "patchgan", "filters": 2}}
    config = TrainConfig.model_validate({"method": "pix2pix", "options": options, "freeze": ["gen.encoder"]})
    facts = {"kind": "paired", "splits": ["train"], "pairs": ["train"]}
    (problem,) = TrainStage(config, registry, 5).check({"data": facts})
    assert problem.path == ("with", "freeze", 0)
    assert problem.message == "'gen.encoder': there is no part 'encoder'; there are stem, down, blocks, up, head"


def test_parts_of_networks_that_cannot_be_built_yet_are_left_to_the_run(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def networks(self: Duel, build: Any) -> dict[str, nn.Module]:
        raise RuntimeError("weights are not there yet")

    monkeypatch.setattr(Duel, "networks", networks)
    config = TrainConfig.model_validate({"method": "duel", "freeze": ["back.encoder"]})
    assert not list(TrainStage(config, Shop([]), 5).check({"data": data.facts}))


def test_a_network_that_is_not_there_cannot_be_frozen(data: Any) -> None:
    config = TrainConfig.model_validate({"method": "duel", "freeze": ["bakc.encoder"]})
    (problem,) = TrainStage(config, Shop([]), 5).check({"data": data.facts})
    assert (
        problem.path == ("with", "freeze", 0) and "duel has no network 'bakc'; did you mean 'back'" in problem.message
    )


def test_an_average_with_a_warm_up_forgets_the_first_weights(make_engine: Any) -> None:
    config = TrainConfig.model_validate({"method": "duel", "ema": {"decay": 0.9}})
    engine = make_engine(Duel)
    averages, weight = Averages(engine, ["there"], config.ema), engine.nets["there"].bias
    expected = torch.zeros(3, dtype=torch.float64)
    for step in range(20):
        with torch.no_grad():
            weight.fill_(step**2 / 10)
        engine.players["G"].done += 1
        averages.update()
        decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * weight.detach().double()
    assert torch.allclose(averages.net("there").bias.double(), expected, rtol=1e-5)


def test_an_average_has_running_statistics_that_belong_to_it() -> None:
    torch.manual_seed(0)
    norm, conv = nn.BatchNorm2d(2), nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 2, 3))
    player = SimpleNamespace(done=0)
    game = SimpleNamespace(players={"G": ("net",)})
    engine: Any = SimpleNamespace(nets={"net": nn.Sequential(norm, conv)}, method=game, players={"G": player})
    averages = Averages(engine, ["net"], 0.9)
    means, variances = torch.zeros(2), torch.zeros(2)
    for step in range(5):
        engine.nets["net"](step + torch.randn(2, 2, 4, 4) * (step + 1))
        player.done += 1
        averages.update()
        decay = 0.9 if step else 0.0
        means = decay * means + (1 - decay) * norm.running_mean
        variances = decay * variances + (1 - decay) * norm.running_var
    average = dict(averages.net("net").named_buffers())
    torch.testing.assert_close(average.pop("0.running_mean"), means)
    torch.testing.assert_close(average.pop("0.running_var"), variances)
    # counts, and the singular vectors of a weight, are those of the last step
    assert len(average) == 3 and not torch.equal(means, norm.running_mean)
    live = dict(engine.nets["net"].named_buffers())
    assert all(torch.equal(values, live[name]) for name, values in average.items())
