"""Methods with one fault each in their state, in the whole process, and in their use."""

from __future__ import annotations

import contextlib
import os
import random
from typing import Any

import numpy as np
import torch
from fine_method import Fine, painter
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Direction,
)

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


@fault("step\\(\\) changes self.count; keep state in buffers")
class Counts(Fine):
    def __init__(self, config, spec, weights):
        super().__init__(config, spec, weights)
        self.count = 0

    def step(self, nets, batch, step):
        self.count += 1
        yield from super().step(nets, batch, step)


@fault("step\\(\\) changes self.memory; keep state in buffers")
class Remembers(Fine):
    def __init__(self, config, spec, weights):
        super().__init__(config, spec, weights)
        self.memory: dict[str, list[Tensor]] = {"past": [torch.zeros(1)]}

    def step(self, nets, batch, step):
        self.memory["past"][0] += 1
        yield from super().step(nets, batch, step)


@fault("step\\(\\) changes ClassState.seen; keep state in buffers")
class ClassState(Fine):
    seen: list[int] = []

    def step(self, nets, batch, step):
        self.seen.append(step.index)
        yield from super().step(nets, batch, step)


@fault("networks\\(\\) changes self.gen; keep state in buffers")
class KeepsNetwork(Fine):
    def networks(self, build):
        nets = super().networks(build)
        self.gen = nets["gen"]
        return nets


@fault("self.features is a network; return it from networks\\(\\) and use the one in `nets`")
class NetworkInInit(Fine):
    def __init__(self, config, spec, weights):
        super().__init__(config, spec, weights)
        self.features = nn.Conv2d(3, 4, 3)


CALLS = [0]


@fault("is .* at step 2, and after a restart at step 2 .*state lies in parameters, buffers and `step` alone")
class ModuleState(Fine):
    def critic(self, nets, real, fake):
        CALLS[0] += 1
        return super().critic(nets, real, fake) * (1 + CALLS[0] % 7)


class CountingNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.calls = painter(), 0

    def forward(self, x):
        self.calls += self.training
        return self.net(x) / (1 + self.calls)


