"""The evaluation of one folder of images against another: leaks, scores beside their floor and ceiling, a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import Components, EvaluationContext, Metric, MetricUse
from translate.errors import ConfigError
from translate.imaging.convert import Ranges
from translate.metrics.bootstrap import Drawn
from translate.metrics.folders.cases import Case, cases
from translate.metrics.folders.leaks import Leak, leaks
from translate.metrics.folders.verdict import FEWEST, Verdict, verdict
from translate.metrics.images import Images, LabelMaps, by_key
from translate.metrics.scores import Comparison, Score, score_sets
from translate.storage.plain_text import same_names
from translate.text import number
from translate.webpages.notebook import facts_html

PAIRED = ("l1", "psnr", "ssim", "swd", "kd-random", "c2st-1nn")
UNPAIRED = ("swd", "kd-random", "c2st-1nn")
OF_SETS = ("kd-random", "c2st-1nn")
INDEPENDENT = ("c2st-1nn", "mmd", "c2st")
"""The metrics of two folders where the command names none. None needs weights; those of
sets are left out where one has fewer than `FEWEST` images. `INDEPENDENT` ones compare sets that
have nothing to do with each other: of pairs, the outputs of the one half with the references of the other."""


@dataclass(frozen=True)
class Folders:
    """The folders of an evaluation.

    `outputs` is scored against `references`. `inputs`: the images that the outputs were made of, under the same names;
    copying them is what a method has to beat. `real`: more real images like the references, for the floor; without
    them the floor is the score between two halves of the references.
    """

    outputs: Path
    references: Path
    inputs: Path | None = None
    real: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """What is known of one folder against another."""

    images: int
    references: int
    paired: bool
    leaks: Sequence[Leak]
    scores: Sequence[Score]
    verdict: Verdict
    cases: Sequence[Case]
    """Paired images by their first score, the worst first; none where nothing is scored image by image."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the scores."""
        facts: dict[str, Any] = {"verdict": self.verdict.text, "images": f"{self.images} against {self.references}"}
        facts |= {score.metric: number(score.value) for score in self.scores}
        return facts_html("Evaluation", facts)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "images": self.images,
            "references": self.references,
            "paired": self.paired,
            "leaks": [vars(leak) for leak in self.leaks],
            "scores": [score.to_json() for score in self.scores],
            "verdict": vars(self.verdict),
            "cases": [case.to_json() for case in self.cases],
        }


def evaluate_folders(
    folders: Folders,
    registry: Components,
    metrics: Sequence[MetricUse] | None = None,
    ranges: Ranges | None = None,
    device: str = "cpu",
) -> Evaluation:
    """Evaluates a folder of images against another one.

    Images are compared in pairs when both folders hold the same names (suffixes apart); without `metrics`, the usual
    ones for what is there. `ranges` are the values of images that count as 0 and 1.

    Errors: ConfigError (empty folder, a metric of pairs without pairs, one that needs a model), DataError.
    """
    a, b = by_key(folders.outputs), by_key(folders.references)
    partners, _ = same_names(b, a)
    b = dict(sorted((partners.get(key, key), path) for key, path in b.items()))
    paired = set(a) == set(b)
    built = [registry.build(use) for use in metrics or _usual(paired, min(len(a), len(b)))]
    _check(built, folders, a, b)
    scores: list[Score] = []
    found: list[Leak] = []
    ranked: list[Case] = []
    for reads, files in (("images", Images), ("labels", LabelMaps)):
        group = [metric for metric in built if metric.reads == reads]
        if not group:
            continue
        ours, true = (files(list(paths.values()), list(paths), ranges) for paths in (a, b))
        if reads == "images":
            found = leaks(list(a.values()), list(b.values()), ours, true)
        scores += _scored(group, ours, true, folders, ranges, device)
        if paired and not ranked:
            ranked = cases(group, list(a), ours, true, a, b)
    told = verdict(found, scores, len(a), len(b))
    return Evaluation(len(a), len(b), paired, found, scores, told, ranked)


def _usual(paired: bool, count: int) -> list[MetricUse]:
    """The metrics where nobody names any; those of sets need a few images."""
    names = PAIRED if paired else UNPAIRED
    return [MetricUse(uses=name) for name in names if count >= FEWEST or name not in OF_SETS]


def _check(built: Sequence[Metric[Any]], folders: Folders, a: Mapping[str, Path], b: Mapping[str, Path]) -> None:
    """Errors: ConfigError for metrics that two folders do not have enough for."""
    if needing := next((metric.name for metric in built if metric.needs_context), None):
        raise ConfigError(f"{needing} looks at inputs and training images: only the stage `evaluate` has these")
    if of_classes := next((metric.name for metric in built if metric.reads == "classes"), None):
        raise ConfigError(f"{of_classes} compares classes of images: only the stage `evaluate` has these")
    lonely = next((metric.name for metric in built if metric.paired and set(a) != set(b)), None)
    if lonely:
        odd = min(set(a) ^ set(b))
        raise ConfigError(
            f"{lonely} compares pairs, and {odd!r} is in {folders.outputs if odd in a else folders.references} alone; "
            "use swd"
        )


def _scored(
    metrics: Sequence[Metric[Any]],
    ours: Images,
    true: Images,
    folders: Folders,
    ranges: Ranges | None,
    device: str,
) -> list[Score]:
    """The scores with copies of the inputs, real images against real ones, and intervals."""
    context = EvaluationContext("", "", ours.names, [], [], lambda side: [], device=device)
    inputs = None
    if folders.inputs is not None:
        inputs = _like(by_key(folders.inputs), ours, type(ours), ranges)
    real = None
    if folders.real is not None:
        paths = by_key(folders.real)
        real = type(true)(list(paths.values()), list(paths), ranges)
    scores: list[Score] = []
    for metric in metrics:
        if metric.name in INDEPENDENT and set(ours.names) == set(true.names):
            # an output that is near its own reference would look like a copy of it
            first, *parts = score_sets([metric], _every_second(ours, 0), _every_second(true, 1), None, context)
        else:
            comparison = Comparison(inputs, bootstrap=metric.draws)
            first, *parts = score_sets([metric], ours, true, comparison, context)
        scores += [_with_floor(first, metric, true, real, context), *parts]
    return scores


def _every_second(images: Images, start: int) -> Drawn[Tensor]:
    """Half of a set, which shares its decoded images and their features."""
    return Drawn(images, range(start, len(images), 2))


def _like(paths: Mapping[str, Path], ours: Images, files: type[Images], ranges: Ranges | None) -> Images:
    """The inputs of the outputs. Errors: ConfigError where one is missing."""
    partners, _ = same_names(paths, dict.fromkeys(ours.names))
    by_name = {partners.get(key, key): path for key, path in paths.items()}
    missing = next((name for name in ours.names if name not in by_name), None)
    if missing is not None:
        raise ConfigError(f"--inputs has no image called {missing!r}")
    return files([by_name[name] for name in ours.names], ours.names, ranges)


def _with_floor(
    score: Score, metric: Metric[Any], true: Images, real: Images | None, context: EvaluationContext
) -> Score:
    """The score with that of real images in the outputs' place: others, or the one half of the references against the
    other. Metrics of pairs have none."""
    if metric.paired:
        return score
    if real is not None:
        return replace(score, floor=metric.score(real, true, context))
    halves = _every_second(true, 0), _every_second(true, 1)
    if min(map(len, halves)) < 2:
        return score
    return replace(score, floor=metric.score(*halves, context))
