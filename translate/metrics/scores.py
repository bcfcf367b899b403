"""Scoring sets of images: several metrics at once, with the baselines that a method has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from translate.contracts import Components, DatasetFacts, Metric, MetricUse
from translate.errors import ConfigError, DataError
from translate.metrics.bootstrap import Interval, interval, resampled

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

PAIRED = ("l1", "psnr", "ssim", "swd")
UNPAIRED = ("swd",)
"""What is scored where nobody says what."""

KEPT = 256 << 20
"""Bytes of decoded images that a set keeps in memory, so that several metrics decode a small set once."""


class Images(Sequence["Tensor"]):
    """Image files as tensors C x H x W in [0, 1], decoded when asked for; alpha is laid over white.

    `names` says what errors call them.
    """

    def __init__(self, paths: Sequence[Path], names: Sequence[str] | None = None) -> None:
        self.paths = paths
        self.names = names or [str(path) for path in paths]
        self._kept: dict[int, np.ndarray[Any, Any]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Images: ...
    def __getitem__(self, index: int | slice) -> Tensor | Images:
        if isinstance(index, slice):
            return type(self)(self.paths[index], self.names[index])
        return self._tensor(self._pixels(range(len(self))[index]))

    def _tensor(self, pixels: np.ndarray[Any, Any]) -> Tensor:
        import numpy as np
        import torch

        from translate.imaging.pixels import top

        values = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(top(pixels.dtype))
        return torch.from_numpy(values)

    def _pixels(self, index: int) -> np.ndarray[Any, Any]:
        if index in self._kept:
            return self._kept[index]
        pixels = self._read(self.paths[index])
        if self._bytes + pixels.nbytes <= KEPT:
            self._kept[index], self._bytes = pixels, self._bytes + pixels.nbytes
        return pixels

    def _read(self, path: Path) -> np.ndarray[Any, Any]:
        from translate.imaging.io import read

        return read(path).over_white()


class LabelMaps(Images):
    """Label maps in files as class indices, long H x W."""

    def _tensor(self, pixels: np.ndarray[Any, Any]) -> Tensor:
        import torch

        return torch.from_numpy(pixels[..., 0]).long()

    def _read(self, path: Path) -> np.ndarray[Any, Any]:
        from translate.imaging.io import read

        return read(path, indices=True).pixels


class Enlarged(Sequence["Tensor"]):
    """Smaller images in the size of others: bicubic, then rounded to 8 bits as a file would be. What has the size of
    its reference stays as it is."""

    def __init__(self, images: Sequence[Tensor], references: Sequence[Tensor]) -> None:
        self.images, self.references = images, references

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Enlarged: ...
    def __getitem__(self, index: int | slice) -> Tensor | Enlarged:
        from translate.networks import bicubic

        if isinstance(index, slice):
            return Enlarged(self.images[index], self.references[index])
        image, wanted = self.images[index], self.references[index].shape[-2:]
        if image.shape[-2:] == wanted:
            return image
        return bicubic(image[None], wanted[0] / image.shape[-2])[0].mul(255).round().clamp(0, 255).div(255)


@dataclass(frozen=True)
class Score:
    """One metric of a set: its value, that of copying the input, and that of the best single colour (None: unknown).

    `rival`: the value of other outputs of the same inputs. `interval` and `difference` (value minus rival's) are 95 %
    intervals over images.
    """

    metric: str
    better: str
    unit: str
    value: float
    copy: float | None = None
    constant: float | None = None
    interval: Interval | None = None
    rival: float | None = None
    difference: Interval | None = None

    @property
    def copy_ratio(self) -> float | None:
        return ratio(self.value, self.copy)

    @property
    def constant_ratio(self) -> float | None:
        return ratio(self.value, self.constant)

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that JSON lacks become the text `inf`, `-inf` or `nan`."""
        values = {
            "metric": self.metric,
            "better": self.better,
            "unit": self.unit,
            "score": self.value,
            "copy": self.copy,
            "copy_ratio": self.copy_ratio,
            "constant": self.constant,
            "constant_ratio": self.constant_ratio,
            "interval": self.interval,
            "rival": self.rival,
            "difference": self.difference,
        }
        return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def ratio(value: float, base: float | None) -> float | None:
    """value / base; None where that says nothing: base is not above zero, or one of them is infinite."""
    return value / base if base is not None and base > 0 and math.isfinite(base) and math.isfinite(value) else None


def named(metrics: Sequence[Metric[Any]]) -> dict[str, Metric[Any]]:
    """Metrics by name; a name that comes again gets a number: `swd`, `swd-2`."""
    found: dict[str, Metric[Any]] = {}
    for metric in metrics:
        again = sum(type(metric).name == type(other).name for other in found.values())
        found[f"{metric.name}-{again + 1}" if again else metric.name] = metric
    return found


def evaluate_sets(
    metrics: Sequence[Metric[Any]], outputs: Sequence[Tensor], references: Sequence[Tensor]
) -> dict[str, float]:
    """The metrics of a set of images C x H x W in [0, 1], by name. Errors: DataError (shapes, counts)."""
    return {name: metric.score(outputs, references) for name, metric in named(metrics).items()}


def score_sets(
    metrics: Sequence[Metric[Any]],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    inputs: Sequence[Tensor] | None = None,
    *,
    constant: bool = True,
    rival: Sequence[Tensor] | None = None,
    bootstrap: int = 0,
) -> list[Score]:
    """As `evaluate_sets`, with baselines: the `inputs` in place of the outputs where their shape allows it, and the
    best constant image where the metric knows one. What a metric tells in `details` stands below its own row.

    `rival`: other outputs of the same inputs, in the same order; `bootstrap`: sets drawn for the intervals. A metric
    that looks at a scene image by image has neither.
    """
    found = []
    for name, metric in named(metrics).items():
        value = metric.score(outputs, references)
        copied = inputs is not None and _alike(metric, inputs, references)
        copy = metric.score(inputs, references) if inputs is not None and copied else None
        base = metric.best_constant(references) if constant else None
        found.append(Score(name, metric.better, metric.unit, value, copy, base))
        if metric.mean_of_images or not metric.looks:
            found[-1] = _compared(found[-1], metric, outputs, references, rival, bootstrap)
        parts = metric.details(outputs, references)
        found += [Score(part, metric.better, metric.unit, value) for part, value in parts.items()]
    return found


def metric_problems(
    uses: Sequence[MetricUse],
    data: DatasetFacts,
    split: str | None,
    registry: Components,
    *,
    scene: bool = False,
    labels: bool = False,
) -> Iterator[tuple[int, str]]:
    """The metrics that data of these facts cannot be scored with: their index, and why.

    `labels`: the outputs are label maps.
    """
    spec = data.spec()
    pairs = split is None or split in data.pairs
    for i, use in enumerate(uses):
        try:
            metric = registry.build(use, spec=spec)
        except ConfigError as error:
            yield i, str(error)
            continue
        if metric.looks and not scene:
            yield i, f"{use.uses} looks at inputs and training images, which are not known for images of another split"
        elif (metric.reads == "labels") != labels:
            here = "label maps; use miou" if labels else "images"
            yield i, f"{use.uses} compares {metric.reads}, and the outputs here are {here}"
        elif metric.paired and not pairs:
            yield (
                i,
                f"{use.uses} compares pairs, and split {split!r} of this data has none; use swd",
            )


def score_folders(
    outputs: Path, references: Path, registry: Components, metrics: Sequence[MetricUse] | None = None
) -> list[Score]:
    """Scores one folder of images against another, as `translate evaluate A B` does.

    Images are compared in pairs when both folders hold the same names (suffixes apart); without `metrics`, the usual
    ones for what is there. Errors: ConfigError (empty folder, a metric of pairs without pairs), DataError.
    """
    a, b = by_key(outputs), by_key(references)
    paired = set(a) == set(b)
    uses = metrics or [MetricUse(uses=name) for name in (PAIRED if paired else UNPAIRED)]
    built = [registry.build(use) for use in uses]
    if looking := next((metric.name for metric in built if metric.looks), None):
        raise ConfigError(f"{looking} looks at inputs and training images: only the stage `evaluate` has these")
    lonely = next((metric.name for metric in built if metric.paired and not paired), None)
    if lonely:
        odd = min(set(a) ^ set(b))
        raise ConfigError(
            f"{lonely} compares pairs, and {odd!r} is in {outputs if odd in a else references} alone; use swd"
        )
    return [
        score
        for reads, sets in (("images", Images), ("labels", LabelMaps))
        if (group := [metric for metric in built if metric.reads == reads])
        for score in score_sets(group, sets([a[k] for k in a], list(a)), sets([b[k] for k in b], list(b)))
    ]


def by_key(folder: Path) -> dict[str, Path]:
    """Images below a folder by relative path without suffix, sorted. Errors: ConfigError, DataError (a name twice)."""
    from translate.imaging.io import READABLE

    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in READABLE and not path.name.startswith(".") and path.is_file():
            key = path.relative_to(folder).with_suffix("").as_posix()
            if key in found:
                raise DataError(f"{found[key]} and {path} have the same name; which one to score is unclear")
            found[key] = path
    if not found:
        raise ConfigError(f"{folder}: there are no images ({' '.join(READABLE)})")
    return dict(sorted(found.items()))


def table(scores: Sequence[Score]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of numbers and text; baselines that no metric has are left out."""
    columns: list[tuple[str, list[Any]]] = [
        ("metric", [f"{s.metric} ({s.unit})" if s.unit else s.metric for s in scores]),
        ("better", [s.better for s in scores]),
        ("score", [s.value for s in scores]),
    ]
    for title, cells in (
        ("95 %", [_between(s.interval) for s in scores]),
        ("rival", [s.rival for s in scores]),
        ("score - rival, 95 %", [_between(s.difference) for s in scores]),
    ):
        if any(cell is not None for cell in cells):
            columns.append((title, list(cells)))
    for title, base in (("copy input", "copy"), ("best constant", "constant")):
        if any(getattr(s, base) is not None for s in scores):
            columns.append((title, [getattr(s, base) for s in scores]))
            columns.append((f"score / {base}", [getattr(s, f"{base}_ratio") for s in scores]))
    return [title for title, _ in columns], [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]


def _between(interval: Interval | None) -> str | None:
    return None if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"


def _compared(
    score: Score,
    metric: Metric[Any],
    outputs: Sequence[Tensor],
    references: Sequence[Tensor],
    rival: Sequence[Tensor] | None,
    bootstrap: int,
) -> Score:
    """The score with intervals and with the rival's value."""
    if rival is not None:
        score = replace(score, rival=metric.score(rival, references))
    if not bootstrap:
        return score
    own = resampled(metric, outputs, references, bootstrap)
    score = replace(score, interval=interval(own, score.value))
    if rival is None or score.rival is None:
        return score
    others = resampled(metric, rival, references, bootstrap)
    differences = [a - b for a, b in zip(own, others, strict=True)]
    return replace(score, difference=interval(differences, score.value - score.rival))


def _alike(metric: Metric[Any], inputs: Sequence[Tensor], references: Sequence[Tensor]) -> bool:
    """True when the inputs could stand for outputs: same channels and, for metrics of pairs, same size."""
    a, b = tuple(inputs[0].shape), tuple(references[0].shape)
    return a == b if metric.paired else a[0] == b[0]
