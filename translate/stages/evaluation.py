"""The sets of images that an `evaluate` stage compares: outputs, references, inputs, and what metrics may look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import Class, EvaluationContext, Image, ImagesFacts, Labels, Side
from translate.conversion.dataset_split import INPUTS, OTHERS, RESULTS, main_pictures
from translate.conversion.journal import rows
from translate.conversion.samples.values import read_values
from translate.data.dataset import Dataset
from translate.data.exemplars import exemplar_keys
from translate.errors import DataError, StageError
from translate.imaging.convert import Ranges, stated_ranges
from translate.inference.program import MAIN
from translate.metrics import Classes, Deferred, Enlarged, Images, LabelMaps, by_key
from translate.storage.plain_text import fits


def form_of(side: Side | None) -> str:
    """The form of what imitates a side, as `Metric.reads` has it."""
    if isinstance(side, Class):
        return "classes"
    return "labels" if isinstance(side, Labels) else "images"


@dataclass(frozen=True)
class Evaluated:
    """Outputs of a direction by key, and the side of a split of the data that they are compared with."""

    folder: Path
    facts: ImagesFacts
    outputs: dict[str, Any]
    dataset: Dataset
    split: str
    side: str

    @property
    def keys(self) -> list[str]:
        return list(self.outputs)

    @property
    def has_inputs(self) -> bool:
        """Whether the outputs were made from images of the data, and not from nothing."""
        return not self.facts.from_nothing and set(self.outputs) <= set(
            self.dataset.keys(self.split, self.facts.source_side)
        )

    @property
    def form(self) -> str:
        """The form of outputs and references, as `Metric.reads`."""
        return form_of(self.dataset.types[self.side])

    def files(self, outputs: Mapping[str, Any]) -> Sequence[Tensor]:
        """Outputs by key, as metrics read them: images and label maps in files, or classes."""
        if self.form == "classes":
            return Classes(lambda key: self._index(outputs[key]), list(outputs))
        files = LabelMaps if self.form == "labels" else Images
        return files(list(outputs.values()), list(outputs), self.ranges(self.side))

    def ranges(self, side: str) -> Ranges | None:
        """The values of a side that count as 0 and 1; None where these are black and white of its type."""
        return stated_ranges(self.dataset.types.get(side))

    def _index(self, said: Any) -> int:
        """A class as an index. Errors: DataError for a name that the side does not have."""
        side = self.dataset.types[self.side]
        names = side.names if isinstance(side, Class) else ()
        if isinstance(said, int):
            return said
        if said not in names:
            raise DataError(f"the model says class {said!r}, and side {self.side!r} has {', '.join(names)}")
        return names.index(said)

    def stored(self, split: str, side: str, keys: Sequence[str]) -> Images:
        """Images of the data."""
        return Images([self.dataset.path(split, side, key) for key in keys], keys, self.ranges(side))

    def written(self, folder: Path) -> Images:
        """The images of the outputs' keys in a folder that `infer` wrote beside them."""
        paths = by_key(folder)
        return Images([paths[key] for key in self.keys], self.keys, self.ranges(self.facts.source_side))


def chosen(folder: Path, patterns: Sequence[str], form: str = "images") -> dict[str, Any]:
    """The outputs in the folder of an `infer` stage by key, those whose key matches a pattern; empty: all. Images are
    paths, classes are names or indices.

    Errors: StageError where none matches.
    """
    every = _classes(folder) if form == "classes" else main_pictures(folder)
    outputs = {key: output for key, output in every.items() if _matches(key, patterns)}
    if not outputs:
        raise StageError(f"no image is called like {' or '.join(patterns)}; one is called {next(iter(every), 'none')}")
    return outputs


def _classes(folder: Path) -> dict[str, Any]:
    """The classes that an `infer` stage found, by key: they stand in its rows."""
    found = [row for row in rows(folder / RESULTS) if row["status"] == "done"]
    return {row["input"]: row["values"][MAIN] for row in sorted(found, key=lambda row: str(row["input"]))}


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fits(key, pattern) for pattern in patterns)


