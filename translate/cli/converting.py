"""The work behind `translate convert`: its options as objects, the preview, and what is told at the end.

This module imports torch; the command itself does not, so that help and completion come at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import click

from translate.cli.common import print_json, working_console
from translate.cli.direction_inputs import SET, WITH, direction_inputs, pairs
from translate.contracts import Console
from translate.conversion import convert as conversions
from translate.conversion.inputs.lists import Arguments, read_list
from translate.conversion.items import Item, Row
from translate.conversion.job import shown
from translate.conversion.names import names_of
from translate.conversion.options import ConvertOptions
from translate.conversion.summary import Summary
from translate.errors import ConfigError
from translate.imaging.appearance.handling import Alpha, Handling, Keeping
from translate.imaging.colour.spaces import Colour
from translate.imaging.io import Limits
from translate.inference.streaming import parse_tile
from translate.models.load import LoadOptions, load_model, portable
from translate.storage.plain_text import on_disk_as
from translate.tracking.conversions import track_conversion
from translate.tracking.registry.fetch import fetch_model

SOME_FAILED = 3
"""The exit code where some images failed, or all were skipped."""


def run_convert(
    inputs: tuple[str, ...], output: Path, *, dry_run: bool, track: bool, as_json: bool, **values: Any
) -> None:
    """Does what `translate convert` says; `values` are its further options.

    Errors: ConfigError, and what loading and converting raise. Exit code 3 where some images failed.
    """
    out, model = working_console(as_json), str(values["model"])
    loading = _load_options(**values)
    options, sources = _convert_options(loading, **values), _inputs(inputs)
    others, settings = pairs("--with", values["others"], WITH), pairs("--set", values["settings"], SET)
    translator = load_model(loading, resolver=fetch_model, tell=out.warn)
    given, knobs = direction_inputs(translator, options.direction, others, settings)
    read = tuple(Path(text) for _, text in others if Path(text).is_file())
    options = replace(options, others=given, options=knobs, originals=read)
    if values["engine"] == "ray":
        options = replace(options, model=portable(loading, fetch_model))
    if dry_run:
        rows = conversions.preview(sources, output, translator, options, console=out)
        _print_preview(rows, options.samples, out, as_json)
        return
    summary = conversions.convert(sources, output, translator, options, console=out)
    if track:
        _track(summary, model, output, out)
    if as_json:
        print_json(_json(summary))
    else:
        _tell(summary, output, options.samples, out)
    if summary.failed or (summary.skipped and not summary.done):
        raise click.exceptions.Exit(SOME_FAILED)


def _load_options(
    *,
    model: str,
    device: str,
    precision: str,
    seed: int,
    weights: Literal["best", "last", "raw"] | None,
    runtime: Literal["torch", "onnx"],
    tile: str,
    no_dropout: bool,
    alpha: Alpha,
    white: float | None,
    colour: Colour | None,
    metadata: Keeping,
    **others: Any,
) -> LoadOptions:

    exact = "fp32" if precision == "auto" else precision
    handling = Handling(alpha, white, colour, metadata)
    return LoadOptions(model, device, exact, seed, weights, runtime, parse_tile(tile), not no_dropout, handling)


def _convert_options(
    loading: LoadOptions,
    *,
    precision: str,
    max_pixels: int | None,
    max_bytes: int | None,
    max_seconds: float | None,
    **values: Any,
) -> ConvertOptions:

    limits: dict[str, Any] = {"pixels": max_pixels, "bytes": max_bytes, "seconds": max_seconds}
    # The rest of the command line is for loading; further inputs and options wait for the model.
    own = {field.name for field in fields(ConvertOptions)} - {"model", "others", "options"}
    return ConvertOptions(
        precision="auto" if precision == "auto" else None,
        limits=Limits(**{name: value for name, value in limits.items() if value is not None}),
        model=loading,
        **{name: value for name, value in values.items() if name in own},
    )


def _inputs(inputs: tuple[str, ...]) -> Path | Sequence[Path]:
    """One path, or the paths of a list. Errors: ConfigError."""
    if len(inputs) == 1:
        (text,) = inputs
        return _list(text) or on_disk_as(Path(text))
    paths: list[Path] = []
    for text in inputs:
        paths += _list(text) or [on_disk_as(Path(text))]
    return Arguments(paths)


def _list(text: str) -> list[Path] | None:
    """The paths of the list `@FILE`, or of `-`, which is stdin; None for a path. Errors: ConfigError."""
    if text == "-":
        return _not_empty("stdin", read_list(sys.stdin.buffer.read()))
    if not text.startswith("@") or os.path.lexists(text):
        return None
    try:
        return _not_empty(text[1:], read_list(Path(text[1:]).read_bytes()))
    except OSError as error:
        raise ConfigError(f"{text[1:]}: the list cannot be read: {error.strerror or error}") from None


def _not_empty(name: str, paths: list[Path]) -> list[Path]:
    if not paths:
        raise ConfigError(f"{name}: the list of images is empty")
    return paths


def _print_preview(rows: Iterable[tuple[Item, Row | None]], samples: int, out: Console, as_json: bool) -> None:

    counts: dict[str, int] = {}
    items = []
    for item, row in rows:
        status = row["status"] if row else "to convert"
        counts[status] = counts.get(status, 0) + 1
        names = names_of(item.target, samples) if item.target else []
        reason = row["reason"] if row else None
        if as_json:
            items.append({"input": item.name, "output": names, "status": status, "reason": reason})
        else:
            note = f"   ({status}{': ' + reason if reason else ''})" if row else ""
            out.say(shown(f"{item.name} -> {', '.join(names) or 'nothing'}{note}"))
    if as_json:
        print_json({"items": items, "counts": counts})
    else:
        out.say(", ".join(f"{count} {status}" for status, count in counts.items()) + "; nothing was written")


def _json(summary: Summary) -> dict[str, Any]:
    keys = ("done", "kept", "failed", "skipped", "ignored", "diversity", "seconds", "bytes")
    paths = {"results": summary.journal, "contact": summary.report}
    values: dict[str, Any] = {key: getattr(summary, key) for key in keys}
    values |= {"kinds": {**summary.kinds}}
    return values | {key: str(path) if path else None for key, path in paths.items()}


def _tell(summary: Summary, output: Path, samples: int, out: Console) -> None:
    new, rate = summary.done - summary.kept, summary.rate
    columns: dict[str, Any] = {"converted": new}
    columns |= {"before": summary.kept} if summary.kept else {}
    columns |= {"failed": summary.failed, "skipped": summary.skipped, **summary.kinds}
    columns |= {"passed over": summary.ignored} if summary.ignored else {}
    columns |= {"seconds": round(summary.seconds, 1), "images/s": round(rate, 2) if rate else None}
    out.table(f"to {output}", list(columns), [list(columns.values())])
    if summary.diversity is not None:
        out.say(f"two of the {samples} samples of an image differ by {255 * summary.diversity:.2f}/255 on average")
    if summary.kept:
        out.say("what was converted before stays as it is (--overwrite converts it again)")
    if summary.failed and summary.journal:
        out.say("what failed stays failed until --retry-failed")
    for what, path in (("every input", summary.journal), ("before and after", summary.report)):
        if path:
            out.say(f"{what}: {path}")


def _track(summary: Summary, model: str, output: Path, out: Console) -> None:

    facts = _json(summary)
    metrics = {key: float(value) for key, value in facts.items() if isinstance(value, int | float)}
    metrics |= {"images_per_second": summary.rate} if summary.rate else {}
    params = {**summary.settings, "model": model, "output": str(output)}
    files = [path for path in (summary.journal, summary.report) if path]
    run = track_conversion(output, params, metrics, files, out)
    if run:
        out.say(f"tracked: experiment 'conversions', {run}")
