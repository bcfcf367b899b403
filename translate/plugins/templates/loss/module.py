"""my-plugin: what the loss measures in a sentence, and the paper that it is from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from translate import Config, LossTerm, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The options of the loss. The string below each is its description."""

    power: Annotated[float, Field(ge=1, le=4)] = 1.0
    """The power of the difference: 1 forgives outliers, 2 does not."""


class MyPlugin(LossTerm[MyPluginConfig]):
    """Mean |mean of the channels of output - that of target|^power: brightness, whatever the colour."""

    name = "my-plugin"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Images N x C x H x W in [-1, 1], bound by `on: {output: VIEW, target: VIEW}`; the result is a scalar."""
        return (output.mean(1) - target.mean(1)).abs().pow(self.config.power).mean()


@hookimpl
def translate_losses() -> list[type[LossTerm[Any]]]:
    return [MyPlugin]
