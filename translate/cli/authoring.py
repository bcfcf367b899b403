"""`init` and `schema`: for those who write pipeline files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from translate.cli.common import as_json, console, print_json, working_console
from translate.errors import ConfigError
from translate.storage.atomic import write_json, write_text


@click.command()
@click.option("--output", type=click.Path(path_type=Path), help="The file to write; default: stdout.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of pipeline files, with everything that is installed, for editors.

    With the Red Hat YAML extension or any other that uses yaml-language-server, `translate schema --output
    pipeline.schema.json` and this first line of a pipeline file complete and check it:

        # yaml-language-server: $schema=pipeline.schema.json
    """
    from translate.pipeline.json_schema import pipeline_schema
    from translate.plugins import Registry

    if output is not None and os.path.lexists(output) and not _is_schema(output):
        raise ConfigError(f"{output} is there already, and is no JSON schema; give another --output")
    document, failures = pipeline_schema(Registry())
    out = console(as_json=True)
    for failure in failures.values():
        out.warn(failure)
    if output is None:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        write_json(output, document)


def _is_schema(file: Path) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "$schema" in content


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--method", metavar="NAME", help="One of `translate methods`; without it, says which suit the images.")
@click.option("--output", type=click.Path(path_type=Path), help="The file to write; default: FOLDER_METHOD.yaml here.")
@as_json
def init(folder: Path, method: str | None, output: Path | None, as_json: bool) -> None:
    """Write a pipeline file that trains a method on the images of FOLDER.

    It looks at what is there: folders train, val and test; two sets of images, as trainA and trainB, train/A and
    train/B or A and B; pairs in one file, side by side; label maps; sizes and colours.
    """
    from translate.pipeline import check
    from translate.pipeline.init.write import file_name, no_method, starter
    from translate.plugins import Registry

    registry = Registry()
    if method is None:
        raise ConfigError(no_method(folder, registry))
    file = output or Path(file_name(method, folder))
    if os.path.lexists(file):
        raise ConfigError(f"{file} exists already; remove it, or give another --output")
    write_text(file, starter(method, folder, registry, file))
    notes = check(file, registry=registry)
    if as_json:
        print_json({"file": str(file), "notes": notes})
        return
    out = working_console()
    for note in notes:
        out.say(f"note: {note}")
    ways = {" --profile quick": "does it run?", " --profile hour": "a first result", "": "the whole training"}
    width = max(map(len, ways))
    commands = [f"  translate run {file}{profile:{width}}  {what}" for profile, what in ways.items()]
    out.say("\n".join([f"{file}", "", "next:", *commands]))


COMMANDS = (init, schema)
