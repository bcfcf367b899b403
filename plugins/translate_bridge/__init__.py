"""The bridge: Li, Xue, Liu, Lai, "BBDM: Image-to-Image Translation with Brownian Bridge Diffusion Models", CVPR 2023,
arXiv 2205.07680."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Build, Config, Direction, DirectionCall, Draw, Method, Nets, Network, Step, Update, hookimpl
from translate_bridge.distilled import Distilled
from translate_bridge.networks import TimeUNet
from translate_bridge.walking import BridgeConfig, Walking


class BridgeOptions(Config):
    """Options of a conversion over the bridge."""

    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Steps from the input to the output, each of which calls the network once; empty: `steps` of the training."""
    eta: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of noise that each step draws anew: 1 is the process itself, 0 draws at the first step alone."""


class Bridge(Walking):
    """A Brownian bridge runs from the target x_0 at time 0 to the input y at time 1; a network learns the way back.

    At a random time t it sees x_t and guesses x_t - x_0 = t (y - x_0) + sqrt(d_t) e. A conversion starts from the input
    itself and takes `steps` steps, each of which draws a little noise: an input has many answers.
    """

    name = "bridge"
    players = {"G": ("net",)}
    losses = {"bridge": 1.0}
    views = {"G": ("input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("net",), options=BridgeOptions, draws=True)}
    small = {"network": {"uses": "bridge/unet", "filters": 4, "levels": 1, "blocks": 1}, "steps": 3}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"net": self.network(build)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        y, x_0, T = batch["input"], batch["target"], self.config.times
        # From 1 on: at time 0 x_t is x_0, and there is nothing to guess.
        t = torch.randint(1, T + 1, (len(y),), generator=step.rng, device=y.device) / T
        noise = torch.randn(x_0.shape, generator=step.rng, device=y.device)
        x_t = self.process.at(x_0, self.start(y), t[:, None, None, None], noise)
        guess = self.guess(nets.net, x_t, t, y)
        shown = {"input": y, "output": x_t - guess, "target": x_0}
        yield Update("G", {"bridge": self.distance(guess, x_t - x_0)}, shown)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        y, options = inputs["image"], direction.options
        shape = (self.spec.channels["target"], *y.shape[-2:])
        return self.walk(nets.net, y, lambda: draw.normal(*shape), options.steps or self.config.steps, options.eta)


@hookimpl
def translate_methods() -> list[type[Method[BridgeConfig]]]:
    return [Bridge, Distilled]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [TimeUNet]
