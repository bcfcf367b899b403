"""Losses, metrics, sources, transforms, stages and networks with one fault each."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from translate import Config, LossTerm, Metric, Need, Network, NoOptions, Problem, Record, Source, SourceFacts, Stage
from translate import Transform as Transforming

FAULTS: dict[str, tuple[type[Any], str]] = {}


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


# ------------------------------------------------------------------------------------------------------------- losses


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


# ------------------------------------------------------------------------------------------------------------ metrics


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


# ------------------------------------------------------------------------------------------------------------ sources


class Squares(Source[NoOptions]):
    name = "squares"

    def facts(self):
        return SourceFacts("paired", ("train", "test"), frozenset({"train", "test"}))

    def records(self, split):
        for n, side in itertools.product(range(4), ("input", "target")):
            yield Record(f"{n}", side, f"{split}/{n}", lambda n=n: self.draw(n))

    def draw(self, n):
        return np.full((16, 16, 3), 10 * n, np.uint8)


@fault("facts\\(\\) says kind 'pairs'; there are paired, unpaired")
class OddKind(Squares):
    def facts(self):
        return SourceFacts("pairs", ("train",))


@fault("facts\\(\\) says that split 'val' has pairs, but its splits are train")
class PairsOfNothing(Squares):
    def facts(self):
        return SourceFacts("paired", ("train",), frozenset({"val"}))


@fault("facts\\(\\) names no splits")
class NoSplits(Squares):
    def facts(self):
        return SourceFacts("paired", ())


@fault("split 'train' has a record on side 'a'; paired data has input, target")
class OddSide(Squares):
    def records(self, split):
        yield Record("0", "a", "0", lambda: self.draw(0))


@fault("split 'train' has no images on side target")
class OneSide(Squares):
    def records(self, split):
        yield from (r for r in super().records(split) if r.side == "input")


@fault("split 'train' lists '3' before '2' on side input; sort by key")
class Unsorted(Squares):
    def records(self, split):
        yield from reversed(list(super().records(split)))


@fault("split 'train' has a key twice on side input")
class Twice(Squares):
    def records(self, split):
        for record in super().records(split):
            yield Record("same", record.side, record.origin, record.load)


@fault("split 'train' has other keys on input than on target; what belongs together shares a key")
class OtherKeys(Squares):
    def records(self, split):
        for record in super().records(split):
            yield Record(f"{record.side}-{record.key}", record.side, record.origin, record.load)


@fault("'../0' is no key; keys are relative paths")
class Escapes(Squares):
    def records(self, split):
        for record in super().records(split):
            yield Record(f"../{record.key}", record.side, record.origin, record.load)


@fault("load\\(\\) of train/0 gives float64; give a numpy array of uint8 or uint16")
class Floats(Squares):
    def draw(self, n):
        return np.zeros((16, 16, 3))


@fault("load\\(\\) of train/0 gives shape \\(16, 16\\); images are H x W x C")
class Flat(Squares):
    def draw(self, n):
        return np.zeros((16, 16), np.uint8)


@fault("the sides of train/0 have the sizes")
class TwoSizes(Squares):
    sizes = itertools.cycle((16, 24))

    def draw(self, n):
        return np.zeros((next(self.sizes), 16, 3), np.uint8)


@fault("gives another image the second time; draw from `numpy.random.default_rng` seeded by self.seed")
class DrawsAnew(Squares):
    def draw(self, n):
        return np.random.default_rng().integers(0, 255, (16, 16, 3), dtype=np.uint8)


@fault("records\\('train'\\) lists other keys the second time")
class OtherEachTime(Squares):
    counter = itertools.count()

    def records(self, split):
        start = next(self.counter)
        for record in super().records(split):
            yield Record(f"{start:05d}/{record.key}", record.side, record.origin, record.load)


# --------------------------------------------------------------------------------------------------------- transforms


class Mirror(Transforming[NoOptions]):
    name = "mirror"

    def __call__(self, images, seed):
        return {side: np.ascontiguousarray(image[:, ::-1]) for side, image in images.items()}


@fault("it treats two equal images of one call differently; draw once per call")
class OneSideOnly(Mirror):
    def __call__(self, images, seed):
        return {side: image[:, ::-1] if side == "input" else image for side, image in images.items()}


@fault("it returns the sides input for input, target")
class DropsSide(Mirror):
    def __call__(self, images, seed):
        return {"input": images["input"]}


@fault("it makes uint8 of images of 16 bits; keep their type")
class EightBits(Mirror):
    def __call__(self, images, seed):
        return {side: image.astype(np.uint8) for side, image in images.items()}


@fault("it gives other images under the same seed; draw from a generator made of `seed`")
class OwnDraws(Mirror):
    random = True

    def __call__(self, images, seed):
        shift = int(np.random.default_rng().integers(1, 40))
        return {side: np.roll(image, shift, 1) for side, image in images.items()}


@fault("its images depend on the seed, but `random` is False; set `random = True`")
class HiddenDraws(Mirror):
    def __call__(self, images, seed):
        return {side: np.roll(image, seed, 1) for side, image in images.items()}


@fault("size\\(\\(48, 64\\)\\) says \\(48, 64\\), but the images are \\(24, 32\\)")
class WrongPromise(Mirror):
    def __call__(self, images, seed):
        return {side: image[::2, ::2] for side, image in images.items()}


@fault("it makes labels .* that were not there; interpolate labels by `nearest`")
class BlendsLabels(Mirror):
    def __call__(self, images, seed):
        return {side: (image // 2 + np.roll(image, 1, 1) * 7).astype(image.dtype) for side, image in images.items()}


@fault("it changes its input in place; work on a copy")
class ChangesInput(Mirror):
    def __call__(self, images, seed):
        for image in images.values():
            image[:] = 0
        return images


# ------------------------------------------------------------------------------------------------------------- stages


class CountConfig(Config):
    number: int = 3


class Count(Stage[CountConfig]):
    name, produces = "count", "numbers"

    def promise(self, parents):
        return {"number": self.config.number}

    def run(self, context):
        (context.folder / "numbers.txt").write_text(str(self.config.number))
        return {"number": self.config.number}


@fault("run\\(\\) returns 'number' as 4, but promise\\(\\) said 3")
class BreaksPromise(Count):
    def run(self, context):
        return {"number": super().run(context)["number"] + 1}


@fault("run\\(\\) returns NoneType; return the facts as a dict")
class NoFacts(Count):
    def run(self, context):
        return None


@fault("run\\(\\) returns facts that are no JSON")
class OddFacts(Count):
    def run(self, context):
        return {**super().run(context), "folder": context.folder}


@fault("run\\(\\) writes another 'numbers.txt' the second time; draw from context.seed, not the clock")
class Clock(Count):
    def run(self, context):
        facts = super().run(context)
        (context.folder / "numbers.txt").write_text(str(time.monotonic_ns()))
        return facts


@fault("run\\(\\) writes 'beside.txt' beside its folder")
class Beside(Count):
    def run(self, context):
        (context.folder.parent / "beside.txt").write_text("")
        return super().run(context)


@fault("check\\(\\) finds 'no numbers today'; give `options`")
class Refuses(Count):
    def check(self, parents):
        yield Problem(("with", "number"), "no numbers today")


@fault("needs\\['data'\\] is 'dataset'; write translate.Need\\('dataset'\\)")
class LooseNeed(Count):
    needs = {"data": "dataset"}


@fault("`neutral` names 'workers', which is no option; there are number")
class OddNeutral(Count):
    neutral = frozenset({"workers"})


@fault("inputs\\(\\) yields str, not Path")
class TextInputs(Count):
    def inputs(self):
        return ["images"]


@fault("it does not say what it produces")
class Nameless(Stage[NoOptions]):
    name = "nameless"

    def run(self, context):
        return {}


# ----------------------------------------------------------------------------------------------------------- networks


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


FINE = (Distance, Apart, Squares, Mirror, Count, Blur)


class NeedsData(Count):
    needs = {"data": Need("dataset")}
