"""Optimizers and schedules of torch by their own names with their own options: `optimizer: {uses: torch/NAdam}` and
`schedule: {uses: torch/OneCycleLR, max_lr: 1, unit: updates}`.

Rates in the options of a schedule are factors of the optimizer's `lr`, as those of every schedule are. Left out is what
needs functions or other schedules (a pipeline file has neither), and what changes momentum together with the rate.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveFloat
from torch import nn
from torch.optim import lr_scheduler

from translate.contracts import Optimizer, OptimizerConfig, Schedule, ScheduleConfig
from translate.data.signature_options import config_of, values
from translate.markers import hookimpl
from translate.training.optimization.optimizers import Params

LEFT_OUT = {
    "LBFGS": "evaluates the loss several times in a step",
    "Muon": "takes matrices alone, and convolutions have none",
    "SparseAdam": "takes sparse gradients alone",
    **dict.fromkeys(("LambdaLR", "MultiplicativeLR"), "takes a function"),
    **dict.fromkeys(("ChainedScheduler", "SequentialLR"), "takes other schedules"),
    "ReduceLROnPlateau": "reads scores, and the schedule `plateau` does the same",
}
"""Optimizers and schedules of the library that a pipeline cannot use: what each does that has no place here."""
_ENGINES = frozenset(
    {
        *("self", "params", "optimizer", "lr", "last_epoch", "scale_fn"),
        *("foreach", "fused", "maximize", "capturable", "differentiable"),
        *("cycle_momentum", "base_momentum", "max_momentum", "epochs", "steps_per_epoch"),
    }
)
"""Arguments of the library that the engine decides."""
_WHOLE = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "PolynomialLR": "total_iters"}
"""The argument of a schedule that is its length; `null`, the default, is the whole training, and the rate stays after
it."""
_TRIED = 10
"""The length of the training with which options of a schedule are tried."""


class TorchOptimizer(Optimizer[OptimizerConfig]):
    """An optimizer of `torch.optim`."""

    library_name: ClassVar[str]

    def build(self, params: Params, *, fused: bool) -> torch.optim.Optimizer:
        options = values(self.config)
        if "fused" in inspect.signature(getattr(torch.optim, self.library_name)).parameters:
            options["fused"] = fused or None
        return _optimizer(self.library_name, params, options)


class TorchSchedule(Schedule[ScheduleConfig]):
    """A schedule of `torch.optim.lr_scheduler`, run with the rate 1 in front of the training."""

    library_name: ClassVar[str]

    def __init__(self, config: ScheduleConfig) -> None:
        super().__init__(config)
        self._options = values(config, frozenset(ScheduleConfig.model_fields))
        self._runs: dict[int, _Run] = {}

    def factor(self, position: int, total: int) -> float:
        if total not in self._runs:
            self._runs[total] = _Run(self.library_name, self._options, total)
        return self._runs[total].factor(position)


class _Run:
    """The factors of a schedule for one length of training, as far as they were asked for."""

    def __init__(self, name: str, options: Mapping[str, Any], total: int) -> None:
        self.optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self.scheduler = _scheduler(name, self.optimizer, total, options)
        self.factors = [self._rate()]
        length = options.get(_WHOLE.get(name, ""))
        if name == "OneCycleLR":
            self.last = (length or total) - 1
        elif name in _WHOLE and length is None:
            self.last = total
        else:
            self.last = None

    def factor(self, position: int) -> float:
        """The factor at a position; past the end of a schedule that has one, its last."""
        if self.last is not None:
            position = min(position, self.last)
        while len(self.factors) <= position:
            self.optimizer.step()  # the library warns of a schedule that moves before its optimizer
            self.scheduler.step()
            self.factors.append(self._rate())
        return self.factors[position]

    def _rate(self) -> float:
        return max(0.0, float(self.optimizer.param_groups[0]["lr"]))


@hookimpl
def translate_optimizers() -> dict[str, type[Optimizer[Any]]]:
    """Every optimizer of the library that a pipeline file can use, by the library's name for it."""
    classes: dict[str, type[Optimizer[Any]]] = {}
    for name, kind in sorted(vars(torch.optim).items()):
        usable = inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
        if not usable or name in LEFT_OUT:
            continue
        parameters = _parameters(kind)
        rate = inspect.signature(kind.__init__).parameters["lr"].default
        config = config_of(
            name,
            parameters,
            _annotations(kind),
            partial(_optimizer, name, [nn.Parameter(torch.zeros(1))]),
            base=OptimizerConfig,
            further={"lr": (PositiveFloat, Field(rate, description="Learning rate at the start."))},
        )
        facts = {"name": name, "library_name": name, "Config": config, "__module__": __name__}
        classes[name] = type(name, (TorchOptimizer,), {**facts, "__doc__": f"`torch.optim.{name}`."})
    return classes


@hookimpl
def translate_schedules() -> dict[str, type[Schedule[Any]]]:
    """Every schedule of the library that a pipeline file can use, by the library's name for it."""
    base = lr_scheduler.LRScheduler
    classes: dict[str, type[Schedule[Any]]] = {}
    for name, kind in sorted(vars(lr_scheduler).items()):
        usable = inspect.isclass(kind) and issubclass(kind, base) and not issubclass(base, kind)
        if not usable or name in LEFT_OUT or name.startswith("_"):
            continue
        parameters = _parameters(kind)
        annotations = _annotations(kind)
        length = _WHOLE.get(name)
        if length is not None:
            annotations[length] = int | None
        config = config_of(
            name,
            parameters,
            annotations,
            partial(_scheduler, name, torch.optim.SGD([torch.zeros(1)], lr=1.0), _TRIED),
            base=ScheduleConfig,
            defaults={length: None} if length is not None else None,
        )
        facts = {"name": name, "library_name": name, "Config": config, "__module__": __name__}
        classes[name] = type(name, (TorchSchedule,), {**facts, "__doc__": f"`torch.optim.lr_scheduler.{name}`."})
    return classes


def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a class of the library that a pipeline file gives."""
    return {key: p for key, p in inspect.signature(kind.__init__).parameters.items() if key not in _ENGINES}


def _annotations(kind: Any) -> dict[str, Any]:
    """The types of the arguments, as far as the library's own names for them can be resolved."""
    try:
        return typing.get_type_hints(kind.__init__, {**vars(typing), **vars(inspect.getmodule(kind))})
    except NameError:
        return {}


def _optimizer(name: str, params: Params, options: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The library's optimizer. Errors: ValueError, TypeError with its words on the options."""
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(params, **options)
    return optimizer


def _scheduler(
    name: str, optimizer: torch.optim.Optimizer, total: int, options: Mapping[str, Any]
) -> lr_scheduler.LRScheduler:
    """The library's schedule for a training of the length `total`. Errors: ValueError, TypeError, as above."""
    arguments = dict(options)
    length = _WHOLE.get(name)
    if length is not None and arguments[length] is None:
        arguments[length] = total
    kind = getattr(lr_scheduler, name)
    if "cycle_momentum" in inspect.signature(kind.__init__).parameters:
        arguments["cycle_momentum"] = False
    scheduler: lr_scheduler.LRScheduler = kind(optimizer, **arguments)
    return scheduler
