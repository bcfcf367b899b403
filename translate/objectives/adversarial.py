"""An adversarial objective by name: two losses of raw scores, and the options that all objectives share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, TypeVar

import torch
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from translate.contracts import Config, Configured
from translate.objectives.penalties import Critic

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ObjectiveConfig(Config):
    """Options of every adversarial objective; the Config of each one derives from it and adds its own."""

    r1: Weight = 0.0
    """The weight g of g/2 E |slope of D|^2 at real images (Mescheder et al. 2018; 10 in their paper); 0: none."""
    r2: Weight = 0.0
    """The weight g of g/2 E |slope of D|^2 at fake images; 0: none."""
    lazy: Annotated[int, Field(ge=1)] = 1
    """The penalties `r1` and `r2` are computed every so many steps, then so many times as strong (16 in StyleGAN 2)."""
    noise: Weight = 0.0
    """The standard deviation, in values from -1 to 1, of fresh noise on all images that D sees; with `noise_steps`."""
    noise_steps: Annotated[int, Field(ge=0)] = 0
    """The steps over which the noise falls linearly to 0."""

    @model_validator(mode="after")
    def _what_belongs_together(self) -> ObjectiveConfig:
        if self.lazy > 1 and not (self.r1 or self.r2):
            raise _error("'lazy' spaces out the penalties 'r1' and 'r2': set one of them")
        if bool(self.noise) != bool(self.noise_steps):
            raise _error("'noise' and 'noise_steps' belong together: how much noise, and over how many steps it fades")
        return self


OC = TypeVar("OC", bound=ObjectiveConfig)


class AdversarialLoss(Configured[OC], ABC):
    """The game of two players by name, for the knob `objective:` of methods: what the critic minimises, and what the
    generator does.

    `a` are the raw scores of real images, `b` those of fakes, float32 tensors of any shape that starts with N. Each
    loss is a scalar. Noise on images and the penalties `r1` and `r2` are added around them (see `Objective`).
    """

    Config: ClassVar[type[Config]] = ObjectiveConfig
    relative: ClassVar[bool] = False
    """True where the generator's loss reads the scores of real images as well."""
    paired: ClassVar[bool] = False
    """True where real and fake are compared one to one, so that their shapes must be equal."""

    def __init__(self, config: OC) -> None:
        self.config = config

    @abstractmethod
    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss that the critic's side minimises."""

    @abstractmethod
    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss that the generator's side minimises. `a` is detached, and empty unless the loss is `relative`."""

    def boundary(self) -> float | None:
        """The score at which the critic takes an image for a real one as much as for a fake; None where scores count
        by their differences alone. Adaptive augmentation goes by it."""
        return 0.0

    def penalty(
        self, D: Critic, real: Tensor, fake: Tensor, scores: tuple[Tensor, Tensor], rng: torch.Generator
    ) -> Tensor | None:
        """A term that the critic's loss has besides, with its weight; None for none.

        `D` judges images, `real` and `fake` are those that it saw (N x C x H x W), `scores` are `a` and `b`, and `rng`
        is the step's generator.
        """
        return None

    def constrain(self, critics: Sequence[nn.Module]) -> None:
        """Called without gradients after an update of the critics, to keep their weights within bounds."""


def _error(message: str) -> PydanticCustomError:
    """Unlike a ValueError, whose message pydantic prefixes."""
    return PydanticCustomError("objective", message)
