"""my-plugin: flow matching, which turns noise into one of the targets that an input may have.

After Lipman, Chen, Ben-Hamu, Nickel, Le, "Flow Matching for Generative Modeling", ICLR 2023, arXiv 2210.02747.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from translate import (
    Build,
    Config,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Nets,
    NetworkUse,
    Step,
    Update,
    hookimpl,
)

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The knobs of the training; a pipeline sets them under `options`. The string below each is its description."""

    network: NetworkUse = NetworkUse(uses="resnet_6")
    """The network that looks through the noise, by name or with options: `{uses: resnet, blocks: 9}`."""


class SamplingConfig(Config):
    """The knobs of a call: `--set steps=50` at `translate convert`, `options: {steps: 50}` under `with:` of `infer`."""

    steps: Annotated[int, Field(ge=1, le=1000)] = 8
    """Steps from noise to image. One gives the mean of all answers, which is blurred; more give single ones."""


class MyPlugin(Method[MyPluginConfig]):
    """On the straight way x_t = (1 - t) z + t y from noise z to a target y, the network tells y from x_t and the input.

    So it knows the velocity (y - x_t) / (1 - t) with which x_t moves, and Euler's method follows it from t = 0 to 1.
    """

    name = "my-plugin"
    data = "paired"
    players = {"net": ("net",)}
    losses = {"flow": 1.0}
    views = {"net": ("input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("net",), draws=True, options=SamplingConfig)}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        x, y = self.spec.channels["input"], self.spec.channels["target"]
        return {"net": build(self.config.network, in_channels=x + y, out_channels=y)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y = batch["input"], batch["target"]
        # All draws of a training come from `step.rng`: after a restart the same ones follow.
        z = torch.randn(y.shape, generator=step.rng, device=y.device)
        t = torch.rand((len(y), 1, 1, 1), generator=step.rng, device=y.device)
        output = nets.net(torch.cat(((1 - t) * z + t * y, x), 1))
        yield Update("net", {"flow": F.mse_loss(output.float(), y)}, {"input": x, "output": output, "target": y})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        image, steps = inputs["image"], direction.options.steps
        # All draws of a call come from `draw`: an image gets the same noise alone, in any batch and on any machine.
        moving = draw.normal(self.spec.channels["target"], *image.shape[-2:])
        for number in range(steps):
            target = nets.net(torch.cat((moving, image), 1))
            # (target - moving) / (1 - t) for 1 / steps of the time, at t = number / steps
            moving = moving + (target - moving) / (steps - number)
        return moving


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [MyPlugin]
