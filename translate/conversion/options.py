"""The options of a conversion: one object from the command line to the worker, on this machine or another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from translate.imaging.image import LIMITS
from translate.imaging.io import Limits
from translate.models.load import LoadOptions


@dataclass(frozen=True)
class ConvertOptions:
    """How images are converted, which is the same for all images of a conversion.

    `direction`: one of the method's, by default its first; `options`: those of the direction, such as `steps`.
    `others`: the direction's further inputs by name, the same for all images: images, classes, numbers. `format`
    (`png`, `jpg`) is that of all outputs; by default each keeps its own. `quality`: of JPEG and WebP, 1 to 100.
    `samples`: so many answers to each image, where the method draws at inference; each depends on the translator's
    seed, the input's values and its own number alone. `deep`: images of 8 bits give images of 16 bits.
    `pages="all"`: each page or frame of a file is converted, into a file of the same kind; by default such files fail.

    `precision="auto"`: bfloat16 where the device gains by it and the first images hardly differ (see
    `with_probed_precision`); None: as the translator computes. `batch`: images at a time, at most; the result does
    not depend on it beyond rounding. `limits`: of a file, its pixels and the seconds for decoding it.

    `overwrite` converts again what is there, whoever wrote it; `retry_failed` what failed before. `verify` compares
    what is there with its hashes: what is missing is converted again, what was changed has failed. `shard` (i, n):
    the i-th of n processes that share the work, on one machine or several. `engine="ray"`: on a Ray cluster, whose
    machines load the `model` for themselves. `originals` are files that no output may replace, besides the inputs.
    """

    direction: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    format: str | None = None
    quality: int = 95
    samples: int = 1
    deep: bool = False
    pages: Literal["one", "all"] = "one"
    precision: Literal["auto"] | None = None
    batch: int | None = None
    limits: Limits = LIMITS
    overwrite: bool = False
    retry_failed: bool = False
    verify: bool = False
    shard: tuple[int, int] = (1, 1)
    engine: Literal["local", "ray"] = "local"
    model: LoadOptions | None = None
    originals: tuple[Path, ...] = ()

    @property
    def suffix(self) -> str | None:
        """`.png` for the format `png`; None where each output keeps its own."""
        return f".{self.format.removeprefix('.')}" if self.format else None


DEFAULTS = ConvertOptions()
