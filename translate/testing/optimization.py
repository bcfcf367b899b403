"""The conformance of what trains a player: adversarial objectives, optimizers, schedules."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Optimizer, Schedule, Step
from translate.errors import ContractError
from translate.objectives import AdversarialLoss, Objective
from translate.testing.component import ComponentChecks
from translate.testing.report import check
from translate.training.saving.optimizers import optimizer_state, restore_optimizer

STEPS = 6
"""Optimizer steps before and after a restart."""
SCORES = 40
"""Validations whose scores a schedule reads."""
LONG = 200
"""Epochs that a schedule is asked for, and passed by half."""


def assert_objective_conforms(cls: type[AdversarialLoss[Any]], *, options: Mapping[str, Any] | None = None) -> None:
    """Plays both losses on generated scores and images. Errors: AssertionError that says what to change."""
    ObjectiveChecks(cls, options=options).demand()


def assert_optimizer_conforms(cls: type[Optimizer[Any]], *, options: Mapping[str, Any] | None = None) -> None:
    """Minimises a small function, and restarts in the middle. Errors: AssertionError that says what to change."""
    OptimizerChecks(cls, options=options).demand()


def assert_schedule_conforms(cls: type[Schedule[Any]], *, options: Mapping[str, Any] | None = None) -> None:
    """Asks for the factor of many positions, in two orders, and after many scores.

    Errors: AssertionError that says what to change.
    """
    ScheduleChecks(cls, options=options).demand()


class ObjectiveChecks(ComponentChecks):
    """An objective is two scalar losses of raw scores, of any shape, that teach both players."""

    kind = "objectives"

    def objective(self) -> Objective:
        config = self.config()
        return Objective(uses=self.cls.name or "objective").ready(lambda _: self.cls(config))

    def losses(self, shape: tuple[int, ...]) -> dict[str, tuple[Tensor, Tensor]]:
        """The loss of each player with the tensor that it should have a gradient to."""
        torch.manual_seed(0)
        net = nn.Conv2d(3, 1, 8, 8) if len(shape) == 4 else nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
        real, fake = torch.rand(shape) * 2 - 1, (torch.rand(shape) * 2 - 1).requires_grad_()
        step = Step(0, 0, {}, torch.Generator().manual_seed(0))
        objective = self.objective()
        critic = objective.critic(net, real, fake, step)
        objective.constrain(copy.deepcopy(net))
        return {
            "critic": (critic, next(net.parameters())),
            "generator": (objective.generator(net, fake, real, step), fake),
        }

    @check("gives both players a finite scalar with a gradient", "options")
    def scalars(self) -> Iterator[str]:
        for player, (loss, leaf) in self.losses((2, 3, 8, 8)).items():
            if not isinstance(loss, Tensor) or loss.ndim:
                yield f"{player}() returns {_shape(loss)}; return a scalar tensor, such as a mean"
            elif not loss.isfinite():
                hint = "; set `relative = True` if it reads the scores of real images" if player == "generator" else ""
                yield f"{player}() returns {loss.item()}{hint}"
            elif not loss.requires_grad:
                yield f"{player}() has no gradient; do not detach the scores"
            else:
                (slope,) = torch.autograd.grad(loss, leaf, allow_unused=True, retain_graph=True)
                if slope is None or not slope.any():
                    yield f"{player}() teaches nothing: its gradient is zero"
                elif not slope.isfinite().all():
                    yield f"the gradient of {player}() is not finite"

    @check("has a boundary between real and fake scores, or none", "options")
    def boundary(self) -> Iterator[str]:
        value = self.cls(self.config()).boundary()
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            yield f"boundary() returns {value!r}; return the score at which the critic cannot tell, or None"

    @check("counts a patch like an image", "scalars")
    def shapes(self) -> Iterator[str]:
        losses = self.cls(self.config())
        a, b = torch.randn(4, 1, generator=torch.Generator().manual_seed(1)), torch.linspace(-1, 1, 4)[:, None]
        real = a if losses.relative else a.new_empty(0)
        rows = losses.critic(a, b), losses.generator(real, b)
        square = tuple(t.reshape(1, 1, 2, 2) for t in (a, b))
        patches = losses.critic(*square), losses.generator(square[0] if losses.relative else real, square[1])
        for player, one, other in zip(("critic", "generator"), rows, patches, strict=True):
            if not torch.allclose(one, other):
                yield f"{player}() gives {one.item():g} for four images, and {other.item():g} for four patches of one"


class OptimizerChecks(ComponentChecks):
    """An optimizer makes losses smaller, and goes on from a checkpoint as though nothing had happened."""

    kind = "optimizers"

    def player(self) -> Any:
        """A player of one small network, as far as a checkpoint looks at one."""
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        params = list(net.parameters())
        optimizer = self.cls(self.config()).build(params, fused=False)
        return SimpleNamespace(net=net, params=params, optimizer=optimizer, done=0)

    def moved(self, player: Any, steps: int) -> list[float]:
        """The losses of some steps towards a fixed target."""
        inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
        values = []
        for _ in range(steps):
            player.optimizer.zero_grad()
            loss = (player.net(inputs) - inputs[:, :2]).square().mean()
            loss.backward()
            player.optimizer.step()
            values.append(loss.item())
        return values

    @check("is a torch optimizer of all parameters in one group", "options")
    def built(self) -> Iterator[str]:
        player = self.player()
        if not isinstance(player.optimizer, torch.optim.Optimizer):
            yield f"build() returns {type(player.optimizer).__name__}; return a torch.optim.Optimizer"
            return
        groups = player.optimizer.param_groups
        if len(groups) != 1 or len(groups[0]["params"]) != len(player.params):
            yield f"build() makes {len(groups)} groups; put all parameters into one"
        elif groups[0].get("lr") != self.config().lr:
            yield f"its group has the rate {groups[0].get('lr')}, not that of its options, {self.config().lr}"

    @check("makes a loss smaller", "built")
    def learns(self) -> Iterator[str]:
        losses = self.moved(self.player(), 30)
        if not all(map(math.isfinite, losses)) or not losses[-1] < losses[0]:
            yield f"a convex loss went from {losses[0]:g} to {losses[-1]:g} in 30 steps"

    @check("resumes exactly", "learns")
    def resumes(self) -> Iterator[str]:
        first = self.player()
        self.moved(first, STEPS)
        try:
            tensors, numbers = optimizer_state(first.optimizer)
        except ContractError as error:
            yield str(error)
            return
        other = self.player()
        other.net.load_state_dict(copy.deepcopy(first.net.state_dict()))
        restore_optimizer(other, copy.deepcopy(tensors), dict(numbers))
        if self.moved(first, STEPS) != self.moved(other, STEPS):
            yield (
                "after a restart it goes another way; keep what it remembers in `self.state[parameter]` or in its "
                "group, as tensors and plain numbers"
            )


class ScheduleChecks(ComponentChecks):
    """A schedule is a function of where the training stands."""

    kind = "schedules"

    @check("gives a finite factor, 0 or more, at any position", "options")
    def factors(self) -> Iterator[str]:
        schedule = self.cls(self.config())
        for total in (1, 2, LONG):
            for position in range(total + total // 2 + 1):
                factor = schedule.factor(position, total)
                if not _is_factor(factor):
                    yield f"factor({position}, {total}) is {factor!r}; return a number, 0 or more"
                    return

    @check("has no memory", "factors")
    def stateless(self) -> Iterator[str]:
        schedule = self.cls(self.config())
        forwards = [schedule.factor(position, LONG) for position in range(LONG)]
        again = self.cls(self.config())
        backwards = [again.factor(position, LONG) for position in reversed(range(LONG))]
        if forwards != backwards[::-1]:
            yield "factor() depends on earlier calls; compute it from `position` and `total` alone"

    @check("reads the scores of validations without a memory", "options")
    def scores(self) -> Iterator[str]:
        schedule = self.cls(self.config())
        if self.cls.factor_after is not Schedule.factor_after and not schedule.watches:
            yield "factor_after() reads scores, and `watches` names no metric: set it to the one of an option"
            return
        for better in ("higher", "lower"):
            for history in _histories():
                forwards = [schedule.factor_after(history[:count], better) for count in range(len(history) + 1)]
                wrong = [factor for factor in forwards if not _is_factor(factor)]
                if wrong:
                    yield f"factor_after() gives {wrong[0]!r}; return a number, 0 or more, also for NaN and no scores"
                    return
                again = self.cls(self.config())
                if again.factor_after(history, better) != forwards[-1]:
                    yield "factor_after() depends on earlier calls; compute it from `scores` and `better` alone"
                    return


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _histories() -> list[list[float]]:
    """Scores of validations: that rise, fall, stand still, jump, and are not always numbers."""
    line = [float(value) for value in range(SCORES)]
    jumps = torch.randn(SCORES, generator=torch.Generator().manual_seed(0)).tolist()
    return [line, line[::-1], [1.0] * SCORES, jumps, [math.nan, math.inf, -math.inf, *jumps, math.nan]]


def _shape(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
