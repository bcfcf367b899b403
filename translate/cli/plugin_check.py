"""`plugins check`: the conformance kit outside of pytest."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from translate.cli.common import as_json, component_options, console, print_json
from translate.errors import ConfigError
from translate.text import suggest

if TYPE_CHECKING:
    from translate.testing import Finding


@click.command("check")
@click.argument("plugin", metavar="PATH|NAME")
@click.option("--set", "sets", multiple=True, metavar="COMPONENT.OPTION=VALUE", help="An option to check it with.")
@as_json
def check_plugins(plugin: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Try everything that a plugin provides on generated images, and say what to change.

    NAME is an installed plugin, or `translate` for what is built in; PATH a module file, a package or a project
    folder, which need not be installed.
    Exit code 1 if a check fails.
    """
    findings = _findings(plugin, component_options(sets, "COMPONENT.OPTION=VALUE, such as --set blur.radius=2"))
    failed = sum(each.status == "failed" for each in findings)
    if as_json:
        print_json({"plugin": plugin, "failed": failed, "checks": [each.to_json() for each in findings]})
    else:
        out = console()
        for component, rows in groupby(findings, lambda each: each.component):
            out.table(component, ("check", "result"), [(row.check, _result(row)) for row in rows])
        out.say(f"{failed} of {len(findings)} checks failed" if failed else f"{len(findings)} checks, none failed")
    if failed:
        raise click.exceptions.Exit(1)


def _findings(plugin: str, options: dict[str, dict[str, Any]]) -> list[Finding]:
    """Errors: ConfigError where there is neither such a plugin nor such a path."""
    from translate.plugins import Registry
    from translate.testing.plugin import check_builtins, check_plugin, importable, with_plugins

    path, registry = Path(plugin), Registry()
    names = [each.name for each in registry.plugins()]
    if plugin in names:
        return check_plugin(plugin, registry, options)
    if plugin == "translate":
        return check_builtins(registry, options)
    if not path.exists():
        raise ConfigError(f"there is no plugin {plugin!r}, and no file or folder of that name{suggest(plugin, names)}")
    with ExitStack() as stack:
        entries = stack.enter_context(importable(path))
        registry = with_plugins(entries)
        findings: list[Finding] = []
        for entry in entries:
            findings += check_plugin(entry.name, registry, options)
        return findings


def _result(finding: Finding) -> str:
    return f"{finding.status}: {finding.problem}" if finding.problem else finding.status
