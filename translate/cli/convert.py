"""`convert`: images in, the same images translated out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from translate.cli.common import as_json

if TYPE_CHECKING:
    pass


class Shard(click.ParamType[tuple[int, int]]):
    """`i/n`: the i-th of n parts."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        number, _, of = str(value).partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            self.fail(f"{value!r} is not i/n with 1 <= i <= n, such as 2/8", param, ctx)
        return int(number), int(of)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar="REF", help="A bundle, a train stage, an .onnx file, runs:/... or models:/..."
)
@click.option("--direction", metavar="NAME", help="One of the method's directions; default: its first.")
@click.option(
    "--with", "others", multiple=True, metavar="NAME=VALUE", help="A further input: a file, a class's name, numbers."
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the direction, such as steps=50."
)
@click.option("--dry-run", is_flag=True, help="Print which file would go where, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Convert again what is there, whoever wrote it.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed before.")
@click.option("--verify", is_flag=True, help="Compare what was converted before with its hashes.")
@click.option("--format", metavar="SUFFIX", help="png, jpg, ...; default: that of each input.")
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Of JPEG and WebP.")
@click.option(
    "--pages",
    type=click.Choice(["one", "all"]),
    default="one",
    show_default=True,
    help="all: each page or frame of a TIFF, GIF, WebP or PNG, into a file of the same kind.",
)
@click.option("--samples", default=1, type=click.IntRange(1), metavar="N", help="Answers to each image: NAME.1.png ...")
@click.option("--seed", default=0, show_default=True, help="Of what the model draws: noise, dropout.")
@click.option("--no-dropout", is_flag=True, help="Off also where the method keeps it on, so that strips are possible.")
@click.option(
    "--weights",
    type=click.Choice(["best", "last", "raw"]),
    help="Of a train stage's checkpoints; raw: before averaging. Default: what its model holds.",
)
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, xpu, mps.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto: bf16 where the device gains by it and the first images differ by at most 1/255 on average.",
)
@click.option(
    "--tile",
    default="auto",
    show_default=True,
    metavar="auto|off|N",
    help="Strips of N rows, with the result of the whole image; auto: where the image would not fit into the memory.",
)
@click.option(
    "--alpha",
    type=click.Choice(["over-white", "channel", "ignore"]),
    default="over-white",
    show_default=True,
    help="The networks see images on white, which is taken out again; or alpha as a picture of its own; or not at all.",
)
@click.option(
    "--white",
    type=click.FloatRange(0, min_open=True),
    metavar="VALUE",
    help="White in images of more than 8 bits, such as 4095 for counts of 12 bits. Default: what the file says.",
)
@click.option(
    "--colour",
    type=click.Choice(["srgb", "display-p3", "adobe-rgb", "rec2020", "prophoto", "as-is"]),
    help="What the networks see; files of other spaces are turned into it and back. Default: the training's, or sRGB.",
)
@click.option(
    "--metadata",
    type=click.Choice(["keep", "none"]),
    default="keep",
    show_default=True,
    help="What files say beside pixels: profile, resolution, EXIF, XMP, GeoTIFF, texts.",
)
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Images at a time; default: what suits the model.")
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx"]),
    default="torch",
    show_default=True,
    help="onnx: what was exported.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray: on a Ray cluster that sees the same files.",
)
@click.option("--shard", type=Shard(), default="1/1", help="The i-th of n processes that share the work.")
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Of an image; larger ones fail.")
@click.option("--max-bytes", type=click.IntRange(1), metavar="N", help="Of a file; larger ones fail.")
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="For decoding one image.")
@click.option("--track", is_flag=True, help="Log the conversion to MLflow.")
@as_json
def convert(inputs: tuple[str, ...], output: Path, dry_run: bool, track: bool, as_json: bool, **values: Any) -> None:
    """Translate INPUT to OUTPUT: an image, a folder, a quoted pattern ("photos/**/*.jpg"), several images, @FILE (a
    list of paths) or - (such a list on stdin).

    Tree, names and sizes are kept, and nothing is overwritten. One bad file does not end the work: the exit code is
    then 3, and OUTPUT/results.jsonl tells of every input. What was stopped goes on with the same command.
    """
    from translate.cli.converting import run_convert  # with torch, which takes a second

    run_convert(inputs, output, dry_run=dry_run, track=track, as_json=as_json, **values)


COMMANDS: tuple[Callable[..., Any], ...] = (convert,)
