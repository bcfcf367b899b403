"""Sources, transforms and stages with one fault each."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np

from translate import (
    Class,
    Config,
    Image,
    Need,
    NoOptions,
    Problem,
    Record,
    Sides,
    Source,
    SourceFacts,
    Stage,
    Transform,
)

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


class Squares(Source[NoOptions]):
    name = "squares"

    def facts(self):
        return SourceFacts("paired", ("train", "test"), frozenset({"train", "test"}))

    def records(self, split):
        for n, side in itertools.product(range(4), ("input", "target")):
            yield Record(f"{n}", side, f"{split}/{n}", lambda n=n: self.draw(n))

    def draw(self, n):
        return np.full((16, 16, 3), 10 * n, np.uint8)


@fault("there is no kind of data 'pairs'; did you mean 'paired'")
class OddKind(Squares):
    def facts(self):
        return SourceFacts("pairs", ("train",))


@fault("facts\\(\\) names no classes of side 'kind'; give translate.Class all names")
class NamelessClasses(Squares):
    def facts(self):
        return SourceFacts(Sides({"input": Image(), "kind": Class()}, [("input", "kind")]), ("train",))


@fault("facts\\(\\) says that split 'val' has pairs, but its splits are train")
class PairsOfNothing(Squares):
    def facts(self):
        return SourceFacts("paired", ("train",), frozenset({"val"}))


@fault("facts\\(\\) names no splits; a training needs 'train'")
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


@fault("load\\(\\) of train/0 gives float64; give a numpy array of uint8, uint16 or float32")
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


@fault("facts\\(\\) returns tuple; return translate.SourceFacts")
class LooseFacts(Squares):
    def facts(self):
        return "paired", ("train",)


class Streets(Squares):
    """A label map beside each picture."""

    channels = 1

    def facts(self):
        return SourceFacts("labelled", ("train",), classes=("road", "sky"))

    def records(self, split):
        for n in range(4):
            yield Record(f"{n}", "image", f"{split}/{n}", lambda n=n: self.draw(n))
            yield Record(f"{n}", "label", f"{split}/{n}.label", lambda: np.zeros((16, 16, self.channels), np.uint8))


@fault("facts\\(\\) gives 1 colours for 2 classes; give one per class")
class OneColour(Streets):
    def facts(self):
        return SourceFacts("labelled", ("train",), classes=("road", "sky"), palette=((0, 0, 0),))


@fault("facts\\(\\) names no classes, and side 'label' has label maps")
class NoClasses(Streets):
    def facts(self):
        return SourceFacts("labelled", ("train",))


@fault("gives a label map of 3 channels; labels are class indices H x W x 1")
class PaintedLabels(Streets):
    channels = 3


@fault("inputs\\(\\) names 'nowhere.png', which does not exist")
class LostInput(Squares):
    def inputs(self):
        return [Path("nowhere.png")]


@fault("records\\('train'\\) yields str; yield translate.Record")
class NamesAlone(Squares):
    def records(self, split):
        return ["0", "1"]


class Mirror(Transform[NoOptions]):
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
        order = np.random.default_rng().permutation(next(iter(images.values())).shape[1])
        return {side: image[:, order] for side, image in images.items()}


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


@fault("it returns images that are not numpy arrays H x W x C")
class Lists(Mirror):
    def __call__(self, images, seed):
        return {side: image.tolist() for side, image in images.items()}


@fault("it makes a label map \\(48, 64\\) for an image \\(24, 64, 3\\); change both alike")
class LeavesLabels(Mirror):
    def __call__(self, images, seed):
        return {side: image if side == "label" else image[::2].copy() for side, image in images.items()}

    def size(self, before):
        return before[0] // 2, before[1]


@fault("it changes its input in place; work on a copy")
class ChangesInput(Mirror):
    def __call__(self, images, seed):
        for image in images.values():
            image[:] = 0
        return images


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


@fault("`continuable` names 'epochs.length', which is no option; there are number")
class OddContinuable(Count):
    continuable = {"number": "free", "epochs.length": "schedule"}


@fault("continuable\\['number'\\] is 'always'; write 'free' or 'schedule'")
class LooseContinuable(Count):
    continuable = {"number": "always"}


@fault("inputs\\(\\) yields str, not Path")
class TextInputs(Count):
    def inputs(self):
        return ["images"]


@fault("check\\(\\) yields str; yield translate.Problem\\(path, message\\)")
class Grumbles(Count):
    def check(self, parents):
        yield "no numbers today"


@fault("promise\\(\\) returns tuple; return a dict")
class LoosePromise(Count):
    def promise(self, parents):
        return ("number", 3)


@fault("notes\\(\\) yields int; yield sentences")
class NumberedNotes(Count):
    def notes(self, parents):
        return [1]


@fault("it does not say what it produces")
class Nameless(Stage[NoOptions]):
    name = "nameless"

    def run(self, context):
        return {}


class NeedsData(Count):
    needs = {"data": Need("dataset")}


class TidiesUp(NeedsData):
    """Deletes what it was given to read."""

    def run(self, context):
        for path in context.inputs["data"].path.iterdir():
            path.unlink()
        return super().run(context)


FINE = (Squares, Streets, Mirror, Count)
