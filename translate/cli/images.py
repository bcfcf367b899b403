"""`convert`, `evaluate` and `models`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from translate.cli.common import as_json, console, print_json
from translate.errors import ConfigError

SOME_FAILED = 3


@click.command()
@click.argument("input", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar="REF", help="A bundle, a train stage, an .onnx file, runs:/... or models:/..."
)
@click.option("--direction", metavar="NAME", help="One of the method's directions; default: its first.")
@click.option("--with", "others", multiple=True, metavar="NAME=FILE", help="A further input of the direction.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda or cuda:1.")
@click.option(
    "--tile",
    default="auto",
    show_default=True,
    metavar="auto|off|N",
    help="Strips of N rows, with the result of the whole image; auto: where the image would not fit into the memory.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "auto"]),
    default="fp32",
    show_default=True,
    help="auto: bf16 where the device gains by it and the first images differ by at most 1/255 on average.",
)
@click.option("--samples", default=1, type=click.IntRange(1), metavar="N", help="Answers to each image: NAME.1.png ...")
@click.option("--seed", default=0, show_default=True, help="Of dropout, where the method keeps it on.")
@click.option(
    "--weights",
    type=click.Choice(["best", "last", "raw"]),
    help="Of a train stage's checkpoints; raw: before averaging. Default: what its model holds.",
)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx"]),
    default="torch",
    show_default=True,
    help="onnx: what was exported.",
)
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
    tile: str,
    precision: str,
    samples: int,
    seed: int,
    weights: Literal["best", "last", "raw"] | None,
    runtime: Literal["torch", "onnx"],
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
    from translate.inference.tiling import checked
    from translate.inference.translator import load
    from translate.tracking.models import fetch_model

    further = dict(_pair(text) for text in others)
    out = console(as_json)
    translator = load(
        model,
        device,
        precision="fp32" if precision == "auto" else precision,
        seed=seed,
        weights=weights,
        runtime=runtime,
        tile=checked(tile),
        resolver=fetch_model,
    )
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
        samples=samples,
        precision="auto" if precision == "auto" else None,
    )
    if as_json:
        counts = {key: getattr(summary, key) for key in ("done", "failed", "skipped", "ignored", "diversity")}
        print_json({**counts, "results": str(summary.journal) if summary.journal else None})
    else:
        why = " (they were there; --overwrite converts them again)" if summary.skipped else ""
        out.say(f"{summary.done} converted, {summary.failed} failed, {summary.skipped} skipped{why}: {output}")
        if summary.diversity is not None:
            out.say(f"two of the {samples} samples of an image differ by {255 * summary.diversity:.2f}/255 on average")
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


@models.command("export")
@click.argument("ref")
@click.argument("output", required=False, type=click.Path(path_type=Path))
@click.option("--format", type=click.Choice(["onnx"]), default="onnx", show_default=True)
@click.option("--direction", metavar="NAME", help="Only this one; default: all, into OUTPUT/DIRECTION.onnx.")
@as_json
def export_model(ref: str, output: Path | None, format: str, direction: str | None, as_json: bool) -> None:
    """Write the model REF as ONNX files with a card each, after comparing them with torch.

    OUTPUT is a folder (default: `onnx` in the model's own, where `convert --runtime onnx` looks), or the file for one
    direction. Any batch, height and width; what has to be done to images is in the file's metadata and in the card.
    """
    from translate.inference.export import export_onnx
    from translate.tracking.models import fetch_model

    made = export_onnx(ref, output, direction, resolver=fetch_model)
    if as_json:
        print_json({"files": [export.to_json() for export in made]})
        return
    out = console()
    for export in made:
        sizes = ", ".join(f"{width} x {height}" for height, width in export.sizes)
        out.say(f"{export.file}: at most {export.difference:.1e} from torch at {sizes}, one image and two")
        if export.decided:
            lines = ", ".join(export.decided)
            out.warn(f"{export.direction}: as constants it has what these lines make of tensors or sizes: {lines}")
        if export.dropout_left_out:
            out.warn(f"{export.direction}: dropout, which the model keeps on at inference, is off in the file")


COMMANDS = (convert, evaluate, models)
