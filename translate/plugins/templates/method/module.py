"""my-plugin: what it does in a sentence, and the paper that it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
    Objective,
    Step,
    Update,
    hookimpl,
)

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The knobs of the method; a pipeline sets them under `options`. The string below each is its description."""

    generator: NetworkUse = NetworkUse(uses="resnet_6")
    """The generator G, by name or with options: `{uses: resnet, blocks: 9}`."""
    discriminator: NetworkUse = NetworkUse(uses="patchgan")
    """The critic D, by name or with options."""
    objective: Objective = Objective(uses="lsgan")
    """The game that G and D play."""


class MyPlugin(Method[MyPluginConfig]):
    """G makes the target of an input: close to it, and taken for real by D."""

    name = "my-plugin"
    data = "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 0.5, "adversarial": 1.0, "l1": 100.0}
    views = {"D": ("critic", "real", "fake"), "G": ("critic", "real", "fake", "input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        x, y = self.spec.channels["input"], self.spec.channels["target"]
        return {
            "gen": build(self.config.generator, in_channels=x, out_channels=y),
            "disc": build(self.config.discriminator, in_channels=y),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        x, y, objective = batch["input"], batch["target"], self.config.objective
        fake = nets.gen(x)
        views = {"critic": nets.disc, "real": y, "fake": fake.detach()}
        yield Update("D", {"critic": objective.critic(nets.disc, y, fake.detach(), step)}, views)
        objective.constrain(nets.disc)
        # Code after a `yield` runs after that player's optimizer step: D has moved, so that G faces the new one.
        losses = {"adversarial": objective.generator(nets.disc, fake, y, step), "l1": F.l1_loss(fake.float(), y)}
        yield Update("G", losses, {**views, "fake": fake, "input": x, "output": fake, "target": y})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [MyPlugin]
