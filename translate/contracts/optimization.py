"""Optimizers and schedules: how an update moves the weights of a player, and the learning rate over a training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import NonNegativeInt, PositiveFloat

from translate.contracts.options import Config, Configured

if TYPE_CHECKING:
    import torch
    from torch import nn


class OptimizerConfig(Config):
    """Options of every optimizer; the Config of each one derives from it and adds its own."""

    lr: PositiveFloat = 2e-4
    """Learning rate at the start; a schedule multiplies it. The default is that of DCGAN, pix2pix and CycleGAN."""


class ScheduleConfig(Config):
    """Options of every schedule; the Config of each one derives from it and adds its own."""

    unit: Literal["epochs", "steps", "updates"] = "epochs"
    """Unit in which the schedule counts: `epochs`, `steps` of the training, or `updates`, the optimizer steps of the
    player. With `updates` the end is the number of training steps."""
    warmup: NonNegativeInt = 0
    """Updates of the player over which its rate rises in a line to what the schedule says, whatever its `unit`."""


OC = TypeVar("OC", bound=OptimizerConfig)
SC = TypeVar("SC", bound=ScheduleConfig)


class Optimizer(Configured[OC], ABC):
    """An optimizer by name, for `optimizer:` of a train stage: it makes the torch optimizer of one player.

    class Lion(Optimizer[LionConfig]):
        name = "lion"

        def build(self, params, *, fused):
            return SignedMomentum(params, lr=self.config.lr, betas=self.config.betas)
    """

    Config: ClassVar[type[Config]] = OptimizerConfig

    def __init__(self, config: OC) -> None:
        self.config = config

    @abstractmethod
    def build(self, params: Sequence[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        """A new torch optimizer of `params`, all in one group, with the learning rate `self.config.lr`.

        `fused` is true where torch's fused kernels are wanted; an optimizer without any leaves it unread. The engine
        sets `lr` of the group before each step, and keeps in checkpoints what `state_dict()` has for each parameter
        and what the optimizer changed in its group: tensors, and numbers, texts and None as JSON has them. What cannot
        be kept (other types, a state of no parameter, a number that the optimizer counts in an attribute of its own)
        ends a training with a ContractError after the player's first update.
        """


class Schedule(Configured[SC], ABC):
    """A learning rate over time by name, for `schedule:` of a train stage, as a factor of the optimizer's `lr`.

    A schedule has no state: the factor follows from where the training stands and from the scores of its validations,
    so that a resumed one goes on right.
    """

    Config: ClassVar[type[Config]] = ScheduleConfig
    watches: str = ""
    """The metric of `validate.metrics` whose values `factor_after` reads; empty for none."""

    def __init__(self, config: SC) -> None:
        self.config = config

    @abstractmethod
    def factor(self, position: int, total: int) -> float:
        """The factor, 0 or more, of the learning rate at `position` (0, 1, ...) of `total`, both in `unit`.

        `position` may pass `total`: a player that updates twice a step gets there.
        """

    def factor_after(self, scores: Sequence[float], better: Literal["higher", "lower"]) -> float:
        """A further factor, 0 or more, that follows from the values of the metric `watches` in all validations so far.

        `better` is the metric's. Where several directions are scored, a value is that of the worst one.
        """
        return 1.0

    def note(self, total: int) -> str:
        """A sentence for `translate plan` on options that are odd with so many units, but not wrong; else empty."""
        return ""
