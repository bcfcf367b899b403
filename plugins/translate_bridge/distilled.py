"""The bridge in one step: a student learns where its teacher's way ends (Luhman, Luhman, arXiv 2101.02388)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from translate import Build, Direction, DirectionCall, Draw, Nets, Step, Update
from translate_bridge.process import moments
from translate_bridge.walking import Walking


class Distilled(Walking):
    """A student that makes in one call of its network what its teacher, a trained `bridge`, makes in `steps`.

    The teacher walks with `eta` 0, so that its output follows from the input and the noise of its first step alone. The
    student sees both and learns the output. Both start from the teacher's weights (`needs: {init: STAGE}` and `init:
    {networks: {net: net, teacher: net}}`), and the teacher never moves.
    """

    name = "distilled"
    players = {"G": ("net",)}
    fixed = ("teacher",)
    losses = {"distance": 1.0}
    views = {"G": ("input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("net",), draws=True)}
    small = {"network": {"uses": "bridge/unet", "filters": 4, "levels": 1, "blocks": 1}, "steps": 3}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"net": self.network(build), "teacher": self.network(build)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        y = batch["input"]
        noise = torch.randn(batch["target"].shape, generator=step.rng, device=y.device)
        with torch.no_grad():
            x_0 = self.walk(nets.teacher, y, lambda: noise, self.config.steps, eta=0.0)
        output = self.leap(nets.net, y, noise)
        yield Update("G", {"distance": self.distance(output, x_0)}, {"input": y, "output": output, "target": x_0})

    def leap(self, net: nn.Module, y: Tensor, noise: Tensor) -> Tensor:
        """The output for inputs y and noise of the targets' shape."""
        # Where the teacher's first step leads, but for its guess of x_0, which would take a call of its own.
        t = moments(max(2, self.config.steps))[1]
        x_t = self.start(y) + self.process.variance(t) ** 0.5 * noise
        return x_t - self.guess(net, x_t, y.new_full((y.shape[0],), t), y)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        y = inputs["image"]
        return self.leap(nets.net, y, draw.normal(self.spec.channels["target"], *y.shape[-2:])).clamp(-1, 1)
