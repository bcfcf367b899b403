"""A plugin whose only method gives back what it gets, so that every change of a value is a change by something else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from translate import Build, Config, DataSpec, Direction, Draw, Method, Nets, Step, Update, hookimpl

NAME = "same_images"


class Same(Method[Config]):
    """A 1 x 1 convolution that is the identity, as it is (`copy`), twice as large (`twice`) and turned round
    (`negative`)."""

    name = NAME
    data = "single"
    players = {"G": ("gen",)}
    losses = {"l1": 1.0}
    directions = {
        "copy": Direction(nets=("gen",)),
        "twice": Direction(nets=("gen",), scale=2),
        "four_times": Direction(nets=("gen",), scale=4),
        "negative": Direction(nets=("gen",)),
    }

    def networks(self, build: Build) -> dict[str, nn.Module]:
        channels = self.spec.channels["image"]
        net = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(net.weight)
        return {"gen": net}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        yield Update("G", {"l1": (nets.gen(batch["image"]) - batch["image"]).abs().mean()})

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: str, draw: Draw) -> Tensor:
        image: Tensor = nets.gen(inputs["image"])
        if direction == "negative":
            return -image
        times = {"twice": 2, "four_times": 4}.get(str(direction), 1)
        return image.repeat_interleave(times, 2).repeat_interleave(times, 3)


@hookimpl
def translate_methods() -> list[type[Method[Config]]]:
    return [Same]


def write_model(folder: Path, channels: int) -> None:
    """Writes a bundle of the method for images of so many channels."""
    from translate.models.bundle import write_bundle

    torch.manual_seed(0)
    method = Same(Config(), DataSpec("single", {"image": channels}, (64, 64)), Same.losses)
    provider = {"plugin": NAME, "distribution": "same-images", "version": "1", "module": NAME}
    nets = method.networks(lambda *args, **options: nn.Identity())
    write_bundle(folder, method=method, method_name=NAME, nets=nets, provider=provider, info={"metrics": {}})


if __name__ == "__main__":
    for count in (1, 3, 4):
        write_model(Path(sys.argv[1]) / f"same{count}", count)
