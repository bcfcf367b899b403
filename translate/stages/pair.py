"""The `pair` stage: what an `infer` stage made, and what it made it of, become paired data for another training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from translate.contracts import (
    Config,
    DatasetFacts,
    ImagesFacts,
    Need,
    NoOptions,
    Problem,
    Record,
    Sides,
    Source,
    SourceFacts,
    Stage,
    StageContext,
)
from translate.conversion.dataset_split import main_pictures
from translate.data.completion import complete
from translate.data.dataset import Dataset
from translate.data.prepare import jobs_of, write_images
from translate.data.ranges.normalise import NormaliseConfig
from translate.errors import DataError
from translate.imaging.convert import stated_ranges
from translate.imaging.io import Bands, read


class PairConfig(Config):
    """Options of the `pair` stage."""

    made: Literal["input", "target"] = "input"
    """The side that the made images become; what they were made of becomes the other. As `input`, a training learns to
    make true images of made ones; as `target`, made images of true ones."""


class PairStage(Stage[PairConfig]):
    """Makes paired data of the images of an `infer` stage and the ones that it translated, under the same names.

    Splits of the data that have true pairs come along as they are, on the sides that the made images teach. So a method
    that needs pairs follows one that does not: CycleGAN makes pairs of unpaired data, and a bridge learns from them.
    """

    name = "pair"
    needs: ClassVar[Mapping[str, Need]] = {"images": Need("images"), "data": Need("dataset")}
    produces = "dataset"

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        images, data = ImagesFacts.of(parents, "images"), DatasetFacts.of(parents, "data")
        if images is None or data is None:
            return
        if images.split is None or images.via:
            yield Problem(("needs", "images"), "the images have to be made of a split of the data, in one step")
        elif images.split not in data.splits:
            message = f"the images are of split {images.split!r}, and the data has {', '.join(data.splits)}"
            yield Problem(("needs", "data"), message)
        elif images.target_side in (None, images.source_side):
            message = f"direction {images.direction} imitates no other side of the data, which pairs are made of"
            yield Problem(("needs", "images"), message)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        images, data = ImagesFacts.from_json(parents["images"]), DatasetFacts.from_json(parents["data"])
        return _promised(_facts(images, data)).to_json()

    def run(self, context: StageContext) -> dict[str, Any]:
        images, dataset = context.inputs["images"], Dataset(context.inputs["data"].path)
        source = MadePairs(images.path, ImagesFacts.from_json(images.facts), dataset, self.config.made)
        facts = source.facts()
        jobs = []
        for split in facts.splits:
            jobs += jobs_of(source, facts, split, swap=False)
        content = write_images(context.folder, jobs, facts, [], seed=0, workers=None, console=context.console)
        prepared = complete(context.folder, _promised(facts), content, source.ranges())
        counts = ", ".join(f"{sides['input']:,} in {split!r}" for split, sides in prepared.facts.counts.items())
        context.console.say(f"pairs: {counts}")
        context.tracker.dataset(self.name, context.fingerprint, prepared.facts.to_json(), "prepare")
        return prepared.facts.to_json()


class MadePairs(Source[NoOptions]):
    """Made images in the folder of an `infer` stage beside their originals, and the true pairs of the data."""

    def __init__(self, folder: Path, made: ImagesFacts, dataset: Dataset, side: Literal["input", "target"]) -> None:
        super().__init__(NoOptions())
        self.folder, self.made, self.dataset = folder, made, dataset
        assert made.target_side is not None  # `check` has seen to it
        self.sides = {made.target_side: side, made.source_side: "target" if side == "input" else "input"}

    def facts(self) -> SourceFacts:
        return _facts(self.made, self.dataset.facts)

    def records(self, split: str) -> Iterator[Record]:
        if split == self.made.split:
            yield from self._made(split)
            return
        for side, becomes in self.sides.items():
            for key in self.dataset.keys(split, side):
                yield self._stored(split, side, key, becomes)

    def _made(self, split: str) -> Iterator[Record]:
        """Each made image, and its original by the same key."""
        target, source = self.sides
        originals = set(self.dataset.keys(split, source))
        for key, path in main_pictures(self.folder).items():
            if key not in originals:
                raise DataError(f"{path}: side {source!r} of split {split!r} has no image {key!r} that it was made of")
            yield Record(key, self.sides[target], str(path), partial(_pixels, path))
            yield self._stored(split, source, key, self.sides[source])

    def _stored(self, split: str, side: str, key: str, becomes: str) -> Record:
        origin = str(self.dataset.path(split, side, key))
        return Record(key, becomes, origin, lambda: self.dataset.array(split, side, key).view(Bands))

    def ranges(self) -> dict[str, NormaliseConfig]:
        """The stated ranges of the data's sides, by the sides that they become."""
        stated = {becomes: stated_ranges(self.dataset.types[side]) for side, becomes in self.sides.items()}
        return {side: NormaliseConfig(range=tuple(ends)) for side, ends in stated.items() if ends is not None}


def _pixels(path: Path) -> Any:
    return read(path).pixels.view(Bands)


def _facts(made: ImagesFacts, data: DatasetFacts) -> SourceFacts:
    """Paired data: the split that was translated, and those that have true pairs already."""
    splits = tuple(split for split in data.splits if split == made.split or split in data.pairs)
    return SourceFacts("paired", splits, frozenset(splits))


def _promised(facts: SourceFacts) -> DatasetFacts:
    return DatasetFacts(Sides.of("paired"), splits=facts.splits, pairs=facts.splits)
