"""Loss terms that ask a network: of their own (features), or a function that the method publishes as a view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from pydantic import field_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import activation
from torch.nn.modules.module import register_module_forward_hook

from translate.contracts import Config, NetworkUse, NoOptions
from translate.errors import ContractError
from translate.networks import feature_distance
from translate.networks.pretrained.features import VGG19, FeatureNet, RandomFeatures
from translate.objectives.penalties import Critic, precise, zero_centred_penalty
from translate.objectives.terms import LossTerm
from translate.text import suggest

FEATURES: Mapping[str, type[FeatureNet[Any]]] = {net.name: net for net in (RandomFeatures, VGG19)}


class PerceptualConfig(Config):
    """Options of `perceptual`."""

    features: NetworkUse = NetworkUse(uses="random-features")
    """The network in whose features images are compared: `random-features`, which need no download, or `vgg19`, the
    papers' (`{uses: vgg19, layer: conv2_2, weights: PATH}`)."""
    distance: Literal["mse", "l1"] = "mse"
    """How the maps are compared: by their mean squared difference, `mse` (the paper), or the absolute one, `l1`."""

    @field_validator("features")
    @classmethod
    def _known(cls, use: NetworkUse) -> NetworkUse:
        if use.uses not in FEATURES:
            hint = suggest(use.uses, FEATURES) or f"; there are {', '.join(FEATURES)}"
            raise ValueError(f"no network whose features are compared is called {use.uses!r}{hint}")
        return use


class Perceptual(LossTerm[PerceptualConfig]):
    """The mean distance of feature maps, mean (phi(output) - phi(target))^2 (Johnson, Alahi, Li 2016, equation 2).

    The target gets no gradient. With random features it is an honest substitute that knows textures, not objects.
    """

    name = "perceptual"

    def __init__(self, config: PerceptualConfig) -> None:
        super().__init__(config)
        net = FEATURES[config.features.uses]
        self.features = net(net.Config.model_validate(config.features.options), in_channels=3)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        distance = F.mse_loss if self.config.distance == "mse" else F.l1_loss
        return feature_distance(self.features, precise(output), precise(target), distance)


@contextmanager
def activations() -> Iterator[list[Tensor]]:
    """Collects the outputs of activation layers (`nn.ReLU`, ...) of all networks that are called inside, in order."""
    outputs: list[Tensor] = []

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        if type(layer).__module__ == activation.__name__ and isinstance(output, Tensor):
            outputs.append(output)

    handle = register_module_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


class FeatureMatchingConfig(Config):
    """Options of `feature-matching`."""

    match: Literal["each", "means"] = "each"
    """The activations that are compared: those of `each` output with those of its own target, for paired images
    (pix2pixHD), or only the `means` over the batch, for unpaired ones (Salimans et al.)."""


class FeatureMatching(LossTerm[FeatureMatchingConfig]):
    """Fakes that excite the critic's layers as real images do: the sum over layers of a distance of activations.

    `each`: mean |D_i(target) - D_i(output)| (Wang et al., pix2pixHD, 2018, equation 4). `means`: mean (E D_i(target) -
    E D_i(output))^2 over the batch's means (Salimans et al. 2016, section 3.1; its layers as in DiscoGAN). D_i is what
    the i-th activation layer of the critic returns; the target gets no gradient. Errors: ContractError for a critic
    without activation layers (its features are seen in `nn.Module`s, not in functions).
    """

    name = "feature-matching"
    autocast = True

    def forward(self, critic: Critic, output: Tensor, target: Tensor) -> Tensor:
        with activations() as targets:  # not in no_grad, whose casts of weights autocast would keep for the output
            critic(target)
        with activations() as outputs:
            critic(output)
        if not outputs:
            raise ContractError("feature-matching finds no activation layer (nn.LeakyReLU, nn.ReLU, ...) in the critic")
        return torch.stack([self.apart(a.detach(), b) for a, b in zip(targets, outputs, strict=True)]).sum()

    def apart(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = precise(real), precise(fake)
        if self.config.match == "each":
            return (real - fake).abs().mean()
        return (real.mean(0) - fake.mean(0)).square().mean()


class GradientPenalty(LossTerm[NoOptions]):
    """1/2 E |d critic / d image|^2 at `images`: real ones (R1) or fakes (R2), for the player of the critic.

    The weight is the gamma of Mescheder, Geiger, Nowozin (2018, equation 9), 10 in their paper. An objective has the
    same as its options `r1` and `r2`, and the one-centred penalty between real and fake as `wgan-gp`.
    """

    name = "gradient-penalty"

    def forward(self, critic: Critic, images: Tensor) -> Tensor:
        return zero_centred_penalty(critic, images)


class Identity(LossTerm[NoOptions]):
    """Mean |G(target) - target|: a generator that is shown what it should make changes nothing (Taigman et al. 2017;
    CycleGAN, section 5.2). For generators that make as many channels as they take, in the same size."""

    name = "identity"

    def forward(self, generator: Callable[[Tensor], Tensor], target: Tensor) -> Tensor:
        return (precise(generator(target)) - precise(target)).abs().mean()
