"""Converting images by a trained model: an image, a tree, a list; each ends in one row of results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from translate.contracts import Console
from translate.conversion.job import Conversion, Summary
from translate.conversion.plan import Plan, plan
from translate.conversion.worker import Options
from translate.errors import ConfigError, TranslateError
from translate.imaging.convert import as_image
from translate.imaging.image import LIMITS
from translate.imaging.io import SUFFIXES, Image, Limits, read
from translate.inference.precision import probe_precision
from translate.storage.atomic import digest

if TYPE_CHECKING:
    from translate.inference.translator import Translator

__all__ = ["Summary", "convert", "convert_items", "prepare"]


def convert(
    input: Path | Sequence[Path], output: Path, translator: Translator, *, console: Console, **how: Any
) -> Summary:
    """Translates an image, a tree, a pattern or a list; tree, names, sizes, alpha, bit depth and profiles are kept.

    `others` are the direction's further inputs by name (paths or images), the same for all. `format` (`png`, `jpg`) is
    that of all outputs; by default each keeps its own. Label maps are PNG in any case. `samples`: so many answers to
    each image, where the method draws at inference; each depends on the translator's seed, the input's name and its own
    number alone. `precision="auto"`: bfloat16 where the device gains by it and the first images hardly differ (see
    `probe_precision`). `batch`: images at a time, at most; the result does not depend on it beyond rounding.

    Every input ends in one row of `OUTPUT/results.jsonl`: input, output, status (done, failed, skipped), reason, sha256
    of the output, seconds; of several samples their diversity, too. One bad file never ends the work. What an earlier
    conversion with the same settings has done stays, be it finished or killed; what failed is tried again with
    `retry_failed`. A file that is there and was not written by it is never replaced, unless `overwrite`. `verify`
    compares what is there with its hashes; what is missing is converted again, what was changed has failed. `shard`
    (i, n): the i-th of n processes that share the work, on one machine or several. Errors: ConfigError, before the
    work; StageError, where the disk is full.
    """
    return prepare(input, output, translator, console=console, **how).run()


def prepare(
    input: Path | Sequence[Path],
    output: Path,
    translator: Translator,
    *,
    console: Console,
    direction: str | None = None,
    others: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    format: str | None = None,
    quality: int = 95,
    samples: int = 1,
    precision: Literal["auto"] | None = None,
    batch: int | None = None,
    retry_failed: bool = False,
    verify: bool = False,
    shard: tuple[int, int] = (1, 1),
    limits: Limits = LIMITS,
) -> Conversion:
    """A conversion, ready to `run`, as `convert` describes it. Errors: ConfigError."""
    suffix = f".{format.removeprefix('.')}" if format else None
    if translator.route(direction).output == "labels":
        _check_labels(input, output, suffix)
        suffix = ".png"
    if samples > 1 and not translator.stochastic:
        name = translator.info.get("method", translator.method.name)
        what = f"method {name!r}" if translator.nets else "an exported model"
        raise ConfigError(
            f"{what} draws nothing at inference: {samples} samples would be the same; leave out --samples"
        )
    work = plan(input, output, suffix, samples)
    given = {name: as_image(image) for name, image in (others or {}).items()}
    translator.check(direction, given)
    options = Options(direction, given, samples, quality, batch=batch, limits=limits)
    conversion = Conversion(work, translator, options, console, None, overwrite, retry_failed, verify, shard)
    journal = conversion.journal()
    if precision == "auto":
        before = journal.before().get("precision") if journal else None
        translator.precision = before if before and not overwrite else _probe(conversion)
    if journal:
        conversion.settings = _settings(work, translator, options, suffix)
    return conversion


def convert_items(
    work: Plan,
    translator: Translator,
    *,
    console: Console,
    direction: str | None = None,
    others: Mapping[str, Image] | None = None,
    quality: int = 95,
    deep: bool = False,
) -> Summary:
    """As `convert`, for items that are already planned. `deep`: images of 8 bits give images of 16 bits."""
    options = Options(direction, dict(others or {}), work.samples, quality, deep)
    for item in islice(work.items, 1):
        translator.check(direction, {*options.others, *(item.others if item else ())})
    return Conversion(work, translator, options, console, page=False).run()


def _check_labels(input: Path | Sequence[Path], output: Path, suffix: str | None) -> None:
    single = isinstance(input, Path) and not (input.is_dir() or output.is_dir())
    for wanted in (suffix, output.suffix if single else None):
        if wanted and wanted.lower() in SUFFIXES and wanted.lower() != ".png":
            raise ConfigError(f"label maps are written as PNG alone, which keeps their values; not as {wanted}")


def _probe(conversion: Conversion) -> Literal["fp32", "bf16"]:
    """The precision that the first images allow."""

    def images() -> Iterator[tuple[Image, Mapping[str, Image]]]:
        for item in conversion.work.items:
            if item and not item.reason:
                with suppress(TranslateError):  # the conversion will tell
                    yield read(item.source, limits=conversion.options.limits), conversion.options.others

    c = conversion
    return probe_precision(c.translator, images(), c.console, c.options.direction)


def _settings(work: Plan, translator: Translator, options: Options, suffix: str | None) -> dict[str, Any]:
    """What decides the outputs, as it is compared with that of an earlier conversion into the same folder."""
    facts = translator.info
    weights = facts.get("weights") if not translator.nets else (facts.get("files"), facts.get("step"), facts.get("ema"))
    others = {n: hashlib.sha256(image.array.tobytes()).hexdigest() for n, image in options.others.items()}
    return {
        "input": str(work.root.resolve()),
        "model": digest([facts.get("method"), facts.get("options"), weights]),
        "direction": translator.route(options.direction).name,
        "with": digest(others) if others else None,
        "precision": translator.precision,
        "samples": options.samples,
        "seed": translator.seed if translator.stochastic else None,
        "format": suffix,
        "quality": options.quality,
    }
