"""Which images stand on a sheet of the results, and their pictures.

By a score that single images have, the best, the median and the worst; else some that are spread evenly over the names.
"""

from __future__ import annotations

import filecmp
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np

from translate.contracts import ImagesFacts, MetricUse, ModelFacts
from translate.conversion.dataset_split import INPUTS, OTHERS, main_pictures
from translate.data.dataset import Dataset
from translate.data.exemplars import picture_keys
from translate.imaging.io import read
from translate.metrics import by_key
from translate.metrics.bootstrap import single_scores
from translate.metrics.scores import named
from translate.plugins import Registry
from translate.stages import evaluation
from translate.storage import manifest
from translate.text import number

Array = np.ndarray[Any, Any]

ROWS = 3
"""Rows of a block without scores, unless it states a number."""


@dataclass(frozen=True)
class Case:
    """A row of a sheet: its images, several where they answer one input, and what stands beside them."""

    keys: Sequence[str]
    title: str = ""
    score: str = ""
    name: str = ""


class Conversion:
    """The pictures of an `infer` stage of a run. Errors: ClickException."""

    def __init__(self, run: Path, stage: str) -> None:
        self.place, self.folder = f"{run.name}/{stage}", run / stage
        self.content = _finished(run / stage, "infer")
        self.facts = ImagesFacts.from_json(self.content["facts"])
        self.parents = {need: run / name for need, name in self.content["parents"].items()}

    @cached_property
    def outputs(self) -> dict[str, Path]:
        """The main outputs by key."""
        return main_pictures(self.folder)

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the inputs are of, or that the inputs' own inputs are of."""
        if "data" in self.parents:
            return Dataset(self.parents["data"])
        return Conversion(self.parents["images"].parent, self.parents["images"].name).dataset

    def picture(self, part: str, key: str) -> Array:
        """The picture of a key, H x W x 3 uint8. `part`: `output`, `target`, `input`, or a further input's name."""
        if key not in self.outputs:
            raise click.ClickException(f"{self.place} has no image {key!r}, which another column has")
        pixels = read(self._file(part, key)).shown()
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels

    def _file(self, part: str, key: str) -> Path:
        if part == "output":
            return self.outputs[key]
        split = self.facts.split or ""
        if part == "target":
            return self.dataset.path(split, self.facts.target_side or "", key)
        route = ModelFacts.from_json(_finished(self.parents["model"], "train")["facts"]).directions[
            self.facts.direction
        ]
        name = route.main if part == "input" else part
        written = self.folder / INPUTS if part == "input" else self.folder / OTHERS / part
        if written.is_dir():  # the stage made its inputs itself
            return by_key(written)[key]
        if part == "input" and "images" in self.parents:
            return main_pictures(self.parents["images"])[key]
        sides = picture_keys(self.dataset, split, route, key)
        if name not in sides:
            raise click.ClickException(
                f"{self.place} has no {part!r}; it has input, output, target, {', '.join(sides)}"
            )
        return self.dataset.path(split, *sides[name])

    def answers(self, keys: Sequence[str], most: int) -> list[list[str]]:
        """The keys, those together whose inputs are the same image: neighbours, at most so many."""
        groups: list[list[str]] = []
        for key in keys:
            if groups and len(groups[-1]) < most and self._same_input(groups[-1][0], key):
                groups[-1].append(key)
            else:
                groups.append([key])
        return groups

    def _same_input(self, first: str, second: str) -> bool:
        return filecmp.cmp(self._file("input", first), self._file("input", second), shallow=False)


def _finished(folder: Path, uses: str) -> dict[str, Any]:
    content = manifest.read(folder)
    if content is None or content.get("uses") != uses:
        raise click.ClickException(f"{folder}: no finished stage of {uses!r}")
    return content


# -------------------------------------------------------------------------------------------------------------- choice


