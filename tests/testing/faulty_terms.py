"""Losses, metrics and networks with one fault each."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from translate import (
    LossTerm,
    Metric,
    Network,
    NoOptions,
)

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


class Distance(LossTerm[NoOptions]):
    name = "distance"

    def forward(self, output, target):
        return (output - target).abs().mean()


@fault("forward\\(\\) returns shape \\(2, 3, 32, 32\\); return a scalar tensor")
class PerPixel(Distance):
    def forward(self, output, target):
        return (output - target).abs()


@fault("forward\\(\\) returns float; return a scalar tensor")
class PlainFloat(Distance):
    def forward(self, output, target):
        return super().forward(output, target).item()


@fault("forward\\(\\) returns nan; a loss is a finite float")
class RootOfNegative(Distance):
    def forward(self, output, target):
        return (output - target).sqrt().mean()


@fault("its gradient is not finite for equal images; keep roots")
class RootAtZero(Distance):
    def forward(self, output, target):
        return (output - target).square().sum((1, 2, 3)).sqrt().mean()


@fault("its value has no gradient to any view; do not detach")
class NoGradient(Distance):
    def forward(self, output, target):
        return super().forward(output.detach(), target.detach())


@fault("its gradient is zero everywhere; rounding and comparisons have none")
class Rounds(Distance):
    def forward(self, output, target):
        return super().forward(output.round(), target.round())


@fault("forward\\(\\) gives another value for the same images; keep no state between calls")
class Anneals(Distance):
    calls = 0

    def forward(self, output, target):
        type(self).calls += 1
        return super().forward(output, target) / type(self).calls


@fault("forward\\(\\) changes 'output' in place; work on a copy")
class InPlace(Distance):
    def forward(self, output, target):
        output.data.clamp_(0, 1)
        return super().forward(output, target)


@fault("it needs a `forward` whose arguments all have names")
class AnyViews(Distance):
    def forward(self, *views):
        return super().forward(*views)


@fault("forward\\(\\) has no arguments; name those views that it reads")
class NoViews(Distance):
    def forward(self):
        return torch.zeros(())


@fault("argument is a function; pass `views={name: function}` to the kit")
class OddCritic(Distance):
    def forward(self, output, target, scorer):
        return super().forward(scorer(output), target)


class Apart(Metric[NoOptions]):
    name = "apart"

    def score(self, outputs, references):
        pairs = zip(outputs, references, strict=True)
        return sum((a.float() - b.float()).abs().mean().item() for a, b in pairs) / len(outputs)


@fault("score\\(\\) returns Tensor; return a float \\(`.item\\(\\)`\\)")
class TensorScore(Apart):
    def score(self, outputs, references):
        return torch.tensor(super().score(outputs, references))


@fault("score\\(\\) returns nan for images of noise")
class NanScore(Apart):
    def score(self, outputs, references):
        return float("nan")


@fault("but `better` is 'higher'; say the other end, or turn the sign")
class WrongEnd(Apart):
    better = "higher"


@fault("`better` is 'less'; it is 'higher' or 'lower'")
class OddEnd(Apart):
    better = "less"


@fault("as others do; the metric does not see the images")
class Blind(Apart):
    def score(self, outputs, references):
        return 0.5


@fault("score\\(\\) gives .* and then .*; draw from a generator seeded by a constant")
class Draws(Apart):
    counter = itertools.count()

    def score(self, outputs, references):
        return super().score(outputs, references) + next(self.counter)


@fault("score\\(\\) gives nan when it gets a context; return a number whatever is in it")
class LostInContext(Apart):
    def score(self, outputs, references, context=None):
        return super().score(outputs, references) if context is None else float("nan")


@fault("score\\(\\) changes images in place; work on a copy")
class Scales(Apart):
    def score(self, outputs, references):
        return super().score(outputs, [r.mul_(2) for r in references])


@fault("the images of a metric are read one by one; iterate instead of slicing")
class Slices(Apart):
    def score(self, outputs, references):
        return super().score(outputs[:2], references[:2])


@fault("compares sets of two sizes: raises ValueError")
class PairsSets(Apart):
    paired = False


@fault("details\\(\\) returns no mapping of names to floats")
class Details(Apart):
    def details(self, outputs, references):
        return {"each": [1, 2]}


@fault("`detail_ends` has ends for 'share', and details\\(\\) tells no ")
class EndsOfNothing(Apart):
    detail_ends = {"share": (0.0, 1.0)}


@fault("`reads` is 'pixels'; it is 'images', 'labels' or 'classes'")
class OddReading(Apart):
    reads = "pixels"


@fault("score\\(\\) returns nan for sets of two sizes")
class NanOfUnequalSets(Apart):
    paired = False

    def score(self, outputs, references):
        return super().score(outputs, references) if len(outputs) == len(references) else float("nan")


class Blur(Network[NoOptions]):
    name = "blur"

    def __init__(self, config, *, in_channels, out_channels):
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, images):
        return self.conv(images)


@fault("its weights differ each time; draw them from torch's global generator")
class NumpyWeights(Blur):
    def __init__(self, config, **channels):
        super().__init__(config, **channels)
        nn.init.constant_(self.conv.weight, np.random.default_rng().random())


@fault("`multiple` is '4'; it is the whole number")
class TextMultiple(Blur):
    multiple = "4"


@fault("parameter 'idle.weight' does not reach the output; use it, or leave it out")
class IdleLayer(Blur):
    def __init__(self, config, **channels):
        super().__init__(config, **channels)
        self.idle = nn.Linear(2, 2)


@fault("forward\\(\\) returns values that are not finite")
class Explodes(Blur):
    def forward(self, images):
        return super().forward(images) / 0


@fault("its outputs differ once its state is saved and loaded")
class Forgets(Blur):
    def __init__(self, config, **channels):
        super().__init__(config, **channels)
        self.shift = torch.rand(())

    def forward(self, images):
        return super().forward(images) + self.shift


@fault("forward\\(\\) returns no tensor for images \\(2, 3, 32, 32\\)")
class Named(Blur):
    def forward(self, images):
        return {"output": super().forward(images)}


@fault("forward\\(\\) changes its input in place; work on a copy")
class Inverts(Blur):
    def forward(self, images):
        return super().forward(images.neg_())


@fault("forward\\(\\) returns shapes \\[\\(3, 32, 32\\)\\]; the first number is that of the batch")
class MeanOfBatch(Blur):
    def forward(self, images):
        return super().forward(images).mean(0)


FINE = (Distance, Apart, Blur)
