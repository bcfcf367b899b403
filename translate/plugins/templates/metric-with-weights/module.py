"""my-plugin: the Fréchet distance of two sets of images in the features of a small network.

After Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a
Local Nash Equilibrium", NIPS 2017, arXiv 1706.08500, equation 6; there in the features of Inception.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from translate import Config, DataError, DataSpec, EvaluationContext, Metric, hookimpl

translate_contract = ">=2,<3"

WEIGHTS = Path(__file__).with_name("weights.safetensors")
"""Those of the package; `translate_my_plugin/train.py` makes others, of your own images."""


class MyPluginConfig(Config):
    """The options of the metric. The string below each is its description."""

    weights: Path = WEIGHTS
    """File with the weights of the network. `translate check` says where it is not there, and stages that score with it
    run again when its content changes: that goes for every option of the type Path."""


class MyPlugin(Metric[MyPluginConfig]):
    """Fréchet distance of normal distributions fitted to the features at all places of two sets; 0 for equal sets.

    |m - n|^2 + tr(c + d - 2 (c d)^(1/2)) for means m, n and covariances c, d. Images of any size from 8 pixels on, grey
    or RGB. The distance tells sharp from blurred and clean from noisy; it does not know objects.
    """

    name = "my-plugin"
    better = "lower"
    paired = False

    def __init__(self, config: MyPluginConfig, spec: DataSpec | None = None) -> None:
        super().__init__(config, spec)
        self.net = with_weights(config.weights)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        net = self.net.to(context.device if context else "cpu")
        return frechet(*moments(net, outputs), *moments(net, references))


class Features(nn.Sequential):
    """Images N x 3 x H x W in [0, 1] to features N x 16 x H / 8 x W / 8."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 8), (8, 16), (16, 16)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        super().__init__(*layers)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = super().forward(2 * images - 1)
        return features


def with_weights(file: Path) -> Features:
    """The network with the weights of a file. Errors: DataError for another file."""
    net = Features()
    try:
        net.load_state_dict(load_file(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{file}: no weights of my-plugin ({str(error).splitlines()[0]})") from None
    return net.eval().requires_grad_(False)


def moments(net: nn.Module, images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features at all places of a set. Errors: DataError for images neither grey nor RGB."""
    count, total, squares = 0, torch.zeros(16, dtype=torch.float64), torch.zeros(16, 16, dtype=torch.float64)
    device = next(net.parameters()).device
    for image in images:  # one by one, so that a set need not fit the memory
        if len(image) not in (1, 3):
            raise DataError(f"my-plugin looks at grey and RGB images, not at {len(image)} bands")
        features = net(image.expand(3, -1, -1)[None].to(device)).flatten(2)[0].double().cpu()
        count, total, squares = count + features.shape[1], total + features.sum(1), squares + features @ features.T
    mean = total / count
    return mean, squares / count - mean.outer(mean)


def frechet(m: Tensor, c: Tensor, n: Tensor, d: Tensor) -> float:
    """The distance of the normal distributions N(m, c) and N(n, d); rounding may leave tiny negative numbers."""
    roots = torch.linalg.eigvals(c @ d).real.clamp(min=0).sqrt()  # tr (c d)^(1/2) is the sum of these
    return max(0.0, float((m - n).square().sum() + c.trace() + d.trace() - 2 * roots.sum()))


@hookimpl
def translate_metrics() -> list[type[Metric[Any]]]:
    return [MyPlugin]
