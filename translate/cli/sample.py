"""`sample`: images from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from translate.cli.common import as_json, print_json, working_console


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--count", default=64, show_default=True, type=click.IntRange(1), help="So many samples.")
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="The number of the first one.")
@click.option("--size", metavar="N|HxW", help="Of the images; default: that of the training.")
@click.option("--seed", default=0, show_default=True, help="Of the noise; sample N of a seed is always the same.")
@click.option("--direction", metavar="NAME", help="One of the method's directions; default: the first without images.")
@click.option("--with", "others", multiple=True, metavar="NAME=VALUE", help="An input: a class's name, numbers.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the direction.")
@click.option("--interpolate", type=click.IntRange(2), metavar="STEPS", help="A sheet: from each sample to the next.")
@click.option("--arithmetic", metavar="A-B+C", help="A sheet: sums of samples, such as 3-1+2 or 3,7-1,4+2,8.")
@click.option("--weights", type=click.Choice(["best", "last", "raw"]), help="Of a train stage's checkpoints.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, xpu, mps.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@as_json
def sample(model: str, output: Path, as_json: bool, **values: Any) -> None:
    """Make images from nothing with MODEL, into the folder OUTPUT: NUMBER.png, results.jsonl and a sheet.

    Classes that are not given take turns. --interpolate and --arithmetic write one sheet, OUTPUT (a .png), instead.
    """
    from translate.cli.sampling import run_sample  # with torch, which takes a second

    rows = run_sample(model, output, out=working_console(as_json), **values)
    if as_json:
        print_json({"samples": rows, "output": str(output)})


COMMANDS = (sample,)
