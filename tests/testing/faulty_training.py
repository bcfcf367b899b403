"""Objectives, optimizers, schedules and transforms on the device with one fault each."""

from __future__ import annotations

from typing import Any

import torch

from translate import (
    AdversarialLoss,
    DeviceTransform,
    NoOptions,
    ObjectiveConfig,
    Optimizer,
    OptimizerConfig,
    Schedule,
    ScheduleConfig,
)

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


# -------------------------------------------------------------------------------------------------------- objectives


class Linear(AdversarialLoss[ObjectiveConfig]):
    name = "linear"

    def critic(self, a, b):
        return b.mean() - a.mean()

    def generator(self, a, b):
        return -b.mean()


@fault("critic\\(\\) returns shape \\(2, 1, 1, 1\\); return a scalar tensor, such as a mean")
class EachScore(Linear):
    def critic(self, a, b):
        return b - a


@fault("generator\\(\\) returns nan; set `relative = True` if it reads the scores of real images")
class ReadsRealScores(Linear):
    def generator(self, a, b):
        return a.mean() - b.mean()


@fault("critic\\(\\) has no gradient; do not detach the scores")
class Detached(Linear):
    def critic(self, a, b):
        return super().critic(a, b).detach()


@fault("generator\\(\\) teaches nothing: its gradient is zero")
class Rounded(Linear):
    def generator(self, a, b):
        return b.round().mean()


@fault("the gradient of generator\\(\\) is not finite")
class RootOfNothing(Linear):
    def generator(self, a, b):
        return (b - b.detach()).square().sum().sqrt()


@fault("critic\\(\\) gives \\S+ for four images, and \\S+ for four patches of one")
class SumOfPatches(Linear):
    def critic(self, a, b):
        return b.flatten(1).sum(1).mean() - a.flatten(1).sum(1).mean()


@fault("boundary\\(\\) returns '0.5'; return the score at which the critic cannot tell, or None")
class TextBoundary(Linear):
    def boundary(self):
        return "0.5"


# -------------------------------------------------------------------------------------------------------- optimizers


class Plain(Optimizer[OptimizerConfig]):
    name = "plain"

    def build(self, params, *, fused):
        return torch.optim.SGD(params, lr=self.config.lr)


@fault("build\\(\\) returns list; return a torch.optim.Optimizer")
class NoOptimizer(Plain):
    def build(self, params, *, fused):
        return list(params)


@fault("build\\(\\) makes 2 groups; put all parameters into one")
class TwoGroups(Plain):
    def build(self, params, *, fused):
        return torch.optim.SGD([{"params": [param]} for param in params], lr=self.config.lr)


@fault("its group has the rate 0.5, not that of its options, 0.0002")
class OwnRate(Plain):
    def build(self, params, *, fused):
        return torch.optim.SGD(params, lr=0.5)


@fault("a convex loss went from \\S+ to \\S+ in 30 steps")
class Uphill(Plain):
    def build(self, params, *, fused):
        return torch.optim.SGD(params, lr=self.config.lr, maximize=True)


class Counting(torch.optim.SGD):
    count = 0

    def step(self, closure=None):
        self.count += 1
        self.param_groups[0]["lr"] = 0.1 / self.count
        super().step()


@fault("after a restart it goes another way; keep what it remembers in `self.state\\[parameter\\]`")
class ForgetsState(Plain):
    def build(self, params, *, fused):
        return Counting(params, lr=self.config.lr)


class Remembering(torch.optim.SGD):
    def step(self, closure=None):
        for param in self.param_groups[0]["params"]:
            self.state[param].setdefault("past", []).append(float(param.grad.norm()))
        super().step()


@fault("optimizer Remembering keeps 'past' of a parameter as list: a checkpoint holds tensors, finite numbers")
class KeepsLists(Plain):
    def build(self, params, *, fused):
        return Remembering(params, lr=self.config.lr)


# --------------------------------------------------------------------------------------------------------- schedules


@fault("factor\\(0, 1\\) is -1.0; return a number, 0 or more")
class Negative(Schedule[ScheduleConfig]):
    name = "negative"

    def factor(self, position, total):
        return -1.0


@fault("factor\\(\\) depends on earlier calls; compute it from `position` and `total` alone")
class Climbs(Schedule[ScheduleConfig]):
    name = "climbs"
    now = 0

    def factor(self, position, total):
        self.now += 1
        return self.now


class Steady(Schedule[ScheduleConfig]):
    name, watches = "steady", "swd"

    def factor(self, position, total):
        return 1.0


class Falls(Steady):
    """A plateau-like schedule without a fault: half the rate for each score that is the worst so far."""

    def factor_after(self, scores, better):
        worst = max if better == "lower" else min
        falls = [place for place, score in enumerate(scores) if place and score == worst(scores[: place + 1])]
        return 0.5 ** len(falls)


@fault("factor_after\\(\\) reads scores, and `watches` names no metric")
class WatchesNothing(Falls):
    watches = ""


@fault("factor_after\\(\\) gives nan; return a number, 0 or more, also for NaN and no scores")
class NoNumber(Steady):
    def factor_after(self, scores, better):
        return 1 / (1 + abs(scores[-1])) if scores else 1.0


@fault("factor_after\\(\\) depends on earlier calls; compute it from `scores` and `better` alone")
class Remembers(Steady):
    now = 1.0

    def factor_after(self, scores, better):
        self.now *= 0.5
        return self.now


# -------------------------------------------------------------------------------------------- transforms on the device


class Same(DeviceTransform[NoOptions]):
    name = "same"

    def __call__(self, batch, seed):
        return dict(batch)


@fault("it returns the sides input for input, target, label; return each side that it gets")
class SidesLost(Same):
    def __call__(self, batch, seed):
        return {"input": batch["input"]}


@fault("it treats two equal images of one call differently; draw once per call")
class DrawsApart(Same):
    def __call__(self, batch, seed):
        return {**batch, "target": batch["target"].flip(-1)}


@fault("its images are not float32 in \\[-1, 1\\]")
class TooBright(Same):
    def __call__(self, batch, seed):
        return {**batch, "input": batch["input"] + 2, "target": batch["target"] + 2}


@fault("it makes labels \\(\\d, 48, 48\\) of torch.float32; long, of the images' size")
class FloatLabels(Same):
    def __call__(self, batch, seed):
        return {**batch, "label": batch["label"].float()}


@fault("it makes labels \\[1\\] that were not there; interpolate labels by `nearest`")
class BlendedLabels(Same):
    def __call__(self, batch, seed):
        return {**batch, "label": batch["label"].clamp(max=1)}


@fault("it gives other images under the same seed; draw from a torch.Generator made of `seed`")
class GlobalDraw(Same):
    def __call__(self, batch, seed):
        factor = torch.rand(())
        return {**batch, "input": batch["input"] * factor, "target": batch["target"] * factor}


@fault("size\\(\\(48, 48\\)\\) says \\(48, 48\\), but the images are \\(24, 24\\)")
class Halved(Same):
    def __call__(self, batch, seed):
        return {side: values[..., ::2, ::2] for side, values in batch.items()}


FINE = [Linear, Plain, Falls, Same]
