"""What several commands share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from translate.contracts import Console

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, messages on stderr.")


def console(as_json: bool = False) -> Console:
    """The console of a command."""
    from translate.console import console

    return console(json=as_json)


def print_json(value: Any) -> None:
    """The one document that `--json` promises."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