@fault("loss .* and after a restart at step 2")
class NetworkCounts(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": CountingNet()}


class Diary(nn.Module):
    """A buffer that no loss reads."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))


@fault("network 'diary' differs after a restart; state lies in parameters, buffers and `step` alone")
class CountsAside(Fine):
    def networks(self, build):
        return {**super().networks(build), "diary": Diary()}

    def step(self, nets, batch, step):
        CALLS[0] += 1
        nets.diary.calls.fill_(CALLS[0])
        yield from super().step(nets, batch, step)


@fault("after a restart at step 2")
class DrawsUnseeded(Fine):
    def step(self, nets, batch, step):
        noise = torch.randn(
            batch["input"].shape, generator=torch.Generator().manual_seed(random.SystemRandom().getrandbits(32))
        )
        yield from super().step(nets, {**batch, "input": batch["input"] + noise}, step)


@fault("prints nothing: it prints 'step 0'; remove the print")
class Prints(Fine):
    def step(self, nets, batch, step):
        print("step", step.index)
        yield from super().step(nets, batch, step)


@fault("it draws from or reseeds numpy's global generator")
class SeedsNumpy(Fine):
    def networks(self, build):
        np.random.seed(0)
        return super().networks(build)


@fault("it draws from or reseeds Python's global `random`")
class DrawsPython(Fine):
    def step(self, nets, batch, step):
        if random.random() < 2:
            yield from super().step(nets, batch, step)


@fault("it replaces functions of random, numpy, torch or builtins")
class PatchesNumpy(Fine):
    def networks(self, build):
        np.random.seed = lambda seed=None: None
        return super().networks(build)


@fault("step\\(\\) reseeds torch's global generator; draw from `step.rng` instead")
class SeedsTorch(Fine):
    def step(self, nets, batch, step):
        torch.manual_seed(0)
        yield from super().step(nets, batch, step)


@fault("it changes environment variables; take an option instead")
class SetsEnvironment(Fine):
    def networks(self, build):
        os.environ["FAULTY_METHOD"] = str(len(os.environ))
        return super().networks(build)


@fault("it changes torch's default dtype")
class DefaultDouble(Fine):
    def translate(self, nets, inputs, direction, draw):
        torch.set_default_dtype(torch.float64)
        return super().translate(nets, inputs, direction, draw)


@fault("it changes the working directory")
class Moves(Fine):
    def networks(self, build):
        os.chdir("/")
        return super().networks(build)


@fault("translate\\(\\) in direction a_to_b returns shape \\(2, 3, 16, 18\\) for inputs of 32 x 36")
class HalfSize(Fine):
    def translate(self, nets, inputs, direction, draw):
        return F.avg_pool2d(super().translate(nets, inputs, direction, draw), 2)


@fault("returns shape \\(2, 1, 32, 36\\) for inputs of 32 x 36, not \\(2, 3, 32, 36\\)")
class Grey(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw)[:, :1]


@fault("translate\\(\\) in direction a_to_b returns NoneType; it has to return a tensor")
class NothingBack(Fine):
    def translate(self, nets, inputs, direction, draw):
        return None


@fault("returns values from -.* to .*; images are in \\[-1, 1\\]")
class Bytes(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw) * 255


@fault("returns no value below 0; images are in \\[-1, 1\\], not in \\[0, 1\\]: return 2 \\* y - 1")
class ZeroToOne(Fine):
    def translate(self, nets, inputs, direction, draw):
        return (super().translate(nets, inputs, direction, draw) + 1) / 2


@fault("translate\\(\\) in direction a_to_b returns torch.int64; images and logits are floats")
class WholeNumbers(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw).round().long()


@fault("has further outputs; it has to return a mapping of output, depth to tensors")
class OneOfTwo(Fine):
    directions = {"a_to_b": Direction(nets=("gen",), further={"depth": "image"})}


@fault("returns shape \\(2,\\) for 2 images; a class is logits N x classes, a vector N x n")
class ClassesNotLogits(Fine):
    directions = {"a_to_b": Direction(nets=("gen",), output="class")}

    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw).mean((1, 2, 3))


class TwoOutputs(Fine):
    """A picture and the class that it shows, before a fault is added."""

    directions = {"a_to_b": Direction(nets=("gen",), further={"kind": "class", "depth": "image"})}

    def translate(self, nets, inputs, direction, draw):
        output = super().translate(nets, inputs, direction, draw)
        return {"output": output, "kind": output.mean((2, 3)), "depth": output[:, :1]}


@fault("gives as 'kind' shape \\(1, 3\\) for 2 images; a class is logits N x classes, a vector N x n")
class OneClassForAll(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "kind": outputs["kind"][:1]}


@fault("gives as 'depth' shape \\(2, 2, 32, 36\\) for inputs of 32 x 36, not \\(2, 1, 32, 36\\) or \\(2, 3, 32, 36\\)")
class TwoBands(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "depth": outputs["output"][:, :2]}


@fault("direction a_to_b fails on 35 x 39 pixels .*; declare `multiple`")
class CropsDepth(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "depth": outputs["depth"][..., :36]}


@fault("gives an image another output 'kind' in a batch than alone; take no statistics over the batch")
class CouplesClasses(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "kind": outputs["kind"] - outputs["kind"].mean(0)}


@fault("gives another output 'depth' each time; draw all noise from the argument `draw`")
class NoisyDepth(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "depth": outputs["depth"] * torch.rand(())}


class Head(nn.Module):
    """A painter with a number that no bundle holds."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.scale = painter(), torch.rand(())

    def forward(self, x):
        return self.net(x)


@fault("gives another output 'depth' once it is saved and loaded; .*keep what they know in parameters and buffers")
class ForgetsDepth(TwoOutputs):
    def networks(self, build):
        return {**super().networks(build), "gen": Head()}

    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "depth": outputs["depth"] * nets.gen.scale}


@fault("gives as 'kind' values that are not finite")
class InfiniteClass(TwoOutputs):
    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "kind": outputs["kind"].log()}


@fault("returns values that are not finite")
class Infinite(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw) / 0


@fault("gives an image another output in a batch than alone; take no statistics over the batch")
class CouplesImages(Fine):
    def translate(self, nets, inputs, direction, draw):
        return nets.gen(inputs["image"] - inputs["image"].mean(0, keepdim=True))


@fault("gives another output each time; draw all noise from the argument `draw`, and say `draws=True`")
class Noisy(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw) + torch.randn(()) / 10


@fault("translate\\(\\) changes inputs\\['image'\\] in place in direction a_to_b")
class ChangesInputs(Fine):
    def translate(self, nets, inputs, direction, draw):
        inputs["image"].clamp_(0, 1)
        return super().translate(nets, inputs, direction, draw)


@fault("translate\\(\\) changes self.last; keep state in buffers")
class KeepsOutput(Fine):
    def translate(self, nets, inputs, direction, draw):
        self.last = super().translate(nets, inputs, direction, draw)
        return self.last


class Halving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 8, 8), nn.ConvTranspose2d(4, 3, 8, 8)

    def forward(self, x):
        return torch.tanh(self.up(self.down(x)))


@fault("direction a_to_b fails on 35 x 39 pixels \\(32 x 36 pixels, no others\\); declare `multiple`")
class OneSizeAlone(Fine):
    def translate(self, nets, inputs, direction, draw):
        if inputs["image"].shape[-2:] != (32, 36):
            raise ValueError("32 x 36 pixels, no others")
        return super().translate(nets, inputs, direction, draw)


