"""`init` and `schema`: for those who write pipeline files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from translate.cli.common import console


@click.command()
@click.option("--output", type=click.Path(path_type=Path), help="The file to write; default: stdout.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of pipeline files, with everything that is installed, for editors.

    With the Red Hat YAML extension or any other that uses yaml-language-server, `translate schema --output
    pipeline.schema.json` and this first line of a pipeline file complete and check it:

        # yaml-language-server: $schema=pipeline.schema.json
    """
    from translate.pipeline.editor import pipeline_schema
    from translate.plugins import Registry
    from translate.storage.atomic import write_json

    found, failures = pipeline_schema(Registry())
    out = console(as_json=True)
    for failure in failures.values():
        out.warn(failure)
    if output is None:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        write_json(output, found)


COMMANDS = (schema,)
