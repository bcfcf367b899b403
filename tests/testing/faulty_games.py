"""Methods with one fault each in what they are, build and play."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fine_method import Fine, painter
from pydantic import ConfigDict, field_serializer
from torch import nn
from torch.nn import functional as F

from translate import (
    Config,
    Direction,
    Update,
)

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


class OpenConfig(Config):
    model_config = ConfigDict(frozen=False)


@fault("OpenConfig is not frozen; leave `frozen` of translate.Config alone")
class MutableConfig(Fine):
    Config = OpenConfig


class LaxConfig(Config):
    model_config = ConfigDict(extra="allow")


@fault("LaxConfig accepts unknown keys; leave `extra` of translate.Config")
class AnyKey(Fine):
    Config = LaxConfig


class NeedyConfig(Config):
    path: str


class RoundedConfig(Config):
    rate: float = 0.125

    @field_serializer("rate")
    def short(self, rate: float) -> float:
        return round(rate, 1)


@fault("RoundedConfig changes on its way through JSON, where bundles keep it; use types that pydantic reads back")
class LosesOptions(Fine):
    Config = RoundedConfig


@fault("path: is required; pass `options=` with what is required")
class NoDefault(Fine):
    Config = NeedyConfig


@fault("it needs `data`, a translate.Sides or one of paired")
class NoData(Fine):
    data = "pictures"


@fault("it has directions that are not a translate.Direction: a_to_b")
class LooseDirection(Fine):
    directions = {"a_to_b": ("gen",)}


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


@fault("network 'gen' has 0.weight on meta; build it on the CPU")
class Elsewhere(Fine):
    def networks(self, build):
        return {**super().networks(build), "gen": painter().to("meta")}


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


@fault("loss 'l2' is not in its vocabulary \\(adversarial, l1, critic\\); add it to `losses`")
class UnknownLoss(Fine):
    def step(self, nets, batch, step):
        yield Update("G", {"l2": F.mse_loss(nets.gen(batch["input"]), batch["target"])})


@fault("Update names player 'generator'; its players are D, G")
class UnknownPlayer(Fine):
    def step(self, nets, batch, step):
        yield Update("generator", {"l1": F.l1_loss(nets.gen(batch["input"]), batch["target"])})


@fault("player D never played in \\d+ steps; yield Update\\('D', ...\\)")
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


@fault("raises SystemExit: 3 \\(faulty_games.py:")
class Exits(Fine):
    def step(self, nets, batch, step):
        raise SystemExit(3)


@fault("trains in bf16: raises TypeError: Got unsupported ScalarType BFloat16")
class NoHalf(Fine):
    def adversarial(self, nets, fake):
        scores = nets.disc(fake)
        return (torch.from_numpy(np.abs(scores.detach().numpy())) * (1 - scores)).square().mean()
