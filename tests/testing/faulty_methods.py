"""A tiny method that conforms, and one with each fault that the kit claims to catch."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Config, Direction, Method, Nets, Step, Update

FAULTS: dict[str, tuple[type[Method[Any]], str]] = {}
"""Name of the fault -> the method, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Method[Any]]) -> type[Method[Any]]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


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

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: str) -> Tensor:
        return nets.gen(inputs["image"])


# ------------------------------------------------------------------------------------------------- class and config


class OpenConfig(Config):
    model_config = ConfigDict(frozen=False)


@fault("OpenConfig is not frozen")
class MutableConfig(Fine):
    Config = OpenConfig


class LaxConfig(Config):
    model_config = ConfigDict(extra="allow")


@fault("LaxConfig accepts unknown keys")
class AnyKey(Fine):
    Config = LaxConfig


class NeedyConfig(Config):
    path: str


@fault("path: is required; pass `options=` with what is required")
class NoDefault(Fine):
    Config = NeedyConfig


@fault("it needs `data`, one of paired")
class NoData(Fine):
    data = "pictures"


@fault("it has directions that are not a translate.Direction: a_to_b")
class LooseDirection(Fine):
    directions = {"a_to_b": ("gen",)}


# --------------------------------------------------------------------------------------------------------- networks


@fault("direction a_to_b names network 'generator'; networks\\(\\) returns gen, disc")
class UnknownNetwork(Fine):
    directions = {"a_to_b": Direction(nets=("generator",))}


@fault("player G names network 'generator', but networks\\(\\) returns gen, disc")
class UnknownMember(Fine):
    players = {"D": ("disc",), "G": ("gen", "generator")}


@fault("network 'gen' is the same in two calls of networks\\(\\); build it anew")
class CachedNetwork(Fine):
    kept = painter()

    def networks(self, build):
        return {**super().networks(build), "gen": type(self).kept}


@fault("network 'gen' is the same in two calls")
class SharedWeights(Fine):
    shared = nn.Conv2d(3, 3, 1)

    def networks(self, build):
        return {**super().networks(build), "gen": nn.Sequential(painter(), type(self).shared)}


