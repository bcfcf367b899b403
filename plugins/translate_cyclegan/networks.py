"""The classifier of CyCADA: a small convolutional network from images to classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from translate import Network, NetworkConfig, norm_layers, stack


class ClassifierConfig(NetworkConfig):
    """Options of `cyclegan/classifier`."""

    norm: Literal["batch", "instance", "none"] = "none"
    """The norm behind convolutions: `none` as in LeNet, `batch` or `instance`."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "kaiming"
    """How initial weights are drawn: `kaiming` keeps the variance through ReLUs; `normal`, `xavier` and `orthogonal`
    are scaled by `gain`."""
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    """Convolutions, each of which halves the height and width; channels double from one to the next."""


class Classifier(Network[ClassifierConfig]):
    """A network of the size of LeNet: 3 x 3 convolutions, the largest of each 2 x 2, then the mean over the image.

    N x in_channels x H x W in [-1, 1] to logits N x out_channels, of any size with H, W >= 2 ** layers.
    """

    name = "classifier"

    def __init__(self, config: ClassifierConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        channels = in_channels
        self.layers = nn.Sequential()
        for layer in range(config.layers):
            width = config.filters * 2**layer
            conv = nn.Conv2d(channels, width, 3, padding=1)
            self.layers.append(
                stack({"conv": conv, **norm_layers(config.norm, width), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2)})
            )
            channels = width
        self.last = nn.Linear(channels, out_channels)
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        self.expect(images, smallest=2**self.config.layers, advice="use larger images or fewer `layers`")
        logits: Tensor = self.last(self.layers(images).mean((2, 3)))
        return logits
