"""The built-in adversarial objectives, each beside its equation: what the critic minimises, and what the generator
does.

`a` are the raw scores of real images, `b` those of fakes, of any shape: a patch counts like an image. E is the mean
over all of them; s the sigmoid, sp(t) = log(1 + e^t) the softplus, D = s(score). The critic's losses are sums, real +
fake; where a paper has 1/2, that is the method's weight of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu, softplus as sp

from translate.objectives.adversarial import AdversarialLoss, ObjectiveConfig, Positive, Weight
from translate.objectives.penalties import Critic, gradient_penalty, margin


class SmoothedConfig(ObjectiveConfig):
    """Options of an objective whose real scores have a target."""

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The target of real scores is 1 - smoothing, so that the critic is less sure; that of fakes and of the generator
    stays. 0.1 is usual."""


class ClampedConfig(SmoothedConfig):
    """Options of `maximum-likelihood`."""

    clamp: Positive = 10.0
    """The largest score of a fake that counts: above it, a few fakes would be the whole loss."""


class ClippedConfig(ObjectiveConfig):
    """Options of `wgan`."""

    clip: Positive = 0.01
    """The bound of every weight of the critic, plus and minus (0.01 in the paper)."""


class PenaltyConfig(ObjectiveConfig):
    """Options of `wgan-gp`."""

    penalty: Weight = 10.0
    """The weight of the one-centred gradient penalty between real and fake images (10 in the paper)."""


class SlackConfig(ObjectiveConfig):
    """Options of `loss-sensitive`."""

    slack: Weight = 1.0
    """The weight of the margin term."""


# ------------------------------------------------- Goodfellow et al., Generative Adversarial Nets, NIPS 2014, eq. 1

S = TypeVar("S", bound=SmoothedConfig)


class _Log(AdversarialLoss[S]):
    """The critic of the log losses."""

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """-E log D(x) - E log(1 - D(G)); smoothed: alpha sp(-a) + (1 - alpha) sp(a) (Salimans et al. 2016, section
        3.4)."""
        smoothing = self.config.smoothing
        real = (1 - smoothing) * sp(-a) + smoothing * sp(a) if smoothing else sp(-a)
        return real.mean() + sp(b).mean()


class Minimax(_Log[SmoothedConfig]):
    """Log losses, as one game of minimax: the generator's saturates where the critic wins (Goodfellow et al. 2014)."""

    name = "minimax"

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """E log(1 - D(G)) = -E sp(b)."""
        return -sp(b).mean()


class NonSaturating(_Log[SmoothedConfig]):
    """Log losses, with a generator's loss that keeps its slope (Goodfellow et al. 2014, section 3)."""

    name = "non-saturating"

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """-E log D(G) = E sp(-b)."""
        return sp(-b).mean()


class MaximumLikelihood(_Log[ClampedConfig]):
    """Log losses, with a generator's loss whose gradient is that of maximum likelihood (Goodfellow 2016, section
    3.2.4)."""

    name = "maximum-likelihood"

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """-1/2 E e^b. Above `clamp` a score pulls no more: a few fakes would be all."""
        return -0.5 * b.clamp(max=self.config.clamp).exp().mean()


# ------------------------------------------------------------------ Mao et al. 2017, eq. 9: codings 0 and 1, no 1/2


class LeastSquares(AdversarialLoss[SmoothedConfig]):
    """Squares of the distance from 1 and 0 (Mao et al. 2017)."""

    name = "lsgan"

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E (a - 1)^2 + E b^2."""
        return (a - (1 - self.config.smoothing)).square().mean() + b.square().mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """E (b - 1)^2."""
        return (b - 1).square().mean()

    def boundary(self) -> float:
        """The middle of the targets 0 and 1."""
        return (1 - self.config.smoothing) / 2


# ---------------------------------------- Lim and Ye 2017; Arjovsky et al. 2017; Gulrajani et al. 2017; Qi 2017


class Hinge(AdversarialLoss[ObjectiveConfig]):
    """Scores beyond a margin count nothing to the critic (Lim and Ye 2017)."""

    name = "hinge"

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E max(0, 1 - a) + E max(0, 1 + b)."""
        return relu(1 - a).mean() + relu(1 + b).mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """-E b."""
        return -b.mean()


