"""The sets of images that an `evaluate` stage compares: outputs, references, inputs, and what metrics may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import EvaluationContext, Image, ImagesFacts, Labels
from translate.conversion.dataset_split import IMAGES, INPUTS, OTHERS
from translate.conversion.samples.values import read_values
from translate.data.dataset import Dataset
from translate.data.exemplars import exemplar_keys
from translate.errors import StageError
from translate.imaging.convert import Ranges, stated_ranges
from translate.metrics import Deferred, Enlarged, Images, LabelMaps, by_key


@dataclass(frozen=True)
class Evaluated:
    """Outputs of a direction by key, and the side of a split of the data that they are compared with."""

    folder: Path
    facts: ImagesFacts
    outputs: dict[str, Path]
    dataset: Dataset
    split: str
    side: str

    @property
    def keys(self) -> list[str]:
        return list(self.outputs)

    @property
    def has_inputs(self) -> bool:
        """Whether the outputs were made from images of the data, and not from nothing."""
        return set(self.outputs) <= set(self.dataset.keys(self.split, self.facts.source_side))

    @property
    def has_labels(self) -> bool:
        """Whether outputs and references are label maps."""
        return isinstance(self.dataset.types[self.side], Labels)

    def files(self, paths: Sequence[Path], keys: Sequence[str]) -> Images:
        """A set of images, or of label maps where the side has these."""
        return (LabelMaps if self.has_labels else Images)(paths, keys, self.ranges(self.side))

    def ranges(self, side: str) -> Ranges | None:
        """The values of a side that count as 0 and 1; None where these are black and white of its type."""
        return stated_ranges(self.dataset.types.get(side))

    def stored(self, split: str, side: str, keys: Sequence[str]) -> Images:
        """Images of the data."""
        return Images([self.dataset.path(split, side, key) for key in keys], keys, self.ranges(side))

    def written(self, folder: Path) -> Images:
        """The images of the outputs' keys in a folder that `infer` wrote beside them."""
        paths = by_key(folder)
        return Images([paths[key] for key in self.keys], self.keys, self.ranges(self.facts.source_side))


def chosen(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    """The outputs in the folder of an `infer` stage by key, those whose key matches a pattern; empty: all.

    Errors: StageError where none matches.
    """
    every = by_key(folder / IMAGES)
    outputs = {key: path for key, path in every.items() if _matches(key, patterns)}
    if not outputs:
        raise StageError(f"no image is called like {' or '.join(patterns)}; one is called {next(iter(every))}")
    return outputs


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(key, pattern) for pattern in patterns)


def reference_keys(e: Evaluated, *, paired: bool) -> list[str]:
    """The images to compare with: of the same keys where the split has true pairs, or where outputs imitate the side
    that they were made from; else all of the side.

    Errors: StageError when `paired` metrics meet an image without a partner.
    """
    every = e.dataset.keys(e.split, e.side)
    missing = sorted(set(e.keys) - set(every))
    if (e.side == e.facts.source_side or e.dataset.pairs(e.split)) and not missing:
        return e.keys
    if paired:
        raise StageError(
            f"metrics of pairs need a partner for every image, and side {e.side!r} of split {e.split!r} has none for "
            f"{missing[0] if missing else e.keys[0]}; use swd"
        )
    return every


def references(e: Evaluated, keys: Sequence[str]) -> Images:
    """The images of the target side."""
    return e.files([e.dataset.path(e.split, e.side, key) for key in keys], keys)


def copied_inputs(e: Evaluated, references: Sequence[Tensor]) -> Sequence[Tensor] | None:
    """The inputs as they would be handed on untranslated, enlarged where the output is larger; None where a copy says
    nothing.

    Label maps are no copies of images, another split has other inputs, and images that came back would be compared
    with their own originals.
    """
    if e.facts.split != e.split or e.has_labels or e.facts.via or not e.has_inputs:
        return None
    if (e.folder / INPUTS).is_dir():
        return Enlarged(e.written(e.folder / INPUTS), references)
    return e.stored(e.split, e.facts.source_side, e.keys)


def rival_outputs(e: Evaluated, folder: Path, patterns: Sequence[str]) -> Images:
    """The outputs of another model for the same inputs. Errors: StageError where the keys differ."""
    others = chosen(folder, patterns)
    if others.keys() != e.outputs.keys():
        raise StageError(f"the rival has not the same images: {min(others.keys() ^ e.outputs.keys())}")
    return e.files(list(others.values()), list(others))


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
