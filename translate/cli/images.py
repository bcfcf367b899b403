"""`convert`, `evaluate` and `models`."""

from __future__ import annotations

from pathlib import Path

import click

from translate.cli.common import as_json, console, print_json
from translate.errors import ConfigError

SOME_FAILED = 3


@click.command()
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar="REF", help="A bundle, a train stage's folder, runs:/... or models:/..."
)
@click.option("--direction", metavar="NAME", help="One of the method's directions; default: its first.")
@click.option("--with", "others", multiple=True, metavar="NAME=FILE", help="A further input of the direction.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda or cuda:1.")
@click.option("--overwrite", is_flag=True, help="Convert again what is there already.")
@click.option("--format", metavar="SUFFIX", help="png, jpg, ...; default: that of each input.")
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Of JPEG and WebP.")
@as_json
def convert(
    input: Path,
    output: Path,
    model: str,
    direction: str | None,
    others: tuple[str, ...],
    device: str,
    overwrite: bool,
    format: str | None,
    quality: int,
    as_json: bool,
) -> None:
    """Translate INPUT, an image or a folder of images, to OUTPUT.

    The tree, names and sizes are kept. One bad file does not end the work: the exit code is then 3, and
    OUTPUT/results.jsonl tells of every input.
    """
    from translate.inference.folder import convert as convert_folder
    from translate.inference.translator import load
    from translate.tracking.models import fetch_model

    further = dict(_pair(text) for text in others)
    out = console(as_json)
    translator = load(model, device, resolver=fetch_model)
    summary = convert_folder(
        input,
        output,
        translator,
        console=out,
        direction=direction,
        others=further,
        overwrite=overwrite,
        format=format,
        quality=quality,
    )
    if as_json:
        counts = {key: getattr(summary, key) for key in ("done", "failed", "skipped", "ignored")}
        print_json({**counts, "results": str(summary.journal) if summary.journal else None})
    else:
        why = " (they were there; --overwrite converts them again)" if summary.skipped else ""
        out.say(f"{summary.done} converted, {summary.failed} failed, {summary.skipped} skipped{why}: {output}")
    if summary.failed:
        raise click.exceptions.Exit(SOME_FAILED)


def _pair(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ConfigError(f"--with {text}: write NAME=FILE, such as --with exemplar=hat.png")
    return name, Path(path)


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--metrics", "-m", multiple=True, metavar="NAME", help="One or more; default: what fits the folders.")
@as_json
def evaluate(a: Path, b: Path, metrics: tuple[str, ...], as_json: bool) -> None:
    """Score the images of folder A against those of folder B, pair by pair where the names are the same."""
    from translate.contracts import MetricUse
    from translate.metrics.scores import score_folders, table
    from translate.plugins import Registry

    uses = [MetricUse(uses=name) for text in metrics for name in text.split(",") if name]
    scores = score_folders(a, b, Registry(), uses or None)
    if as_json:
        print_json({"scores": [score.to_json() for score in scores]})
    else:
        console().table(f"{a} against {b}", *table(scores))


@click.group()
def models() -> None:
    """Trained models."""


@models.command("show")
@click.argument("ref")
@as_json
def show_model(ref: str, as_json: bool) -> None:
    """The facts of the model REF: method, plugin, directions, channels, scores."""
    from translate.inference.bundle import read_bundle
    from translate.inference.translator import locate
    from translate.tracking.models import fetch_model

    bundle = read_bundle(locate(ref, fetch_model))
    if as_json:
        print_json(bundle.facts)
        return
    import yaml

    console().say(yaml.safe_dump(dict(bundle.facts), sort_keys=False, allow_unicode=True).rstrip())


@models.command("import")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--dropout/--no-dropout", default=None, help="At inference; default: on where the network has it.")
@click.option(
    "--norm",
    type=click.Choice(["image", "running"]),
    default="image",
    show_default=True,
    help="Batch norms at inference: the statistics of each image, or the running averages.",
)
@as_json
def import_model(checkpoint: Path, output: Path, dropout: bool | None, norm: str, as_json: bool) -> None:
    """Turn CHECKPOINT, a generator of pytorch-CycleGAN-and-pix2pix (latest_net_G.pth), into the bundle OUTPUT.

    Architecture, depth, norm, channels, filters and, for a ResNet, dropout are found from the tensors. The defaults are
    what that program does at test time; --no-dropout --norm running are its --eval. Nothing in the file is executed.
    """
    from translate.inference.importing import import_reference

    facts = import_reference(checkpoint, output, dropout=dropout, norm="running" if norm == "running" else "image")
    if as_json:
        print_json(facts)
        return
    out, origin = console(), facts["imported"]
    network = ", ".join(f"{key} {str(value).lower()}" for key, value in origin["network"].items() if key != "uses")
    into, onto = origin["channels"]
    out.say(f"{checkpoint}: {origin['network']['uses']} ({network}), {into} to {onto} channels")
    for note in origin["notes"]:
        out.say(f"note: {note}")
    out.say(f"at inference: {facts['test_time']['text']}")
    out.say(f"{output}: use it with `translate convert INPUT OUTPUT --model {output}`, or as `init` of a train stage")


COMMANDS = (convert, evaluate, models)
