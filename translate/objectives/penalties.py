"""Penalties that are added to a critic's loss: on its slope, and on the margin between images. All in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import relu

from translate.distributed.draws import per_image

Critic = Callable[[Tensor], Tensor]


def precise(x: Tensor) -> Tensor:
    """At least float32, whatever autocast made of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def squared_slope(critic: Critic, images: Tensor) -> Tensor:
    """The squared norm of d sum(scores) / d image for each image: N, differentiable once more.

    The scores of an image's patches are summed, as the papers' common implementations do, so that their weights hold.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = precise(images.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(precise(critic(images)).sum(), images, create_graph=True)
    return slope.square().flatten(1).sum(1)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """E (|slope| - 1)^2 at points between real and fake, one uniform draw per image (Gulrajani et al. 2017, eq. 3)."""
    e = per_image(len(real), rng)
    length = (squared_slope(critic, e * real + (1 - e) * fake) + 1e-12).sqrt()
    return (length - 1).square().mean()


def zero_centred_penalty(critic: Critic, images: Tensor) -> Tensor:
    """1/2 E |slope|^2: R1 on real images, R2 on fakes (Mescheder et al. 2018, eq. 9)."""
    return 0.5 * squared_slope(critic, images).mean()


def margin(a: Tensor, b: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, |x - G|_1 + L(x) - L(G)), with the mean absolute difference of the two images (Qi 2017)."""
    distance = precise((real - fake).abs()).flatten(1).mean(1)
    return relu(distance.view(-1, *[1] * (a.ndim - 1)) + a - b).mean()
