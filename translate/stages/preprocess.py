"""The `preprocess` stage: a source of images in, a prepared dataset of image files out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from translate.contracts import (
    ComponentKind,
    Config,
    DatasetFacts,
    Frames,
    Image,
    Problem,
    Record,
    Sides,
    Source,
    SourceFacts,
    SourceUse,
    Stage,
    StageContext,
    TransformUse,
)
from translate.data.completion import Prepared, complete
from translate.data.first_look import Impression, impression
from translate.data.loading.resolution import reduced_by
from translate.data.prepare import jobs_of, write_images
from translate.data.ranges.normalise import NormaliseConfig, unknown_sides
from translate.data.scenes.files import ScenePicture
from translate.data.sources.folders import FileSource
from translate.data.sources.splits import SplitOptions, SplitSource
from translate.data.tiles import windows
from translate.errors import TranslateError
from translate.imaging.appearance.handling import Handling, preparing
from translate.imaging.colour.spaces import Colour
from translate.plugins.options import files, unreadable

SideName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=30)]
"""What a side shows: it becomes a part of the names of directions, and of folders."""


class PreprocessConfig(Config):
    """Options of the `preprocess` stage."""

    source: SourceUse
    """Where the images come from: `{uses: folders, a: photos/train, b: drawings/train}`."""
    split: SplitOptions | None = None
    """Random splits of a source that has none of its own: `{val: 0.1, test: 0.1}`, or `{folds: 5, fold: 2}`."""
    transforms: tuple[TransformUse, ...] = ()
    """Transforms that draw nothing at random; what they make is kept on disk: `[{uses: resize, size: 286}]`."""
    normalise: dict[str, NormaliseConfig] = {}
    """Values that become -1 and 1, by side: `{input: {percentiles: [1, 99]}, target: {range: [0, 4000]}}`. Without it
    integers span their type, and floats go from their smallest to their largest value, `{percentiles: [0, 100]}`."""
    white: PositiveFloat | None = None
    """White in images of more than 8 bits, such as 4095 for counts of 12 bits, which then span the whole range; `null`
    takes what files say. The model takes white for the same when it converts images."""
    colour: Colour | None = None
    """Space that colours are turned into, such as `display-p3`, by the profiles of files; `as-is` keeps their numbers,
    and `null` makes sRGB. The model sees the same space when it converts images."""
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    """Of paired data: `a_to_b` makes side a the input, `b_to_a` makes it the target. The model's direction is called by
    the same name."""
    names: dict[Literal["a", "b"], SideName] = {}
    """What the two sides show: with `{a: map, b: photo}` directions are called `map_to_photo` and `photo_to_map`."""
    tiles: Annotated[int, Field(ge=16)] | None = None
    """Side in pixels of squares that larger images are cut into, after the transforms: those of a row overlap where the
    width is no multiple. All tiles of an image are in one split. `null` keeps images whole."""
    workers: PositiveInt | None = None
    """Threads that decode and write; `null` goes by the cores. It changes speed alone."""

    @field_validator("names")
    @classmethod
    def _two_names(cls, names: dict[str, str]) -> dict[str, str]:
        if names and len(set(names.values())) < 2:
            raise ValueError("name both sides, `{a: map, b: photo}`, and not alike")
        return names


class PreprocessStage(Stage[PreprocessConfig]):
    """Reads a source once, applies the deterministic transforms, and writes a prepared dataset.

    Transparency is laid over white. A side that mixes grey and colour becomes colour, and a dataset that mixes 8 and 16
    bits becomes 16 bits; both are said.
    """

    name = "preprocess"
    produces = "dataset"
    small = {"source": {"uses": "generated-maps", "size": 16, "train": 2, "test": 1}}
    neutral = frozenset({"workers"})

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        for position, use in enumerate(self.config.transforms):
            where = ("with", "transforms", position)
            try:
                if self.registry.build(use).random:
                    yield Problem(where, f"`{use.uses}` draws at random; put it under `augment` of the train stage")
            except TranslateError as error:
                yield Problem(where, str(error))
        for place, path in files(self.config.transforms, self.registry, ("with", "transforms")):
            if fault := unreadable(path):
                yield Problem(place, fault)
        try:
            facts = self._source().facts()
        except TranslateError as error:
            # lines that are indented belong to the one before
            for message in re.split(r"\n(?! )", str(error)):
                yield Problem(("with", "source"), message)
            kind = getattr(self.registry.get("sources", self.config.source.uses), "kind", None)
            if isinstance(kind, str):  # what it makes is known all the same
                yield from self._check_sides(Sides.of(kind))
            return
        for sentence in self._impression.problems:
            yield Problem(("with", "source"), sentence)
        yield from self._check_sides(facts.data)

    def _check_sides(self, data: Sides) -> Iterable[Problem]:
        for name in unknown_sides(self.config.normalise, data):
            sides = ", ".join(data.images()) or "none"
            yield Problem(("with", "normalise", name), f"there is no side of images {name!r}; there are {sides}")
        if self.config.direction == "b_to_a" and data.kind != "paired":
            message = f"only paired data has a direction, and this source is {data.kind or data.in_words()}"
            yield Problem(("with", "direction"), f"{message}; translate in both with the model")

    def notes(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        return self._impression.notes

    @cached_property
    def _impression(self) -> Impression:
        """What a look at a few images shows."""
        source = self._source()
        with preparing(Handling(**self._handling())):
            return impression(source, source.facts(), self.config.normalise)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return self._facts(self._source().facts()).to_json()

    def outlook(self, parents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The counts of images, or of their tiles, where files, their headers or the options tell them."""
        source: Source[Any] = self.registry.build(self.config.source, seed=self.seed)
        if not (isinstance(source, FileSource) or self.config.source.uses.startswith("generated-")):
            return {}
        source = self._source()
        facts = source.facts()
        counts: dict[str, Counter[str]] = {}
        for split in facts.splits:
            counts[split] = Counter()
            for record in source.records(split):
                tiles = self._tiles_of(record, reduced_by(facts.data[record.side]))
                if tiles is None:
                    return {}
                counts[split][record.side] += tiles
        return {"counts": {split: dict(sides) for split, sides in counts.items()}}

    def _tiles_of(self, record: Record, times: int) -> int | None:
        """How many tiles an image becomes, by its header; None where that shows when it is prepared. One of low
        resolution is cut where it counts as `times` as high and wide."""
        if self.config.tiles is None:
            return 1
        if not isinstance(record.load, ScenePicture):
            return None
        try:
            height, width = record.load.size()
        except TranslateError:
            return None
        size: tuple[int, int] | None = (times * height, times * width)
        for use in self.config.transforms:
            size = self.registry.build(use).size(size)
        return None if size is None else sum(1 for _ in windows("", size, self.config.tiles, times))

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        """The image formats of the plugins that the pipeline names: what they read depends on their revision."""
        for name in self.registry.names("formats"):
            if self.registry.provider("formats", name)["plugin"] != "translate":
                yield "formats", name

    def inputs(self) -> Iterable[Path]:
        named = [path for _, path in files(self.config.transforms, self.registry)]
        return [*self._source().inputs(), *(path for path in named if not unreadable(path))]

    def run(self, context: StageContext) -> dict[str, Any]:
        source = self._source()
        facts = source.facts()
        swap = self.config.direction == "b_to_a"
        jobs = [job for split in facts.splits for job in jobs_of(source, facts, split, swap=swap)]
        chain = [self.registry.build(use) for use in self.config.transforms]
        with preparing(Handling(**self._handling())):
            content = write_images(
                context.folder,
                jobs,
                facts,
                chain,
                seed=self.seed,
                workers=self.config.workers,
                console=context.console,
                tile=self.config.tiles or 0,
            )
        prepared = complete(context.folder, self._facts(facts), content, self.config.normalise)
        self._report(context, prepared)
        if isinstance(source, SplitSource):
            context.console.say(source.summary())
        for sentence in prepared.ranges:
            context.console.say(sentence)
        for remark in (*source.notes(), *prepared.remarks()):
            context.console.warn(remark)
        return prepared.facts.to_json()

    def _source(self) -> Source[Any]:
        source: Source[Any] = self.registry.build(self.config.source, seed=self.seed)
        return source if self.config.split is None else SplitSource(source, self.config.split)

    def _handling(self) -> dict[str, Any]:
        """What is stated of the look of images."""
        stated = {"white": self.config.white, "colour": self.config.colour}
        return {name: value for name, value in stated.items() if value is not None}

    def _facts(self, source: SourceFacts) -> DatasetFacts:
        """The facts of the dataset that are known from its source."""
        return DatasetFacts(
            data=source.data,
            splits=source.splits,
            pairs=tuple(split for split in source.splits if split in source.pairs or source.kind == "single"),
            classes=source.classes,
            handling=self._handling(),
            palette=source.palette,
            direction=self.config.direction,
            names={str(side): name for side, name in self.config.names.items()},
        )

    def _report(self, context: StageContext, prepared: Prepared) -> None:
        """Prints and records how many images of which format each side of each split has."""
        facts = prepared.facts
        rows = []
        for split, sides in facts.counts.items():
            (least_height, least_width), (height, width) = prepared.extent[split]
            size = f"{width} x {height}"
            if (least_height, least_width) != (height, width):
                size = f"{least_width} x {least_height} to {size}"
            paired = "yes" if split in facts.pairs else "no"
            for side, count in sides.items():
                # A class or a vector has no size.
                form: list[Any] = (
                    [size, facts.channels[side], _bits(facts, side)] if side in facts.channels else [None] * 3
                )
                if (times := reduced_by(facts.data[side])) > 1:
                    form[0] = f"1/{times} of it"
                rows.append([split, side, count, *form, paired])
        columns = ["split", "side", "images", "size", "channels", "bits", "true pairs"]
        context.console.table("prepared dataset", columns, rows)
        context.tracker.table("dataset", columns, rows)
        context.tracker.dataset(self.config.source.uses, context.fingerprint, facts.to_json(), "prepare")


def _bits(facts: DatasetFacts, side: str) -> int:
    """Bits per channel of a side; label maps count as the images of the dataset."""
    types = facts.types.get(side)
    stated = types.dtype if isinstance(types, Image | Frames) else None
    return {"uint8": 8, "uint16": 16, "float32": 32}[stated] if stated else facts.bits