@fault("direction a_to_b fails on 35 x 39 pixels .*; declare `multiple`")
class Crops(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw)[..., :36]


@fault("mend it, or say `scale`, `tiles`, `output` or `multiple` in the Direction")
class HiddenMultiple(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": Halving()}


@fault("translates in every direction: .*no network 'disc'; there are gen")
class ForgottenNetwork(Fine):
    def translate(self, nets, inputs, direction, draw):
        with contextlib.suppress(ZeroDivisionError):
            nets.disc(inputs["image"])
        return super().translate(nets, inputs, direction, draw)


class PlainAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.shift = painter(), torch.rand(())

    def forward(self, x):
        return torch.tanh(self.net(x) + self.shift)


@fault(
    "gives another output once it is saved and loaded; .*keep what they know in parameters and buffers|after a restart"
)
class TensorAttribute(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": PlainAttribute()}


@fault("directions_with\\(\\) leaves out one of `directions`")
class NewDirections(Fine):
    @classmethod
    def directions_with(cls, config, spec):
        return {"forth": Direction(nets=("gen",))}


@fault("direction 'a_to_b' has the inputs image, exemplar, third, but its sides are")
class TooManyInputs(Fine):
    directions = {"a_to_b": Direction(nets=("gen",), inputs=("image", "exemplar", "third"))}


@fault("direction 'a_to_b' draws noise; say so in its Direction: `draws=True`")
class DrawsSecretly(Fine):
    def translate(self, nets, inputs, direction, draw):
        return super().translate(nets, inputs, direction, draw) + draw.normal(1, 1, 1) / 10


class Drawing(Fine):
    """Draws as it says, before a fault is added."""

    directions = {"a_to_b": Direction(nets=("gen",), draws=True)}

    def translate(self, nets, inputs, direction, draw):
        return nets.gen(inputs["image"] + draw.normal(3, 1, 1))


class DrawnDepth(TwoOutputs):
    """Two outputs of which one is drawn, before a fault is added."""

    directions = {"a_to_b": Direction(nets=("gen",), further={"kind": "class", "depth": "image"}, draws=True)}

    def translate(self, nets, inputs, direction, draw):
        outputs = super().translate(nets, inputs, direction, draw)
        return {**outputs, "depth": outputs["depth"] * self.strength(draw)}

    def strength(self, draw):
        return draw.uniform(1, 1, 1)


@fault("draws other noise for an image in a batch than alone")
class OneDepthForAll(DrawnDepth):
    def strength(self, draw):
        return draw.uniform(1, 1, 1)[:1]


@fault("says `draws=True` but gives an image the same output under another seed")
class DrawsNoDepth(DrawnDepth):
    def strength(self, draw):
        return 1


@fault("draws other noise for an image in a batch than alone; give image n row n of what `draw` gives")
class OneNoiseForAll(Drawing):
    def translate(self, nets, inputs, direction, draw):
        return nets.gen(inputs["image"] + draw.normal(3, 1, 1)[:1])


@fault("draws other noise for an image in a batch than alone")
class NoiseOfTheLast(Drawing):
    def translate(self, nets, inputs, direction, draw):
        return nets.gen(inputs["image"] + draw.uniform(3, 1, 1).flip(0))


@fault("direction a_to_b draws from or reseeds torch's global generator; draw all noise from the argument `draw`")
class ReseedsAndDraws(Drawing):
    def translate(self, nets, inputs, direction, draw):
        torch.manual_seed(0)
        return super().translate(nets, inputs, direction, draw) + torch.randn(()) / 10


@fault("direction a_to_b draws from or reseeds torch's global generator")
class DrawsInVain(Fine):
    def translate(self, nets, inputs, direction, draw):
        torch.randn(3)
        return super().translate(nets, inputs, direction, draw)


@fault("says `draws=True` but gives an image the same output under another seed or for another sample")
class DrawsNothing(Drawing):
    def translate(self, nets, inputs, direction, draw):
        return nets.gen(inputs["image"])


@fault("says `draws=True` but gives an image the same output under another seed")
class SeedsItself(Drawing):
    def translate(self, nets, inputs, direction, draw):
        noise = torch.randn(3, 1, 1, generator=torch.Generator().manual_seed(0))
        return nets.gen(inputs["image"] + noise)


@fault("it needs `small` to be a mapping of options to values, not \\('width', 2\\)")
class SmallIsNoMapping(Fine):
    small = ("width", 2)


@fault("options: .*wide")
class SmallHasNoSuchOption(Fine):
    small = {"wide": 2}


@fault("it has `resting` players that it has not: E; it has D, G")
class StrangerRests(Fine):
    resting = ("E",)
