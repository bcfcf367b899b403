"""`evaluate`: two folders of images against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from translate.cli.common import as_json, component_options, console, print_json
from translate.errors import ConfigError

if TYPE_CHECKING:
    from translate.contracts import MetricUse


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--metrics", "-m", multiple=True, metavar="NAME", help="One or more; default: what fits the folders.")
@click.option(
    "--range", "ends", nargs=2, type=float, metavar="LOW HIGH", help="Values that count as 0 and 1, where not all do."
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="The images that A was made of; A has to beat copies of them.",
)
@click.option(
    "--real",
    type=click.Path(path_type=Path),
    help="More real images, whose score A can reach. Default: halves of B.",
)
@click.option("--set", "settings", multiple=True, metavar="METRIC.OPTION=VALUE", help="Such as `fid.weights=FILE`.")
@click.option("--device", default="cpu", show_default=True, help="Where the networks of metrics run.")
@click.option("--html", type=click.Path(path_type=Path), help="Writes a page with the worst and the best cases.")
@as_json
def evaluate(
    a: Path,
    b: Path,
    metrics: tuple[str, ...],
    ends: tuple[float, float] | None,
    inputs: Path | None,
    real: Path | None,
    settings: tuple[str, ...],
    device: str,
    html: Path | None,
    as_json: bool,
) -> None:
    """Score the images of folder A against the real ones of folder B, pair by pair where the names are the same.

    A verdict says in words whether anybody can tell the two apart, after a look at differences that have nothing to do
    with the pictures: formats, sizes, borders.
    """
    from translate.metrics.folders.comparing import Folders, evaluate_folders
    from translate.metrics.folders.page import write_page
    from translate.metrics.scores import table
    from translate.plugins import Registry

    if ends and not ends[0] < ends[1]:
        raise ConfigError(f"--range is the lower value first, then the higher one, not {ends[0]:g} {ends[1]:g}")
    uses = _uses(metrics, settings)
    folders = Folders(a, b, inputs, real)
    evaluation = evaluate_folders(folders, Registry(), uses or None, [ends] if ends else None, device)
    if html is not None:
        write_page(html, f"{a} against {b}", evaluation)
    if as_json:
        print_json(evaluation.to_json())
        return
    out = console()
    for warning in evaluation.warnings:
        out.warn(warning)
    for leak in evaluation.leaks:
        out.warn(leak.told)
    out.table(f"{a} against {b}", *table(evaluation.scores))
    for metric, protocol in evaluation.protocols().items():
        out.say(f"{metric}: {protocol}")
    out.say(evaluation.verdict.text)
    if evaluation.cases:
        worst, best = evaluation.cases[0], evaluation.cases[-1]
        out.say(f"worst by {worst.metric}: {worst.name} ({worst.score:.4g}); best: {best.name} ({best.score:.4g})")


def _uses(names: tuple[str, ...], settings: tuple[str, ...]) -> list[MetricUse]:
    """The metrics that are named, with their options. Errors: ConfigError for options of others."""
    from translate.contracts import MetricUse

    options = component_options(settings, "METRIC.OPTION=VALUE, such as --set fid.weights=FILE")
    chosen = [name for name in ",".join(names).split(",") if name]
    other = next((name for name in options if name not in chosen), None)
    if other is not None:
        raise ConfigError(f"--set {other}.{next(iter(options[other]))}: --metrics does not name {other}")
    return [MetricUse.model_validate({"uses": name, **options.get(name, {})}) for name in chosen]


COMMANDS = (evaluate,)
