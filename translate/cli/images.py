"""`evaluate` and `models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from translate.cli.common import as_json, console, print_json


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--metrics", "-m", multiple=True, metavar="NAME", help="One or more; default: what fits the folders.")
@click.option(
    "--range", "ends", nargs=2, type=float, metavar="LOW HIGH", help="Values that count as 0 and 1, where not all do."
)
@as_json
def evaluate(a: Path, b: Path, metrics: tuple[str, ...], ends: tuple[float, float] | None, as_json: bool) -> None:
    """Score the images of folder A against those of folder B, pair by pair where the names are the same."""
    from translate.contracts import MetricUse
    from translate.errors import ConfigError
    from translate.metrics.scores import score_folders, table
    from translate.plugins import Registry

    if ends and not ends[0] < ends[1]:
        raise ConfigError(f"--range is the lower value first, then the higher one, not {ends[0]:g} {ends[1]:g}")
    uses = [MetricUse(uses=name) for name in ",".join(metrics).split(",") if name]
    scores = score_folders(a, b, Registry(), uses or None, [ends] if ends else None)
    if as_json:
        print_json({"scores": [score.to_json() for score in scores]})
    else:
        console().table(f"{a} against {b}", *table(scores))


@click.group()
def models() -> None:
    """Trained models."""


@models.command("show")
@click.argument("ref")
@click.option(
    "--weights", type=click.Choice(["best", "last", "raw"]), help="Of a train stage's checkpoints, as in `convert`."
)
@as_json
def show_model(ref: str, weights: Literal["best", "last", "raw"] | None, as_json: bool) -> None:
    """The facts of the model REF: method, plugin, directions, channels, scores.

    Of a training that was interrupted: its checkpoints, and the best of them.
    """
    from translate.models.load import describe
    from translate.tracking.models import fetch_model

    facts = describe(ref, weights, fetch_model)
    if as_json:
        print_json(facts)
        return
    import yaml

    out = console()
    out.say(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip())
    if "unfinished" in facts:
        out.warn("this training is not finished: --weights best or --weights last takes one of its checkpoints")


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
    from translate.models.reference_import import import_reference

    facts = import_reference(checkpoint, output, dropout=dropout, norm="running" if norm == "running" else "image")
    if as_json:
        print_json(facts.to_json())
        return
    out, origin = console(), facts.imported
    assert origin is not None
    network = ", ".join(f"{key} {str(value).lower()}" for key, value in origin.options.items())
    into, onto = origin.channels
    out.say(f"{checkpoint}: {origin.kind} ({network}), {into} to {onto} channels")
    for note in origin.notes:
        out.say(f"note: {note}")
    out.say(f"at inference: {facts.test_time_text}")
    out.say(f"{output}: use it with `translate convert INPUT OUTPUT --model {output}`, or as `init` of a train stage")


@models.command("export")
@click.argument("ref")
@click.argument("output", required=False, type=click.Path(path_type=Path))
@click.option("--format", type=click.Choice(["onnx"]), default="onnx", show_default=True)
@click.option("--direction", metavar="NAME", help="Only this one; default: all, into OUTPUT/DIRECTION.onnx.")
@click.option(
    "--exporter",
    type=click.Choice(["auto", "dynamo", "torchscript"]),
    default="auto",
    show_default=True,
    help="Of torch. auto: dynamo, 5 to 30 seconds a direction; where it fails torchscript, one second.",
)
@as_json
def export_model(
    ref: str, output: Path | None, format: str, direction: str | None, exporter: str, as_json: bool
) -> None:
    """Write the model REF as ONNX files with a card each, after comparing them with torch.

    OUTPUT is a folder (default: `onnx` in the model's own, where `convert --runtime onnx` looks), or the file for one
    direction. Any batch, height and width; what has to be done to images is in the file's metadata and in the card.
    """
    from translate.models.onnx.export import export_onnx
    from translate.tracking.models import fetch_model

    chosen: Any = None if exporter == "auto" else exporter
    exports = export_onnx(ref, output, direction, exporter=chosen, resolver=fetch_model)
    if as_json:
        print_json({"files": [export.to_json() for export in exports]})
        return
    out = console()
    for export in exports:
        sizes = ", ".join(f"{width} x {height}" for height, width in export.sizes)
        out.say(f"{export.file}: at most {export.difference:.1e} from torch at {sizes}, one image and two")
        if export.reason:
            out.warn(f"{export.direction}: by the exporter `torchscript`, since `dynamo` does not do: {export.reason}")
        if export.decided:
            lines = ", ".join(export.decided)
            out.warn(f"{export.direction}: as constants it has what these lines make of tensors or sizes: {lines}")
        if export.dropout_left_out:
            out.warn(f"{export.direction}: dropout, which the model keeps on at inference, is off in the file")


COMMANDS = (evaluate, models)
