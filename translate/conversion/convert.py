"""Converting images by a trained model: an image, a tree, a list; each ends in one row of results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.contracts import Console, Route
from translate.conversion.items import Item, Row
from translate.conversion.job import Conversion, journal_of
from translate.conversion.journal import settings_before
from translate.conversion.names import picture_parts
from translate.conversion.options import DEFAULTS, ConvertOptions
from translate.conversion.plan import Plan, plan
from translate.conversion.report import PAGE_NAME, write_report
from translate.conversion.summary import Summary
from translate.errors import ConfigError, TranslateError
from translate.imaging.appearance.handling import DEFAULT as DEFAULT_HANDLING
from translate.imaging.appearance.small_values import note_on_small_values
from translate.imaging.encode import output_too_large
from translate.imaging.formats.table import EXACT_SUFFIXES, SUFFIXES
from translate.imaging.io import Image, probe, read, writable
from translate.imaging.pages import PAGED
from translate.inference.precision import FEW, Choice, chosen_precision, is_deep
from translate.inference.side_images import output_suffix
from translate.storage.atomic import digest

if TYPE_CHECKING:
    from translate.inference.translator import Translator


LOOKED_AT = 64
"""Images that are looked at, at most, to find a precision."""
NONE: Mapping[str, Image] = MappingProxyType({})


def convert(
    input: Path | Sequence[Path],
    output: Path,
    translator: Translator,
    options: ConvertOptions = DEFAULTS,
    *,
    console: Console,
) -> Summary:
    """Translates an image, a tree, a pattern or a list; tree, names, sizes, alpha, bit depth and profiles are kept.

    Every input ends in one row of `OUTPUT/results.jsonl`: input, output, status (done, failed, skipped), reason, sha256
    of the output, seconds; of several samples their diversity, too. `OUTPUT/contact.html` shows images before and
    after. One bad file never ends the work. What an earlier conversion with the same settings has done stays, be it
    finished or killed; what failed is tried again with `retry_failed`. A file that is there and was not written by it
    is never replaced, unless `overwrite`. Label maps are PNG, whatever the format. Errors: ConfigError, before the
    work; StageError, where the disk is full.
    """
    conversion = prepare(input, output, translator, options, console=console)
    summary = conversion.run()
    if summary.journal is None:
        return summary
    about = _about(conversion.translator, options, summary)
    page = write_report(summary, conversion.work.root, conversion.work.output, about)
    if page is None:
        place = conversion.work.output / PAGE_NAME
        console.warn(f"{place}: is there, and no conversion wrote it: it stays, and there is no page of pictures")
    return replace(summary, report=page)


def _about(translator: Translator, options: ConvertOptions, summary: Summary) -> dict[str, str]:
    """What a page says of how its images were made: the model, its method and step, and the direction."""
    step = translator.info.get("step")
    return {
        "model": str(options.model.ref) if options.model else "",
        "method": str(translator.info.get("method") or translator.method.name),
        "step": f"{step:,}" if isinstance(step, int) else "",
        "direction": str(summary.settings.get("direction", "")),
    }


def preview(
    input: Path | Sequence[Path],
    output: Path,
    translator: Translator,
    options: ConvertOptions = DEFAULTS,
    *,
    console: Console,
) -> Iterator[tuple[Item, Row | None]]:
    """Each input that `convert` would look at, and its row where there is nothing left to do.

    Writes nothing, decodes no image and runs no network: a precision that is to be found out counts as unchanged.
    Errors: ConfigError.
    """
    return prepare(input, output, translator, options, console=console, look=False).preview()


def convert_items(work: Plan, translator: Translator, options: ConvertOptions, *, console: Console) -> Summary:
    """Converts items that are already planned. There is no page of pictures, and no settings are written."""
    options = replace(options, samples=work.samples)
    work = replace(work, parts=picture_parts(translator.route(options.direction)))
    for item in islice(work.items, 1):
        of_item = {*item.others, *item.values} if item else set()
        translator.check(options.direction, {*options.others, *of_item})
    return Conversion(work, translator, options, console).run()


def prepare(
    input: Path | Sequence[Path],
    output: Path,
    translator: Translator,
    options: ConvertOptions = DEFAULTS,
    *,
    console: Console,
    look: bool = True,
) -> Conversion:
    """A conversion, ready to `run`, as `convert` describes it. `look`: images may be translated to find a precision.

    Errors: ConfigError.
    """
    suffix = options.suffix
    options = replace(options, direction=translator.call(options.direction, options.options))
    if translator.route(options.direction).output == "labels":
        _check_labels(input, output, suffix)
        suffix = ".png"
    elif (own := output_suffix(translator.program, translator.route(options.direction))) != ".png":
        suffix = _exact_suffix(input, output, suffix, own)
    _check_samples(translator, options)
    parts = picture_parts(translator.route(options.direction))
    paged = PAGED if options.pages == "all" else ()
    work = replace(plan(input, output, suffix, options.samples, paged), parts=parts)
    translator.check(options.direction, options.others)
    journal, ready = journal_of(work, options), NONE
    if options.precision == "auto":
        before = settings_before(journal).get("precision") if journal and not options.overwrite else None
        if before:
            translator = translator.with_precision(before)
        elif look and not options.deep:  # 16 bits are asked for what 8 do not show
            translator, ready = _chosen(work, translator, options, console)
    if look:
        sources = (item.source for item in work.items if item and not item.reason)
        if note := note_on_small_values(sources, options.limits, translator.program.handling):
            console.warn(note)
    settings = _settings(work, translator, options, suffix) if journal else None
    return Conversion(work, translator, options, console, settings, ready)


def _chosen(
    work: Plan, translator: Translator, options: ConvertOptions, console: Console
) -> tuple[Translator, Mapping[str, Image]]:
    """The translator in the precision that suits the images, and outputs that are there already, by the name of their
    item."""
    names: list[str] = []
    route = translator.route(options.direction)

    def samples() -> Iterator[tuple[Image, Mapping[str, Any]]]:
        for name, image in _images(work, options, route):
            names.append(name)
            yield image, options.others

    few = sum(item is not None for item in islice(work.items, FEW)) < FEW
    choice: Choice = chosen_precision(translator, samples(), console, options.direction, few=few)
    # Outputs beside the main one are not among those that are compared.
    ready = zip(names, choice.outputs, strict=False) if not route.further else ()
    return choice.translator, dict(ready)


def _check_labels(input: Path | Sequence[Path], output: Path, suffix: str | None) -> None:
    """Errors: ConfigError where another format than PNG is asked for, which alone keeps the values of label maps."""
    single = isinstance(input, Path) and not (input.is_dir() or output.is_dir())
    for wanted in (suffix, output.suffix if single else None):
        if wanted and wanted.lower() in writable() and wanted.lower() != ".png":
            raise ConfigError(f"label maps are written as PNG alone, which keeps their values; not as {wanted}")


def _exact_suffix(input: Path | Sequence[Path], output: Path, suffix: str | None, own: str) -> str | None:
    """The suffix of outputs that no format of pictures can hold: `own` unless another one is asked for.

    Errors: ConfigError where that is one of pictures.
    """
    single = isinstance(input, Path) and not (input.is_dir() or output.is_dir()) and output.suffix.lower() in writable()
    for wanted in (suffix, output.suffix if single else None):
        if wanted and wanted.lower() in SUFFIXES and wanted.lower() not in EXACT_SUFFIXES:
            raise ConfigError(
                f"this model makes bands or values that {wanted} cannot hold; use one of {' '.join(EXACT_SUFFIXES)}"
            )
    return suffix if suffix or single else own


def _check_samples(translator: Translator, options: ConvertOptions) -> None:
    """Errors: ConfigError where several samples would all be the same."""
    if options.samples == 1 or translator.draws(options.direction):
        return
    name = translator.info.get("method", translator.method.name)
    which = f"method {name!r}" if translator.nets else "an exported model"
    raise ConfigError(
        f"{which} draws nothing at inference: {options.samples} samples would be the same; leave out --samples"
    )


def _fingerprint(value: Any) -> str:
    """What stands for a further input in the settings: a hash of an image, a class or numbers as they are."""
    return hashlib.sha256(value.array.tobytes()).hexdigest() if isinstance(value, Image) else repr(value)


def _images(work: Plan, options: ConvertOptions, route: Route) -> Iterator[tuple[str, Image]]:
    """The first images of 8 bits that can be read, and whose outputs can be written, with the names of their items."""
    for item in islice(work.items, LOOKED_AT):
        if item and not item.reason:
            with suppress(TranslateError):  # the conversion will tell
                header = probe(item.source, limits=options.limits)
                if not is_deep(header) and not output_too_large(header, route, item.target):
                    yield item.name, read(item.source, limits=options.limits)


def _settings(work: Plan, translator: Translator, options: ConvertOptions, suffix: str | None) -> dict[str, Any]:
    """What decides the outputs, as it is compared with that of an earlier conversion into the same folder."""
    facts = translator.info
    weights = facts.get("weights") if not translator.nets else (facts.get("files"), facts.get("step"), facts.get("ema"))
    others = {name: _fingerprint(value) for name, value in options.others.items()}
    route = translator.route(options.direction)
    chosen = route.options.model_dump(mode="json")
    return {
        "input": str(work.root.resolve()),
        "model": digest([facts.get("method"), facts.get("options"), weights]),
        "direction": route.name,
        **({"options": chosen} if chosen else {}),
        "with": digest(others) if others else None,
        "precision": translator.precision,
        "samples": options.samples,
        "seed": translator.seed if translator.draws(options.direction) else None,
        "format": suffix,
        "quality": options.quality,
        **({"pages": options.pages} if options.pages != "one" else {}),
        **_handling(translator),
    }


def _handling(translator: Translator) -> dict[str, Any]:
    """How images are treated, as far as that is not as usual."""
    usual = vars(DEFAULT_HANDLING)
    return {name: value for name, value in vars(translator.program.handling).items() if value != usual[name]}
