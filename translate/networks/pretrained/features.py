"""Fixed networks whose features compare images: VGG19 as the papers use it, and random ones that need no download.

Their weights are buffers outside of the state dict: no optimizer touches them, no checkpoint or bundle holds them.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import C, Config
from translate.errors import ConfigError, DataError
from translate.networks.network import Count, Network
from translate.networks.pretrained import published
from translate.storage.untrusted import read_tensors

VGG19_BLOCKS = (64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images in [0, 1], R G B, which VGG19's inputs were normalised by."""


class FeatureNet(Network[C]):
    """N x 3 x H x W in [-1, 1] (grey is repeated) to a tuple of feature maps; frozen, differentiable by its input."""

    def __init__(self, config: C, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        if in_channels not in (1, 3):
            raise ConfigError(f"{self.name} looks at grey or colour images, not at {in_channels} channels")

    def convolution(self, name: str, inputs: int, outputs: int) -> None:
        """Room for the weights of a 3 x 3 convolution."""
        self.register_buffer(f"{name}_weight", torch.empty(outputs, inputs, 3, 3), persistent=False)
        self.register_buffer(f"{name}_bias", torch.zeros(outputs), persistent=False)

    def apply_convolution(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"), padding=1)


class VGG19Config(Config):
    """Options of `vgg19`."""

    layer: Annotated[str, Field(pattern=r"^conv[1-5]_[1-4]$")] = "conv5_4"
    """The layer whose output is compared: `conv5_4`, the fourth convolution before the fifth pooling, in SRGAN;
    `conv2_2` in Johnson et al. Blocks 1 and 2 have two convolutions each."""
    activated: bool = True
    """Compares what comes out of the layer's ReLU (SRGAN), not what goes into it (ESRGAN)."""
    weights: Path | None = None
    """The file `vgg19-dcbb9e9d.pth`. Empty: downloaded from its publisher at the first use, 550 MB, and kept."""


class VGG19(FeatureNet[VGG19Config]):
    """VGG19 up to a layer, whose features compare images: the convolutions of Simonyan and Zisserman 2015, table 1, E.

    With the weights of torchvision's release, frozen. The output has one map, of 1 / 2^k of the size in block k + 1.
    Errors at the first use: ConfigError (no such file), DataError (another file).
    """

    name = "vgg19"

    def __init__(self, config: VGG19Config, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        widths, names = [3], []
        for block, channels in enumerate(VGG19_BLOCKS, 1):
            names += [f"conv{block}_{number}" for number in range(1, len(channels) + 1)]
            widths += channels
        if config.layer not in names:
            raise ConfigError(f"vgg19 has no layer {config.layer!r}; blocks 1 and 2 have two convolutions each")
        self.layers = names[: names.index(config.layer) + 1]
        for name, (inputs, outputs) in zip(self.layers, pairwise(widths), strict=False):
            self.convolution(name, inputs, outputs)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.loaded = False

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if not self.loaded:
            self.load(published.VGG19.path(self.config.weights))
        x = ((images + 1) / 2 - self.get_buffer("mean")) / self.get_buffer("deviation")
        for name in self.layers:
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            x = self.apply_convolution(name, x)
            if name != self.config.layer or self.config.activated:
                x = F.relu(x)
        return (x,)

    def load(self, path: Path) -> None:
        """Takes the weights of a file of torchvision's VGG19. Errors: ConfigError, DataError."""
        tensors = read_tensors(path)
        keys = [key.split(".") for key in tensors]
        convolutions = sorted({int(parts[1]) for parts in keys if parts[0] == "features" and len(parts) == 3})
        for name, number in zip(self.layers, convolutions, strict=False):
            for part in ("weight", "bias"):
                ours, theirs = self.get_buffer(f"{name}_{part}"), tensors[f"features.{number}.{part}"]
                if ours.shape != theirs.shape:
                    raise DataError(f"{path}: not VGG19: {name} has shape {tuple(theirs.shape)}")
                ours.copy_(theirs)
        if len(convolutions) < len(self.layers):
            raise DataError(f"{path}: not VGG19: it has {len(convolutions)} convolutions")
        self.loaded = True


class RandomFeaturesConfig(Config):
    """Options of `random-features`."""

    levels: Annotated[int, Field(ge=1, le=6)] = 3
    """How many sizes are compared: the full one, half of it, and so on."""
    filters: Count = 32
    """Channels of the first level, doubled from level to level."""
    seed: int = 0
    """The seed of the weights, which are drawn once."""


class RandomFeatures(FeatureNet[RandomFeaturesConfig]):
    """Features without a download: per level two 3 x 3 convolutions with ReLU, then the mean of 2 x 2; never trained.

    One map per level, of about unit variance. Distances of random features keep those of image patches, less sharply
    in place the deeper the level: a substitute where no pretrained network may be used, and not one that knows objects.
    """

    name = "random-features"

    def __init__(self, config: RandomFeaturesConfig, *, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        rng = torch.Generator().manual_seed(config.seed)
        widths = [3, *(config.filters * 2**level for level in range(config.levels))]
        for level, (inputs, outputs) in enumerate(pairwise(widths), 1):
            for number, before in ((1, inputs), (2, outputs)):
                self.convolution(f"conv{level}_{number}", before, outputs)
                draw = torch.randn((outputs, before, 3, 3), generator=rng, device="cpu")
                self.get_buffer(f"conv{level}_{number}_weight").copy_(draw * (2 / (9 * before)) ** 0.5)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        maps: list[Tensor] = []
        for level in range(1, self.config.levels + 1):
            x = F.avg_pool2d(maps[-1], 2) if maps else x
            for number in (1, 2):
                x = F.relu(self.apply_convolution(f"conv{level}_{number}", x))
            maps.append(x)
        return tuple(maps)


def feature_distance(net: nn.Module, a: Tensor, b: Tensor, distance: Any = F.mse_loss) -> Tensor:
    """Returns the distance of two batches in the features of `net`, the mean over its maps; a scalar, float32.

    `net` turns images N x C x H x W into a sequence of feature maps, and `distance(f, g)` compares two of them. `a` is
    compared with `b`, to which no gradient flows.
    """
    features = net(a)
    with torch.no_grad():
        targets = net(b)
    return torch.stack([distance(f.float(), g.float()) for f, g in zip(features, targets, strict=True)]).mean()