@fault("network 'gen' is a function, not a torch.nn.Module")
class NoModule(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": lambda x: x}


@fault("network 'gen' has 0.weight with values that are not finite; initialise it")
class Uninitialised(Fine):
    def networks(self, build):
        nets = super().networks(build)
        nn.init.constant_(nets["gen"][0].weight, float("nan"))
        return nets


@fault("network 'gen' is initialised differently each time under one seed")
class OwnRandomness(Fine):
    def networks(self, build):
        nets = super().networks(build)
        with torch.no_grad():
            nets["gen"][0].weight.copy_(torch.from_numpy(np.random.default_rng().normal(size=(4, 3, 3, 3))))
        return nets


@fault("networks\\(\\) builds the same weights under every seed")
class ReseedsNetworks(Fine):
    def networks(self, build):
        torch.manual_seed(0)
        return super().networks(build)


@fault("player G has no trainable parameters in gen")
class NothingToTrain(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": nn.Identity()}


# ------------------------------------------------------------------------------------------------- losses and players


@fault("loss 'l2' is not in its vocabulary \\(adversarial, l1, critic\\); add it to `losses`")
class UnknownLoss(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l2": F.mse_loss(nets.gen(batch["input"]), batch["target"])})


@fault("Update names player 'generator'; its players are D, G")
class UnknownPlayer(Fine):
    def step(self, nets, batch, step):
        yield Update("generator", {"l1": F.l1_loss(nets.gen(batch["input"]), batch["target"])})


@fault("player D never played in 200 steps; yield Update\\('D', ...\\)")
class IdlePlayer(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l1": F.l1_loss(nets.gen(batch["input"]), batch["target"])})


@fault("an Update of player G has no losses")
class EmptyUpdate(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {})


@fault("loss 'l1' is nan at step 0; keep logarithms, roots and divisions away from 0")
class NotANumber(Fine):
    def step(self, nets, batch, step):
        yield from super().step(nets, batch, step)
        yield Update("G", {"l1": (nets.gen(batch["input"]) - 2).log().mean()})


@fault("loss 'l1' has shape \\(2, 3, 32, 32\\); a loss is a scalar tensor")
class NoScalar(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l1": nets.gen(batch["input"]) - batch["target"]})


@fault("loss 'l1' is 1.0; a loss is a scalar tensor")
class PythonNumber(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l1": 1.0})


@fault("step\\(\\) yields tuple; it has to yield Update\\(player, losses\\)")
class YieldsTuple(Fine):
    def step(self, nets, batch, step):
        yield "G", {}


@fault("raises TypeError: 'NoneType' object is not iterable")
class ForgotYield(Fine):
    def step(self, nets, batch, step):
        return None


@fault("the losses of player G do not depend on its networks")
class AllDetached(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l1": F.l1_loss(nets.gen(batch["input"]).detach(), batch["target"])})


@fault("loss 'l1' of player G has no gradient to its networks \\(gen\\); yield it in the Update of the player")
class OneDetached(Fine):
    def step(self, nets, batch, step):
        for update in super().step(nets, batch, step):
            detached = {k: v.detach() if k == "l1" else v for k, v in update.losses.items()}
            yield Update(update.player, detached)


@fault("loss 'critic' of player G has no gradient to its networks \\(gen\\)")
class WrongPlayer(Fine):
    def step(self, nets, batch, step):
        fake = nets.gen(batch["input"])
        yield Update("D", {"critic": self.critic(nets, batch["target"], fake.detach())})
        critic = self.critic(nets, batch["target"], fake.detach())
        yield Update("G", {"critic": critic, "l1": F.l1_loss(fake, batch["target"])})


@fault("network 'extra' of player G gets no gradient from any of its losses; use it in a loss")
class UnusedNetwork(Fine):
    players = {"D": ("disc",), "G": ("gen", "extra")}

    def networks(self, build):
        return {**super().networks(build), "extra": nn.Conv2d(3, 3, 1)}


@fault("step\\(\\) calls backward\\(\\) into network 'gen' itself; yield the loss instead")
class OwnBackward(Fine):
    def step(self, nets, batch, step):
        F.l1_loss(nets.gen(batch["input"]), batch["target"]).backward()
        yield from super().step(nets, batch, step)


@fault("step\\(\\) changes the weights of network 'gen' itself")
class OwnOptimizer(Fine):
    def step(self, nets, batch, step):
        with torch.no_grad():
            nets.gen[0].weight.mul_(0.99)
        yield from super().step(nets, batch, step)


@fault("step\\(\\) yields inside no_grad, inference_mode, autocast or another context")
class InsideNoGrad(Fine):
    def step(self, nets, batch, step):
        with torch.no_grad():
            yield from super().step(nets, batch, step)


@fault("step\\(\\) yields inside no_grad, inference_mode, autocast or another context")
class InsideAutocast(Fine):
    def step(self, nets, batch, step):
        with torch.autocast("cpu", torch.bfloat16):
            yield from super().step(nets, batch, step)


@fault("a loss uses a graph from before another player's update. Recompute after the update")
class KeptScores(Fine):
    def step(self, nets, batch, step):
        fake = nets.gen(batch["input"])
        adversarial = self.adversarial(nets, fake)
        yield Update("D", {"critic": self.critic(nets, batch["target"], fake.detach())})
        yield Update("G", {"adversarial": adversarial})


@fault("view 'output' of player G is str; publish tensors or functions")
class WordsAsView(Fine):
    def step(self, nets, batch, step):
        for update in super().step(nets, batch, step):
            yield Update(update.player, update.losses, views={"output": "fake"} if update.player == "G" else {})


@fault("view 'fake' of player G is not in `views` of the class; add it there")
class UndeclaredView(Fine):
    def step(self, nets, batch, step):
        for update in super().step(nets, batch, step):
            yield Update(update.player, update.losses, views={"fake": batch["input"]} if update.player == "G" else {})


@fault("step\\(\\) changes batch\\['input'\\] in place; work on a copy")
class ChangesBatch(Fine):
    def step(self, nets, batch, step):
        batch["input"].mul_(0.5)
        yield from super().step(nets, batch, step)


@fault("raises SystemExit: 3 \\(faulty_methods.py:")
class Exits(Fine):
    def step(self, nets, batch, step):
        raise SystemExit(3)


@fault("trains in bf16: raises TypeError: Got unsupported ScalarType BFloat16")
class NoHalf(Fine):
    def adversarial(self, nets, fake):
        scores = nets.disc(fake)
        return (torch.from_numpy(np.abs(scores.detach().numpy())) * (1 - scores)).square().mean()


# ------------------------------------------------------------------------------------------------------------- state


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


@fault("after a restart at step 2")
class DrawsUnseeded(Fine):
    def step(self, nets, batch, step):
        noise = torch.randn(
            batch["input"].shape, generator=torch.Generator().manual_seed(random.SystemRandom().getrandbits(32))
        )
        yield from super().step(nets, {**batch, "input": batch["input"] + noise}, step)


# -------------------------------------------------------------------------------------------------- the whole process


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
    def translate(self, nets, inputs, direction):
        torch.set_default_dtype(torch.float64)
        return super().translate(nets, inputs, direction)


@fault("it changes the working directory")
class Moves(Fine):
    def networks(self, build):
        os.chdir("/")
        return super().networks(build)


# ---------------------------------------------------------------------------------------------------------- inference


@fault("translate\\(\\) in direction a_to_b returns shape \\(2, 3, 16, 18\\) for inputs of 32 x 36")
class HalfSize(Fine):
    def translate(self, nets, inputs, direction):
        return F.avg_pool2d(super().translate(nets, inputs, direction), 2)


@fault("returns shape \\(2, 1, 32, 36\\) for inputs of 32 x 36, not \\(2, 3, 32, 36\\)")
class Grey(Fine):
    def translate(self, nets, inputs, direction):
        return super().translate(nets, inputs, direction)[:, :1]


@fault("translate\\(\\) in direction a_to_b returns NoneType; it has to return a tensor")
class NothingBack(Fine):
    def translate(self, nets, inputs, direction):
        return None


@fault("returns values from -.* to .*; images are in \\[-1, 1\\]")
class Bytes(Fine):
    def translate(self, nets, inputs, direction):
        return super().translate(nets, inputs, direction) * 255


@fault("returns no value below 0; images are in \\[-1, 1\\], not in \\[0, 1\\]: return 2 \\* y - 1")
class ZeroToOne(Fine):
    def translate(self, nets, inputs, direction):
        return (super().translate(nets, inputs, direction) + 1) / 2


@fault("returns values that are not finite")
class Infinite(Fine):
    def translate(self, nets, inputs, direction):
        return super().translate(nets, inputs, direction) / 0


@fault("gives an image another output in a batch than alone; take no statistics over the batch")
class CouplesImages(Fine):
    def translate(self, nets, inputs, direction):
        return nets.gen(inputs["image"] - inputs["image"].mean(0, keepdim=True))


@fault("gives another output each time; draw noise from a generator seeded by a constant")
class Noisy(Fine):
    def translate(self, nets, inputs, direction):
        return super().translate(nets, inputs, direction) + torch.randn(()) / 10


@fault("translate\\(\\) changes inputs\\['image'\\] in place in direction a_to_b")
class ChangesInputs(Fine):
    def translate(self, nets, inputs, direction):
        inputs["image"].clamp_(0, 1)
        return super().translate(nets, inputs, direction)


@fault("translate\\(\\) changes self.last; keep state in buffers")
class KeepsOutput(Fine):
    def translate(self, nets, inputs, direction):
        self.last = super().translate(nets, inputs, direction)
        return self.last


class Halving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 8, 8), nn.ConvTranspose2d(4, 3, 8, 8)

    def forward(self, x):
        return torch.tanh(self.up(self.down(x)))


@fault("declare `multiple` on the network or in the Direction|say `scale`, `tiles`, `output` or `multiple`")
class HiddenMultiple(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": Halving()}


@fault("translates in every direction: .*no network 'disc'; there are gen")
class ForgottenNetwork(Fine):
    def translate(self, nets, inputs, direction):
        with contextlib.suppress(ZeroDivisionError):
            nets.disc(inputs["image"])
        return super().translate(nets, inputs, direction)


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


@fault("directions_with\\(\\) returns other names than `directions`")
class NewDirections(Fine):
    @classmethod
    def directions_with(cls, config):
        return {"forth": Direction(nets=("gen",))}


@fault("direction 'a_to_b' has the inputs image, exemplar, third, but its sides are")
class TooManyInputs(Fine):
    directions = {"a_to_b": Direction(nets=("gen",), inputs=("image", "exemplar", "third"))}
