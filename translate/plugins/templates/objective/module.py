"""my-plugin: the total variation distance as the game of an f-GAN.

Nowozin, Cseke, Tomioka, "f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization",
NIPS 2016, arXiv 1606.00709, tables 2 and 6.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from translate import AdversarialLoss, ObjectiveConfig, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(ObjectiveConfig):
    """The options of the objective, beside those that all have. The string below each is its description."""

    sharpness: Annotated[float, Field(gt=0, le=10)] = 1.0
    """How fast scores saturate: they count as tanh(sharpness x score) / 2."""


class MyPlugin(AdversarialLoss[MyPluginConfig]):
    """D maximises E T(real) - E T(fake) with T in (-1/2, 1/2), and G minimises it: no image can count without bound."""

    name = "my-plugin"

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss of D: `a` are its raw scores of real images, `b` those of fakes."""
        return self.bounded(b).mean() - self.bounded(a).mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss of G. Say `relative = True` where it reads the scores of real images, too."""
        return -self.bounded(b).mean()

    def bounded(self, scores: Tensor) -> Tensor:
        return (self.config.sharpness * scores).tanh() / 2


@hookimpl
def translate_objectives() -> list[type[AdversarialLoss[Any]]]:
    return [MyPlugin]
