"""The work behind `translate sample`. This module imports torch; the command itself does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from translate.cli.direction_inputs import SET, WITH, direction_inputs, pairs
from translate.contracts import Console
from translate.conversion.samples.folder import sample_folder
from translate.conversion.samples.sheets import SampleOptions, arithmetic_sheet, interpolation_sheet
from translate.errors import ConfigError
from translate.imaging.io import write
from translate.inference.translator import Translator
from translate.models.load import load
from translate.tracking.registry.fetch import fetch_model


def run_sample(
    model: str,
    output: Path,
    *,
    out: Console,
    count: int,
    first: int,
    size: str | None,
    seed: int,
    direction: str | None,
    others: tuple[str, ...],
    settings: tuple[str, ...],
    interpolate: int | None,
    arithmetic: str | None,
    weights: Any,
    device: str,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """Does what `translate sample` says; the rows of the samples. Errors: ConfigError, and what loading raises."""
    inputs_given, knobs_given = pairs("--with", others, WITH), pairs("--set", settings, SET)
    translator = load(model, device, seed=seed, weights=weights, resolver=fetch_model, tell=out.warn)
    chosen = direction or first_without_images(translator)
    inputs, knobs = direction_inputs(translator, chosen, inputs_given, knobs_given)
    options = SampleOptions(translator.call(chosen, knobs), inputs, parse_size(size), overwrite)
    if interpolate is None and arithmetic is None:
        rows = sample_folder(translator, output, range(first, first + count), options, console=out)
        out.say(f"{len(rows)} samples of seed {seed}: {output}")
        return rows
    if output.suffix.lower() != ".png":
        raise ConfigError(f"{output}: a sheet is one picture; give a name that ends in .png")
    if output.exists() and not overwrite:
        raise ConfigError(f"{output}: is there already; give another name, or --overwrite")
    output.parent.mkdir(parents=True, exist_ok=True)
    if interpolate is not None:
        write(output, interpolation_sheet(translator, min(count, 8), interpolate, options))
    else:
        write(output, arithmetic_sheet(translator, str(arithmetic), options))
    out.say(f"sheet: {output}")
    return []


def first_without_images(translator: Translator) -> str:
    """The first direction that takes no image. Errors: ConfigError where each of them converts images."""
    for name, route in translator.routes.items():
        if route.main is None:
            return name
    names = ", ".join(translator.routes)
    raise ConfigError(f"this model converts images ({names}) and makes none from nothing: use `translate convert`")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`64` or `64x96` (height x width) in pixels. Errors: ConfigError."""
    if text is None:
        return None
    height, cross, width = text.lower().partition("x")
    if not height.isdecimal() or not (width.isdecimal() if cross else True) or 0 in (int(height), int(width or height)):
        raise ConfigError(f"--size {text}: write the side of a square, such as 64, or height x width, such as 64x96")
    return int(height), int(width or height)
