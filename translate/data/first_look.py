"""Looks at a few images of a source before it is prepared, so that `translate check` tells what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np

from translate.contracts import IGNORE, Image, Labels, Record, Source, SourceFacts
from translate.data.label_maps.counts import check_counts, counted, only_class, remarks
from translate.data.label_maps.indices import check as check_indices
from translate.data.ranges.fill import fill_remark
from translate.data.ranges.normalise import training_split
from translate.data.scenes.files import glance
from translate.errors import DataError, TranslateError
from translate.imaging.image import Bands

FEW, SECONDS = 16, 0.5
"""Label maps that are looked at, and how long that may take."""
IMAGES = 4
"""Images of a side whose values are looked at."""
PATIENCE = 3.0
"""Seconds where one class, with or without 255, is all that was seen: whether there are others, only the whole set
tells."""


@dataclass(frozen=True)
class Impression:
    """The mistakes in data and the remarks on it, as sentences."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def impression(source: Source[Any], facts: SourceFacts, ranged: Collection[str] = ()) -> Impression:
    """What shows in the first images of the training split; a source whose data is not there yet has none.

    `ranged` are the sides whose values have a range that is stated.
    """
    problems: list[str] = []
    notes: list[str] = []
    records = _records(source, training_split(facts.splits))
    for name, side in facts.data.items():
        of_side = records.get(name, [])
        try:
            if isinstance(side, Labels):
                notes += _look(of_side, side.classes or facts.classes, training_split(facts.splits))
            elif isinstance(side, Image) and name not in ranged:
                notes += _look_at_values(of_side, name)
        except DataError as error:
            problems.append(str(error))
    return Impression(tuple(problems), tuple(notes))


def _records(source: Source[Any], split: str) -> dict[str, list[Record]]:
    """The records of a split by side; none where there are no files: a generator draws its label maps right."""
    by_side: dict[str, list[Record]] = {}
    try:
        if not list(source.inputs()):
            return {}
        for record in source.records(split):
            by_side.setdefault(record.side, []).append(record)
    except TranslateError:
        return {}  # data that is not there yet, or names without a partner, which preparing tells
    return by_side


def _look_at_values(records: list[Record], side: str) -> list[str]:
    """A remark where the first integers fill little of their range; of floats the whole set has to be seen.

    An image that cannot be read is told when it is prepared: there may be many.
    """
    begin, images = monotonic(), []
    for record in _spread(records):
        try:
            image, _ = glance(record)
        except DataError:
            return []
        if not isinstance(image, np.ndarray) or image.dtype.kind != "u" or image.ndim != 3:
            return []
        images.append(image[..., :-1] if image.shape[2] in (2, 4) and not isinstance(image, Bands) else image)
        if len(images) >= IMAGES or monotonic() - begin > SECONDS:
            break
    if len({image.shape[2] for image in images}) != 1:
        return []
    remark = fill_remark(side, images, None)
    return [f"{len(images)} of {len(records):,} images were looked at: {remark}"] if remark else []


def _look(records: list[Record], classes: tuple[str, ...], split: str) -> list[str]:
    """Remarks on the label maps of a side. Errors: DataError for one that cannot be read, or where nothing can be
    learned from them."""
    begin, total, seen, all_whole = monotonic(), np.zeros(256, np.int64), 0, True
    for record in _spread(records):
        label_map, is_whole = glance(record)
        all_whole &= is_whole
        check_indices(label_map, len(classes), record.origin)
        total += counted(label_map)
        seen += 1
        doubtful = (total[:IGNORE] > 0).sum() == 1 and (total[IGNORE] > 0 or len(classes) > 1)
        seconds = monotonic() - begin
        if seconds > PATIENCE or (not doubtful and (seen >= FEW or seconds > SECONDS)):
            break
    if seen == len(records) and all_whole:
        check_counts(total, classes, f"the label maps of {split}")
        return list(remarks(total, classes, split))
    # Classes that these label maps lack may occur in the others.
    sentences = [*filter(None, [only_class(total, classes, "them")]), *remarks(total, (), split)]
    return [f"{seen:,} of {len(records):,} label maps were looked at: {each}" for each in sentences]


def _spread(records: list[Record]) -> Iterator[Record]:
    """A few records from all over the list, then the others."""
    step = max(1, len(records) // FEW)
    yield from records[::step]
    for offset in range(1, step):
        yield from records[offset::step]