def reference_keys(e: Evaluated, *, paired: bool) -> list[str]:
    """The images to compare with: of the same keys where the split has true pairs, or where outputs imitate the side
    that they were made from; else all of the side.

    Errors: StageError when `paired` metrics meet an image without a partner.
    """
    every = e.dataset.keys(e.split, e.side)
    missing = sorted(set(e.keys) - set(every))
    together = e.side in e.dataset.types.group_of(e.facts.source_side)
    alike = (together or e.dataset.pairs(e.split)) and e.facts.split in (None, e.split) and not e.facts.from_nothing
    if alike and not missing:
        return e.keys
    if paired:
        raise StageError(
            f"metrics of pairs need a partner for every image, and side {e.side!r} of split {e.split!r} has none for "
            f"{missing[0] if missing else e.keys[0]}; use swd"
        )
    return every


def references(e: Evaluated, keys: Sequence[str]) -> Sequence[Tensor]:
    """The images of the target side, or its classes."""
    if e.form == "classes":
        return Classes(lambda key: int(e.dataset.value(e.split, e.side, key)), keys)
    return e.files({key: e.dataset.path(e.split, e.side, key) for key in keys})


def copied_inputs(e: Evaluated, references: Sequence[Tensor]) -> Sequence[Tensor] | None:
    """The inputs as they would be handed on untranslated, enlarged where the output is larger; None where a copy says
    nothing.

    Label maps are no copies of images, another split has other inputs, and images that came back would be compared
    with their own originals.
    """
    if e.facts.split != e.split or e.form != "images" or e.facts.via or not e.has_inputs:
        return None
    if (e.folder / INPUTS).is_dir():
        return Enlarged(e.written(e.folder / INPUTS), references)
    return e.stored(e.split, e.facts.source_side, e.keys)


def rival_outputs(e: Evaluated, folder: Path, patterns: Sequence[str]) -> Sequence[Tensor]:
    """The outputs of another model for the same inputs. Errors: StageError where the keys differ."""
    others = chosen(folder, patterns, e.form)
    if others.keys() != e.outputs.keys():
        raise StageError(f"the rival has not the same images: {min(others.keys() ^ e.outputs.keys())}")
    return e.files(others)


def evaluation_context(e: Evaluated, device: str) -> EvaluationContext | None:
    """Everything that metrics may look at beside outputs and references; None for outputs of another split.

    Where `infer` made the inputs itself, they lie beside its outputs, further ones among them.
    """
    if e.facts.split != e.split:
        return None
    source, target = e.facts.source_side, e.side

    def exemplars(side: str) -> Deferred:
        def gather() -> Images:
            sides = (source, target)
            keys = [exemplar_keys(e.dataset, e.split, sides, key, apart=True)[0] for key in e.keys]
            return e.stored(e.split, side, keys)

        return Deferred(gather)

    context = EvaluationContext(
        target_side=target,
        source_side=source,
        keys=e.keys,
        inputs=e.stored(e.split, source, e.keys if e.has_inputs else []),
        exemplars=exemplars(target),
        training_images=lambda side: e.stored("train", side, e.dataset.keys("train", side)),
        counterparts=exemplars(source) if e.dataset.pairs(e.split) else None,
        spec=e.dataset.facts.spec(),
        device=device,
        values={name: [by_key[key] for key in e.keys] for name, by_key in read_values(e.folder).items()},
        training_values=lambda side: training_values(e.dataset, side),
    )
    inputs = e.folder / INPUTS
    if not inputs.is_dir():
        return context
    further = [*sorted((e.folder / OTHERS).glob("*")), inputs]
    return replace(context, inputs=e.written(inputs), exemplars=e.written(further[0]), counterparts=None)


def training_values(dataset: Dataset, side: str) -> list[Any]:
    """The classes (indices) or vectors of the training images that a side belongs together with, in their order."""
    group = dataset.types.group_of(side)
    images = next((name for name in group if isinstance(dataset.types[name], Image)), side)
    return [dataset.value("train", side, key).tolist() for key in dataset.keys("train", images)]
