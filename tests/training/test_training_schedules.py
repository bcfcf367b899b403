"""Learning rates over a training, against the schedules of torch run by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from duel import Told, Train, stop_at
from torch.optim import lr_scheduler

from translate.contracts import ScheduleUse
from translate.errors import ConfigError
from translate.plugins import Registry
from translate.training.optimization.schedules import OneCycle, OneCycleConfig, Plateau, PlateauConfig

LIBRARY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ConstantLR": ({}, {}),
    "CosineAnnealingLR": ({}, {"T_max": 12}),
    "CosineAnnealingWarmRestarts": ({"T_0": 3, "T_mult": 2}, {}),
    "CyclicLR": (
        {"base_lr": 0.1, "max_lr": 2.0, "step_size_up": 4, "mode": "triangular2"},
        {"cycle_momentum": False},
    ),
    "ExponentialLR": ({"gamma": 0.9}, {}),
    "LinearLR": ({"total_iters": 4}, {}),
    "MultiStepLR": ({"milestones": [3, 5]}, {}),
    "OneCycleLR": ({"max_lr": 3.0}, {"total_steps": 12, "cycle_momentum": False}),
    "PolynomialLR": ({"power": 2.0}, {"total_iters": 12}),
    "StepLR": ({"step_size": 5, "gamma": 0.5}, {}),
}
"""What a pipeline says of each schedule, and what the library has to be told beside it for 12 epochs."""


def by_hand(make: Callable[[Any], Any], count: int) -> list[float]:
    """The rates that torch's schedule sets for an optimizer of the rate 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule, rates = make(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("name", LIBRARY)
def test_schedules_of_torch_by_their_names(registry: Registry, name: str) -> None:
    said, further = LIBRARY[name]
    schedule = registry.build(ScheduleUse(uses=f"torch/{name}", options=said))
    expected = by_hand(lambda optimizer: getattr(lr_scheduler, name)(optimizer, **said, **further), 12)
    backwards = [schedule.factor(position, 12) for position in reversed(range(12))]
    assert backwards[::-1] == pytest.approx(expected)


def test_all_of_torchs_schedules_are_here_or_left_out_for_a_reason(registry: Registry) -> None:
    registry.load("torch")
    names = {name.removeprefix("torch/") for name in registry.names("schedules") if name.startswith("torch/")}
    assert names == set(LIBRARY)


def test_a_schedule_whose_length_is_the_training_stays_at_its_end(registry: Registry) -> None:
    for name in ("CosineAnnealingLR", "OneCycleLR", "PolynomialLR"):
        schedule = registry.build(ScheduleUse(uses=f"torch/{name}", options=LIBRARY[name][0]))
        assert schedule.factor(40, 12) <= schedule.factor(11, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uses": "torch/StepLR"}, "step_size"),
        ({"uses": "torch/OneCycleLR", "max_lr": 1, "pct_start": 7}, "pct_start"),
        ({"uses": "torch/StepLR", "step_sise": 5}, "did you mean 'step_size'"),
        ({"uses": "torch/LambdaLR"}, "torch/LambdaLR has no place in a pipeline: it takes a function"),
        ({"uses": "torch/SequentialLR"}, "torch/SequentialLR has no place in a pipeline: it takes other schedules"),
        ({"uses": "torch/ReduceLROnPlateau"}, "it reads scores, and the schedule `plateau` does the same"),
        ({"uses": "StepLR"}, "there is no schedule 'StepLR'; did you mean 'torch/StepLR'"),
        ({"uses": "plateau"}, "metric"),
        ({"uses": "one-cycle", "rise": 1.5}, "rise"),
        ({"uses": "cosine", "start": -1}, "start: must be at least 0"),
        ({"uses": "cosine", "start": {"steps": 0}}, "start.steps: must be greater than 0"),
        ({"uses": "step", "every": {"step": 5}}, "did you mean 'steps'"),
        ({"uses": "step", "every": {"steps": 5}, "unit": "epochs"}, "`every` is in steps, and `unit` says epochs"),
    ],
)
def test_wrong_options_are_told(registry: Registry, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build(ScheduleUse.model_validate(options))


@pytest.mark.parametrize(("rise", "total"), [(0.3, 10), (0.5, 7), (0.1, 40), (0.3, 2)])
def test_one_cycle_is_the_one_of_torch(rise: float, total: int) -> None:
    schedule = OneCycle(OneCycleConfig(rise=rise, first=0.1, last=0.001))
    expected = by_hand(
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer,
            1.0,
            total_steps=total,
            pct_start=rise,
            cycle_momentum=False,
            div_factor=10,
            final_div_factor=100,
        ),
        total - 1,
    )
    assert [schedule.factor(position, total) for position in range(total - 1)] == pytest.approx(expected)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_plateau_is_the_one_of_torch(better: Any) -> None:
    schedule = Plateau(PlateauConfig(metric="swd", gamma=0.5, patience=2, least=0.1, floor=0.05))
    scores = np.random.default_rng(0).normal(size=60).cumsum().tolist()
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        "max" if better == "higher" else "min",
        factor=0.5,
        patience=2,
        threshold=0.1,
        threshold_mode="abs",
        min_lr=0.05,
    )
    for count in range(1, len(scores) + 1):
        theirs.step(scores[count - 1])
        assert schedule.factor_after(scores[:count], better) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert optimizer.param_groups[0]["lr"] == 0.05


