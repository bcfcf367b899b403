"""my-plugin: how the network is built in a sentence, and the paper that it is from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from translate import Network, NetworkConfig, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(NetworkConfig):
    """The options of the network, beside those that all have. The string below each is its description."""

    layers: Annotated[int, Field(ge=1)] = 4
    """Hidden convolutions."""


class MyPlugin(Network[MyPluginConfig]):
    """Images N x in_channels x H x W to N x out_channels x H x W in [-1, 1] through convolutions of 3 x 3."""

    name = "my-plugin"
    small = {"filters": 4, "layers": 1}
    multiple = 1
    """Height and width of the input must be multiples of this: 2 for each halving."""

    def __init__(self, config: MyPluginConfig, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        layers: list[nn.Module] = []
        width = in_channels
        for _ in range(config.layers):
            layers += [nn.Conv2d(width, config.filters, 3, padding=1), nn.ReLU()]
            width = config.filters
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, out_channels, 3, padding=1), nn.Tanh())
        self.initialise(config.init, config.gain, config.spectral)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.layers(images)
        return output


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [MyPlugin]
