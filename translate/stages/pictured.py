"""Tables with pictures of what an `evaluate` stage has scored: the worst and best cases, and the same images of every
model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import Class, Metric, StageContext, Vector
from translate.conversion.dataset_split import INPUTS
from translate.metrics import by_key
from translate.metrics.folders.cases import Case, cases
from translate.stages.evaluation import Evaluated

ENDS = 4
"""Cases at either end."""
SHOWN = 24
"""Images whose outputs are shown beside those of other models."""
MOST = 1000
"""Images among which the worst and the best are looked for."""


def record_cases(
    context: StageContext,
    e: Evaluated,
    metrics: Sequence[Metric[Any]],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor] | None,
) -> None:
    """Hands the tracker the tables `cases` (the ends, by the first metric that is a mean of images) and `images`.

    `references` are those of the outputs' keys, in their order; None where the data has none. Classes are no pictures.
    """
    if e.form == "classes":
        return
    scored = _cases(e, metrics, outputs, references) if references is not None else []
    inputs = _inputs(e)
    if scored:
        half = len(scored) // 2
        worst, best = scored[: min(ENDS, len(scored) - half)], scored[::-1][: min(ENDS, half)]
        rows = [("worst", case) for case in worst] + [("best", case) for case in best[::-1]]
        title = scored[0].metric
        cells = [[which, case.name, case.score, *_pictures(e, case.name, inputs, True)] for which, case in rows]
        context.tracker.table("cases", ["case", "image", title, *_columns(inputs, True)], cells)
    by_name = {case.name: case.score for case in scored}
    paired = references is not None
    names = _columns(inputs, paired)
    # MLflow compares runs by the second column unless it is told otherwise
    order = sorted(range(len(names)), key=lambda place: names[place] != "output")
    table = []
    for key in e.keys[:: -(-len(e.keys) // SHOWN)]:
        pictures = _pictures(e, key, inputs, paired)
        table.append([key, *(pictures[place] for place in order), *([by_name.get(key)] if scored else [])])
    columns = ["image", *(names[place] for place in order), *([scored[0].metric] if scored else [])]
    context.tracker.table("images", columns, table)


def _cases(
    e: Evaluated, metrics: Sequence[Metric[Any]], outputs: Sequence[Tensor], references: Sequence[Tensor]
) -> list[Case]:
    """The images from the worst to the best, of large sets some that are spread evenly."""
    step = -(-len(e.keys) // MOST)
    if step > 1:  # files that are decoded when they are asked for, and no tensors yet
        outputs, references = outputs[::step], references[::step]
    keys = e.keys[::step]
    output_paths = {key: Path(e.outputs[key]) for key in keys}
    reference_paths = {key: e.dataset.path(e.split, e.side, key) for key in keys}
    return cases(metrics, keys, outputs, references, output_paths, reference_paths)


def _inputs(e: Evaluated) -> Mapping[str, Path]:
    """The pictures that the outputs were made from, by key; none where they were made from nothing."""
    if (e.folder / INPUTS).is_dir():
        return by_key(e.folder / INPUTS)
    if not e.has_inputs or isinstance(e.dataset.types[e.facts.source_side], Class | Vector):
        return {}
    return {key: e.dataset.path(e.split, e.facts.source_side, key) for key in e.keys}


def _columns(inputs: Mapping[str, Path], paired: bool) -> list[str]:
    return [*(["input"] if inputs else []), "output", *(["target"] if paired else [])]


def _pictures(e: Evaluated, key: str, inputs: Mapping[str, Path], paired: bool) -> list[Path]:
    pictures = [inputs[key]] if inputs else []
    pictures.append(Path(e.outputs[key]))
    return [*pictures, e.dataset.path(e.split, e.side, key)] if paired else pictures
