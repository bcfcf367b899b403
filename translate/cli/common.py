"""Parts that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from translate.errors import ConfigError
from translate.redact import redacted

if TYPE_CHECKING:
    from translate.contracts import Console

_STDOUT = "translate.stdout"
ARGUMENTS = "translate.arguments"
"""Where the command line lies in `click.Context.meta`: what came after `translate`."""


def _quiet(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """With `--json`, what a plugin or a library prints goes to stderr."""
    if value:
        ctx.meta[_STDOUT] = sys.stdout
        ctx.with_resource(redirect_stdout(sys.stderr))
    return value


as_json = click.option(
    "--json", "as_json", is_flag=True, callback=_quiet, help="One JSON document on stdout, messages on stderr."
)


def console(as_json: bool = False) -> Console:
    """The console of a command that answers a question."""
    from translate.console import console

    return console(json=as_json)


def working_console(as_json: bool = False) -> Console:
    """The console of a command that does some work: with `--quiet` it says nothing but warnings."""
    from translate.console import PlainConsole, QuietConsole

    quiet = click.get_current_context().find_root().params.get("quiet", False)
    return QuietConsole(PlainConsole()) if quiet else console(as_json)


def print_json(value: Any) -> None:
    """The one document that `--json` promises."""
    stdout = click.get_current_context().meta.get(_STDOUT)
    click.echo(json.dumps(redacted(value), indent=2, ensure_ascii=False), file=stdout)


def option_table(out: Console, title: str, options: Sequence[Mapping[str, Any]]) -> None:
    """Options as `translate.plugins.catalogue` describes them: name, type with its range, default and meaning."""
    rows = [(o["name"], _type(o), "required" if o["required"] else _default(o), _meaning(o)) for o in options]
    out.table(title, ("name", "type", "default", "meaning"), rows)


def _type(option: Mapping[str, Any]) -> str:
    return f"{option['type']}, {option['range']}" if option["range"] else str(option["type"])


def _meaning(option: Mapping[str, Any]) -> str:
    """The description on one line, however its docstring is wrapped."""
    return " ".join(option["about"].split())


def _default(option: Mapping[str, Any]) -> str:
    """The default as a pipeline file would say it."""
    value = option["default"]
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value["uses"]) if isinstance(value, dict) and "uses" in value else str(value)


def component_options(sets: Sequence[str], form: str) -> dict[str, dict[str, Any]]:
    """Options by component of `--set COMPONENT.OPTION=VALUE`; `form` says in an error how to write it. Errors:
    ConfigError."""
    from translate.pipeline import yamlfile

    options: dict[str, dict[str, Any]] = {}
    for text in sets:
        place, equals, value = text.partition("=")
        component, dot, option = place.rpartition(".")
        if not (equals and dot and component and option):
            raise ConfigError(f"--set {text}: write {form}")
        node = yamlfile.compose(value, "--set")
        options.setdefault(component, {})[option] = node.plain() if node else None
    return options
