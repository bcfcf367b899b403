"""The evaluation of one folder of images against another: leaks, scores beside their floor and ceiling, a verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translate.contracts import Components, Metric, MetricUse
from translate.errors import ConfigError, DataError
from translate.imaging.convert import Ranges
from translate.metrics.folders.cases import Case, cases
from translate.metrics.folders.copies import copies_leak
from translate.metrics.folders.leaks import Leak, leaks
from translate.metrics.folders.scoring import Scoring
from translate.metrics.folders.verdict import FEWEST, Verdict, verdict
from translate.metrics.images import Images, LabelMaps, by_key
from translate.metrics.pairs import UnlikeImagesError
from translate.metrics.scores import Score
from translate.storage.plain_text import same_names
from translate.text import number
from translate.webpages.notebook import facts_html

PAIRED = ("l1", "psnr", "ssim", "swd", "kd-random", "c2st-1nn")
UNPAIRED = ("swd", "kd-random", "c2st-1nn")
OF_SETS = ("kd-random", "c2st-1nn")
"""The metrics of two folders where the command names none. None needs weights; those of
sets are left out where one has fewer than `FEWEST` images."""


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
    warnings: Sequence[str] = ()
    """What was not compared as one might expect, in sentences."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the scores."""
        facts: dict[str, Any] = {"verdict": self.verdict.text, "images": f"{self.images} against {self.references}"}
        facts |= {score.metric: number(score.value) for score in self.scores}
        return facts_html("Evaluation", facts)

    def protocols(self) -> dict[str, str]:
        """What each metric looks at, and how many images of either folder, by the metric."""
        return {
            score.metric: f"{score.protocol} {_counts(score.images)}".strip() for score in self.scores if score.protocol
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "images": self.images,
            "references": self.references,
            "paired": self.paired,
            "warnings": list(self.warnings),
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
    ones for what is there, of which those that images of two sizes or channels do not allow are left out with a
    warning. `ranges` are the values of images that count as 0 and 1.

    Errors: ConfigError (empty folder, a metric of pairs without pairs, one that needs a model), DataError.
    """
    a, b = by_key(folders.outputs), by_key(folders.references)
    partners, _ = same_names(b, a)
    b = dict(sorted((partners.get(key, key), path) for key, path in b.items()))
    paired = set(a) == set(b)
    built = [registry.build(use) for use in metrics or _usual(paired, min(len(a), len(b)))]
    _check(built, folders, a, b)
    warnings = lonely_names(a, b)
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
        scoring = Scoring(ours, true, *_others(folders, ours, true, ranges), device)
        left_out: list[Metric[Any]] = []
        for metric in group:
            try:
                scores += scoring.scores(metric)
            except UnlikeImagesError as error:
                if metrics:
                    raise DataError("; ".join([str(error), *(leak.told for leak in found)])) from None
                left_out.append(metric)
                reason = str(error)
        if left_out:
            warnings.append(f"{reason}; left out: {', '.join(metric.name for metric in left_out)}")
            paired = paired and not any(metric.paired for metric in left_out)
        if reads == "images" and (copied := copies_leak(scores, *scoring.independent())):
            found = [*found, copied]
        if paired and not ranked:
            ranked = cases(group, list(a), ours, true, a, b)
    told = verdict(found, scores, len(a), len(b))
    return Evaluation(len(a), len(b), paired, found, scores, told, ranked, warnings)


def _counts(images: tuple[int, int] | None) -> str:
    return "" if images is None else f"{images[0]} images against {images[1]}."


def lonely_names(a: Collection[str], b: Collection[str]) -> list[str]:
    """A warning where most names are in both folders and some are not, so that nothing is compared in pairs."""
    shared = set(a) & set(b)
    lonely = sorted(set(a) ^ set(b))
    if not lonely or 2 * len(shared) < min(len(a), len(b)):
        return []
    shown = ", ".join(f"{name!r} in {'A' if name in a else 'B'} alone" for name in lonely[:3])
    more = f" and {len(lonely) - 3} more" if len(lonely) > 3 else ""
    return [
        f"{shown}{more}: {len(shared)} images have partners of their name, and the folders are compared as two sets"
    ]


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


def _others(folders: Folders, ours: Images, true: Images, ranges: Ranges | None) -> tuple[Images | None, Images | None]:
    """The inputs of the outputs, and further real images, where the folders are named."""
    inputs = real = None
    if folders.inputs is not None:
        inputs = _like(by_key(folders.inputs), ours, type(ours), ranges)
    if folders.real is not None:
        paths = by_key(folders.real)
        real = type(true)(list(paths.values()), list(paths), ranges)
    return inputs, real


def _like(paths: Mapping[str, Path], ours: Images, files: type[Images], ranges: Ranges | None) -> Images:
    """The inputs of the outputs. Errors: ConfigError where one is missing."""
    partners, _ = same_names(paths, dict.fromkeys(ours.names))
    by_name = {partners.get(key, key): path for key, path in paths.items()}
    missing = next((name for name in ours.names if name not in by_name), None)
    if missing is not None:
        raise ConfigError(f"--inputs has no image called {missing!r}")
    return files([by_name[name] for name in ours.names], ours.names, ranges)
