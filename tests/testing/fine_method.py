"""A tiny method that conforms: an L1 term and a critic of patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Config, Direction, DirectionCall, Draw, Method, Nets, Step, Update


class FineConfig(Config):
    width: int = 4


def painter(width: int = 4, channels: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()
    )


class Fine(Method[FineConfig]):
    """Conforms: L1 and a critic of patches."""

    name, data = "fine", "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"adversarial": 1.0, "l1": 10.0, "critic": 0.5}
    views = {"G": ("output",)}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"gen": painter(self.config.width), "disc": nn.Conv2d(3, 1, 4, 2)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        fake = nets.gen(batch["input"])
        yield Update("D", {"critic": self.critic(nets, batch["target"], fake.detach())})
        losses = {"adversarial": self.adversarial(nets, fake), "l1": F.l1_loss(fake.float(), batch["target"])}
        yield Update("G", losses, views={"output": fake})

    def critic(self, nets: Nets, real: Tensor, fake: Tensor) -> Tensor:
        return nets.disc(fake).float().square().mean() + (1 - nets.disc(real).float()).square().mean()

    def adversarial(self, nets: Nets, fake: Tensor) -> Tensor:
        return (1 - nets.disc(fake).float()).square().mean()

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        return nets.gen(inputs["image"])


class Strided(Fine):
    """Takes images of a multiple that its direction says, and no network."""

    directions = {"a_to_b": Direction(nets=("gen",), multiple=24)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        if batch["input"].shape[-1] % 24:
            raise ValueError("images of 24, 48, ... pixels alone")
        yield from super().step(nets, batch, step)


class Lazybones(Fine):
    """Its critic rests where its loss has no share, which is the case under its small options."""

    class Config(FineConfig):
        critic: bool = True

    small = {"width": 3, "critic": False}
    resting = ("D",)

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        yield from (u for u in super().step(nets, batch, step) if self.config.critic or u.player != "D")