def rates(tracker: Any, player: str = "D") -> list[float]:
    curve = [(step, value) for (name, step), value in tracker.curves.items() if name == f"lr/{player}"]
    return [value for _, value in sorted(curve)]


def test_a_warm_up_rises_to_what_the_schedule_says(train: Train) -> None:
    schedule = {"uses": "linear-decay", "start": 1, "warmup": 5}
    _, tracker = train(epochs=2, optimizer={"lr": 1.0}, schedule=schedule)
    assert rates(tracker) == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 6, *[0.5] * 10])


def test_a_player_warms_up_by_its_own_updates(train: Train) -> None:
    _, tracker = train(epochs=1, optimizer={"lr": 1.0}, schedule={"uses": "constant", "warmup": 4})
    # the generator of this game plays in steps 2, 5 and 8
    assert rates(tracker, "G") == pytest.approx([0.25, 0.5, 0.75])


@pytest.mark.parametrize("start", [{"start": {"steps": 4}}, {"start": 4, "unit": "steps"}])
def test_a_schedule_in_steps_falls_by_the_steps_of_the_training(train: Train, start: dict[str, Any]) -> None:
    options = {"steps": 10, "optimizer": {"lr": 1.0}, "schedule": {"uses": "linear-decay", **start}}
    _, tracker = train(**options)
    line = [min(1.0, 1 - (step - 4) / 7) for step in range(1, 11)]
    assert rates(tracker) == pytest.approx(line)
    # the generator of this game plays in steps 2, 5 and 8, whose rate is that of the critic
    assert rates(tracker, "G") == pytest.approx([line[1], line[4], line[7]])


def test_a_length_in_steps_is_one_of_the_training(train: Train) -> None:
    schedule = {"uses": "step", "every": {"steps": 3}, "gamma": 0.5}
    _, tracker = train(steps=8, optimizer={"lr": 1.0}, schedule=schedule)
    assert rates(tracker) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_plateau_lowers_the_rate_after_the_validation_that_shows_it(train: Train) -> None:
    Told.values = [1.0, 2.0, 2.0, 2.0, 3.0]
    schedule = {"uses": "plateau", "metric": "acme/told", "gamma": 0.5, "patience": 1}
    validate = {"every": {"steps": 2}, "metrics": ["acme/told"]}
    _, tracker = train(epochs=1, optimizer={"lr": 1.0}, schedule=schedule, validate=validate)
    assert rates(tracker) == [1.0] * 8 + [0.5] * 2


@pytest.mark.parametrize("step", [7, 8, 9])
def test_a_plateau_goes_on_after_an_interruption(train: Train, step: int) -> None:
    schedule = {"uses": "plateau", "metric": "acme/told", "gamma": 0.5, "patience": 1}
    options = {"schedule": schedule, "validate": {"every": {"steps": 2}, "metrics": ["acme/told"]}, "epochs": 1}
    Told.values = [1.0, 2.0, 2.0, 2.0, 3.0]
    _, expected = train("whole", **options)
    Told.values = [1.0, 2.0, 2.0, 2.0, 3.0]
    with pytest.raises(SystemExit):
        train(emit=stop_at(step), **options)
    _, rest = train(**options)
    assert rates(rest) == rates(expected)[step:]