def single_images(run: Path, stage: str, metric: str) -> tuple[dict[str, float], bool]:
    """The scores of the images of an `evaluate` stage one by one, by a metric that it has; whether higher is better.

    Errors: ClickException (no such metric, or one that scores sets).
    """
    content = _finished(run / stage, "evaluate")
    images = Conversion(run, content["parents"]["images"])
    dataset = Dataset(run / content["parents"]["data"])
    options, registry = content["recipe"]["with"], Registry()
    metrics = named(
        [registry.build(MetricUse.model_validate(u), spec=dataset.facts.spec()) for u in options["metrics"]]
    )
    if metric not in metrics:
        raise click.ClickException(f"{run.name}/{stage} has no {metric}; it has {', '.join(metrics)}")
    scorer = metrics[metric]
    if not (scorer.paired or scorer.mean_of_images):
        raise click.ClickException(f"{metric} of {run.name}/{stage} scores sets of images, and no single one")
    side, split = images.facts.target_side or "", options["split"] or images.facts.split or ""
    outputs = evaluation.chosen(images.folder, options["only"], evaluation.form_of(dataset.types[side]))
    e = evaluation.Evaluated(images.folder, images.facts, outputs, dataset, split, side)
    references = evaluation.references(e, evaluation.reference_keys(e, paired=scorer.paired))
    context = evaluation.evaluation_context(e, "cpu") if scorer.needs_context else None
    scores = single_scores(scorer, e.files(e.outputs), references, context)
    return dict(zip(e.keys, scores, strict=True)), scorer.better == "higher"


def ends_and_middle(scores: Mapping[str, float], higher: bool) -> dict[str, str]:
    """`best`, `median` and `worst`, and the names that have these scores; of an even number the better of the two in
    the middle, of equal ones the first by name, and none twice. Scores that are no numbers do not count."""
    names = sorted(name for name, score in scores.items() if not math.isnan(score))
    names.sort(key=lambda name: -scores[name] if higher else scores[name])
    if not names:
        raise click.ClickException("no image has a score")
    places = {"best": 0, "median": (len(names) - 1) // 2, "worst": len(names) - 1}
    chosen: dict[str, str] = {}
    for title in ("best", "worst", "median"):
        if names[places[title]] not in chosen.values():
            chosen[title] = names[places[title]]
    return {title: chosen[title] for title in places if title in chosen}


def spread(names: Sequence[str], count: int) -> list[str]:
    """`count` names from the middles of as many equal parts; all of them where there are fewer."""
    if len(names) <= count:
        return list(names)
    return [names[(2 * part + 1) * len(names) // (2 * count)] for part in range(count)]


def by_score(
    images: Conversion, scores: Mapping[str, float], higher: bool, title: str, most: int
) -> tuple[list[Case], str]:
    """The best, the median and the worst of a stage's images, and how they were chosen."""
    groups = (
        images.answers([key for key in images.outputs if key in scores], most) if most > 1 else [[k] for k in scores]
    )
    means = {group[0]: math.fsum(scores[key] for key in group) / len(group) for group in groups}
    keys = {group[0]: group for group in groups}
    cases = []
    for label, name in ends_and_middle(means, higher).items():
        cases.append(Case(keys[name], label, f"{title} {number(means[name], 3)}", name))
    whose = f"inputs by {title}, the mean of their answers" if most > 1 else f"by {title}"
    return cases, f"the best, the median and the worst of {len(groups)} {whose}"


def by_name(images: Conversion, rows: int, most: int) -> tuple[list[Case], str]:
    """Some of a stage's images, and how they were chosen. Samples from nothing stand beside each other."""
    count = len(images.outputs)
    chosen = spread(list(images.outputs), rows * most)
    if images.facts.from_nothing:
        parts = [chosen[start : start + most] for start in range(0, len(chosen), most)]
        return [Case(part) for part in parts], f"{len(chosen)} of {count} samples, spread evenly by number"
    return [Case([key], name=key) for key in chosen], f"{len(chosen)} of {count}, spread evenly by name"
