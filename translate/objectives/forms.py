"""The adversarial objectives, each beside its equation: what the critic minimises, and what the generator does.

`a` are the raw scores of real images, `b` those of fakes, of any shape: a patch counts like an image. E is the mean
over all of them; s the sigmoid, sp(t) = log(1 + e^t) the softplus, D = s(score). The critic's losses are sums, real +
fake; where a paper has 1/2, that is the method's weight of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus as sp


@dataclass(frozen=True)
class LossOptions:
    """The options of an objective that formulas read, under the same names (see `Objective`)."""

    smoothing: float = 0.0
    clamp: float = 10.0


Formula = Callable[[Tensor, Tensor, LossOptions], Tensor]


@dataclass(frozen=True)
class Form:
    """A game: the loss of the critic and that of the generator, each from raw scores of real and of fake images.

    `options`: which of the objective's options it reads. `relative`: the generator's loss reads the real scores too.
    `paired`: real and fake are compared one to one, so that their shapes must be equal.
    """

    critic: Formula
    generator: Formula
    options: tuple[str, ...] = ()
    relative: bool = False
    paired: bool = False


# ------------------------------------------------- Goodfellow et al., Generative Adversarial Nets, NIPS 2014, eq. 1


def log_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """-E log D(x) - E log(1 - D(G)); smoothed: alpha sp(-a) + (1 - alpha) sp(a) (Salimans et al. 2016, section 3.4)."""
    real = (1 - o.smoothing) * sp(-a) + o.smoothing * sp(a) if o.smoothing else sp(-a)
    return real.mean() + sp(b).mean()


def minimax_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E log(1 - D(G)) = -E sp(b): saturates where the critic wins."""
    return -sp(b).mean()


def non_saturating_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """-E log D(G) = E sp(-b) (the same paper, section 3)."""
    return sp(-b).mean()


def maximum_likelihood_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """-1/2 E e^b (Goodfellow 2016, section 3.2.4). Above `clamp` a score pulls no more: a few fakes would be all."""
    return -0.5 * b.clamp(max=o.clamp).exp().mean()


# ------------------------------------------------------------------ Mao et al. 2017, eq. 9: codings 0 and 1, no 1/2


def least_squares_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E (a - 1)^2 + E b^2."""
    return (a - (1 - o.smoothing)).square().mean() + b.square().mean()


def least_squares_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E (b - 1)^2."""
    return (b - 1).square().mean()


# ---------------------------------------- Lim and Ye 2017; Arjovsky et al. 2017; Gulrajani et al. 2017; Qi 2017


def hinge_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E max(0, 1 - a) + E max(0, 1 + b)."""
    return relu(1 - a).mean() + relu(1 + b).mean()


def wasserstein_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E b - E a."""
    return b.mean() - a.mean()


def raise_scores(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """-E b."""
    return -b.mean()


def loss_sensitive_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E L(x): here a score is a loss, low on real images. The margin term needs the images: `penalties.margin`."""
    return a.mean()


def loss_sensitive_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E L(G)."""
    return b.mean()


# ---------------------------------------------------------------------------------------- Jolicoeur-Martineau 2018


def relativistic_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E sp(-(a - b)): real images look more real than the fakes."""
    return sp(b - a).mean()


def relativistic_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E sp(-(b - a))."""
    return sp(a - b).mean()


def relativistic_average_critic(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E sp(-(a - E b)) + E sp(b - E a) (ESRGAN, eq. 1)."""
    return sp(b.mean() - a).mean() + sp(b - a.mean()).mean()


def relativistic_average_generator(a: Tensor, b: Tensor, o: LossOptions) -> Tensor:
    """E sp(-(b - E a)) + E sp(a - E b) (ESRGAN, eq. 2)."""
    return sp(a.mean() - b).mean() + sp(a - b.mean()).mean()


FORMS: Mapping[str, Form] = {
    "minimax": Form(log_critic, minimax_generator, ("smoothing",)),
    "non-saturating": Form(log_critic, non_saturating_generator, ("smoothing",)),
    "maximum-likelihood": Form(log_critic, maximum_likelihood_generator, ("smoothing", "clamp")),
    "lsgan": Form(least_squares_critic, least_squares_generator, ("smoothing",)),
    "hinge": Form(hinge_critic, raise_scores),
    "wgan": Form(wasserstein_critic, raise_scores, ("clip",)),
    "wgan-gp": Form(wasserstein_critic, raise_scores, ("penalty",), paired=True),
    "loss-sensitive": Form(loss_sensitive_critic, loss_sensitive_generator, ("slack",), paired=True),
    "relativistic": Form(relativistic_critic, relativistic_generator, relative=True, paired=True),
    "relativistic-average": Form(relativistic_average_critic, relativistic_average_generator, relative=True),
}
