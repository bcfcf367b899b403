"""`models`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from translate.cli.common import as_json, console, print_json, working_console
from translate.errors import ConfigError
from translate.text import suggest


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
    from translate.tracking.registry.fetch import fetch_model

    out = console()
    facts = describe(ref, weights, fetch_model, out.warn)
    if as_json:
        print_json(facts)
        return
    import yaml

    out.say(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip())
    if "unfinished" in facts:
        out.warn("this training is not finished: --weights best or --weights last takes one of its checkpoints")


@models.command("import")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--network", metavar="NAME", help="The one to take of several in the file, such as `params_ema`.")
@click.option("--dropout/--no-dropout", default=None, help="At inference; default: on where the network has it.")
@click.option(
    "--norm",
    type=click.Choice(["image", "running"]),
    default="image",
    show_default=True,
    help="Batch norms at inference: the statistics of each image, or the running averages.",
)
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    help="How many times larger outputs are, where the file does not tell: an old ESRGAN of scale 3 looks like 2.",
)
@as_json
def import_model(
    checkpoint: Path,
    output: Path,
    network: str | None,
    dropout: bool | None,
    norm: str,
    scale: int | None,
    as_json: bool,
) -> None:
    """Turn CHECKPOINT, a generator of another program, into the bundle OUTPUT.

    It may be of pytorch-CycleGAN-and-pix2pix (latest_net_G.pth), CUT, ESRGAN or Real-ESRGAN: a file of torch.save
    (.pth, .pt, .bin), of Lightning (.ckpt), .safetensors, or TorchScript. Architecture, depth, norm, channels, filters
    and, for a ResNet, dropout are found from the tensors. The defaults are what the program does at test time;
    --no-dropout --norm running are its --eval. Nothing in the file is executed.
    """
    from translate.models.foreign.reference_import import import_reference

    norms: Literal["image", "running"] = "running" if norm == "running" else "image"
    facts = import_reference(checkpoint, output, network=network, dropout=dropout, norm=norms, scale=scale)
    if as_json:
        print_json(facts.to_json())
        return
    out, origin = working_console(), facts.imported
    assert origin is not None
    options = ", ".join(f"{key} {str(value).lower()}" for key, value in origin.options.items())
    into, onto = origin.channels
    of = f" of {origin.part}" if origin.part else ""
    out.say(f"{checkpoint}: {origin.kind} ({options}), {into} to {onto} channels{of}, as {origin.layout} has it")
    for note in origin.notes:
        out.say(f"note: {note}")
    out.say(f"at inference: {facts.test_time_text}")
    out.say(f"{output}: use it with `translate convert INPUT OUTPUT --model {output}`, or as `init` of a train stage")


@models.command("export")
@click.argument("ref")
@click.argument("output", required=False, type=click.Path(path_type=Path))
@click.option("--format", "format_", metavar="NAME", default="onnx", show_default=True, help="`onnx`, or PLUGIN/NAME.")
@click.option("--direction", metavar="NAME", help="Only this one; default: all, into OUTPUT/DIRECTION.onnx.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="OPTION=VALUE",
    help="An option of the direction, fixed in the file, or of the format; repeatable.",
)
@click.option(
    "--with", "inputs", multiple=True, metavar="NAME=VALUE", help="For onnx: a class or numbers, fixed in the file."
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT where it is there; what is a file of the model stays.")
@click.option("--no-dropout", is_flag=True, help="For onnx, which has no dropout: do not warn that it is left out.")
@click.option(
    "--exporter",
    type=click.Choice(["auto", "dynamo", "torchscript"]),
    help="For onnx, of torch. auto: dynamo, 5 to 30 seconds a direction; where it fails torchscript, one second.",
)
@as_json
def export_model(
    ref: str,
    output: Path | None,
    format_: str,
    direction: str | None,
    options: tuple[str, ...],
    inputs: tuple[str, ...],
    overwrite: bool,
    no_dropout: bool,
    exporter: str | None,
    as_json: bool,
) -> None:
    """Write the model REF for other programs: as ONNX files with a card each, after comparing them with torch, or in a
    format that a plugin brings.

    OUTPUT is a folder (default: `onnx`, or the format's name, in the model's own, where `convert --runtime onnx`
    looks), or the file for one direction. An ONNX file takes any batch, height and width, and noise and numbers among
    the options as inputs; what has to be done to images is in its metadata and in the card. `--set steps=10` fixes an
    option that decides the structure of the graph.
    """
    from translate.models.export_model import export_model
    from translate.plugins import Registry
    from translate.tracking.registry.fetch import fetch_model

    registry = Registry()
    kind = registry.get("exporters", format_)
    values = _settings("--set", options)
    fields = kind.Config.model_fields
    # What is nearly an option of the format is a slip of the pen, and said before a model is looked for.
    settings = {name: value for name, value in values.items() if name in fields or suggest(name, fields)}
    if fixed := _settings("--with", inputs):
        settings["inputs"] = fixed
    if no_dropout:
        settings["no_dropout"] = True
    if exporter:
        settings["exporter"] = exporter
    chosen = kind(registry.config("exporters", format_, settings))
    further = {name: value for name, value in values.items() if name not in settings}
    exports = export_model(
        ref,
        chosen,
        output,
        direction,
        options=further,
        overwrite=overwrite,
        registry=registry,
        resolver=fetch_model,
    )
    if as_json:
        print_json({"files": [export.to_json() for export in exports]})
        return
    out = console()
    for export in exports:
        out.say(f"{export.file}: {export.note}" if export.note else str(export.file))
        for warning in export.warnings:
            out.warn(f"{export.direction}: {warning}")


def _settings(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """`OPTION=VALUE` as options, the values read as in pipeline files. Errors: ConfigError, PipelineError."""
    from translate.pipeline import yamlfile

    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"{option} {text}: write OPTION=VALUE")
        node = yamlfile.compose(value, option)
        settings[key] = node.plain() if node else None
    return settings


COMMANDS = (models,)