W = TypeVar("W", bound=ObjectiveConfig)


class _Wasserstein(AdversarialLoss[W]):
    """The difference of mean scores, an estimate of the Wasserstein distance where the critic's slope is bounded."""

    def boundary(self) -> None:
        """None: a score counts by its distance from others."""

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E b - E a."""
        return b.mean() - a.mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """-E b."""
        return -b.mean()


class Wasserstein(_Wasserstein[ClippedConfig]):
    """The Wasserstein distance, with clipped weights of the critic (Arjovsky et al. 2017)."""

    name = "wgan"

    def constrain(self, critics: Sequence[nn.Module]) -> None:
        bound = self.config.clip
        for critic in critics:
            for parameter in critic.parameters():
                parameter.clamp_(-bound, bound)


class WassersteinGP(_Wasserstein[PenaltyConfig]):
    """The Wasserstein distance, with a penalty on the critic's slope (Gulrajani et al. 2017)."""

    name, paired = "wgan-gp", True

    def penalty(
        self, D: Critic, real: Tensor, fake: Tensor, scores: tuple[Tensor, Tensor], rng: torch.Generator
    ) -> Tensor | None:
        weight = self.config.penalty
        return weight * gradient_penalty(D, real, fake, rng) if weight else None


class LossSensitive(AdversarialLoss[SlackConfig]):
    """The critic is a loss, low on real images, that grows with the distance of a fake (Qi 2017)."""

    name, paired = "loss-sensitive", True

    def boundary(self) -> None:
        """None: a score counts by its distance from others."""

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E L(x). The margin needs the images: `penalty`."""
        return a.mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """E L(G)."""
        return b.mean()

    def penalty(
        self, D: Critic, real: Tensor, fake: Tensor, scores: tuple[Tensor, Tensor], rng: torch.Generator
    ) -> Tensor | None:
        weight = self.config.slack
        return weight * margin(*scores, real, fake) if weight else None


# ---------------------------------------------------------------------------------------- Jolicoeur-Martineau 2018


class Relativistic(AdversarialLoss[ObjectiveConfig]):
    """A real image should look more real than a fake one, pair by pair (Jolicoeur-Martineau 2018)."""

    name, relative, paired = "relativistic", True, True

    def boundary(self) -> None:
        """None: a score counts by its distance from others."""

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E sp(-(a - b))."""
        return sp(b - a).mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """E sp(-(b - a))."""
        return sp(a - b).mean()


class RelativisticAverage(AdversarialLoss[ObjectiveConfig]):
    """A real image should look more real than fakes do on average (Jolicoeur-Martineau 2018; ESRGAN, eq. 1 and 2)."""

    name, relative = "relativistic-average", True

    def boundary(self) -> None:
        """None: a score counts by its distance from others."""

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """E sp(-(a - E b)) + E sp(b - E a)."""
        return sp(b.mean() - a).mean() + sp(b - a.mean()).mean()

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        """E sp(-(b - E a)) + E sp(a - E b)."""
        return sp(a.mean() - b).mean() + sp(a - b.mean()).mean()


_ALL: tuple[type[AdversarialLoss[Any]], ...] = (
    Minimax,
    NonSaturating,
    MaximumLikelihood,
    LeastSquares,
    Hinge,
    Wasserstein,
    WassersteinGP,
    LossSensitive,
    Relativistic,
    RelativisticAverage,
)
OBJECTIVES: Mapping[str, type[AdversarialLoss[Any]]] = {each.name: each for each in _ALL}
"""The built-in objectives by name."""
