"""All components of a plugin, installed or not, under the checks of their kinds."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from translate.contracts import ComponentKind
from translate.errors import ConfigError, PluginError
from translate.plugins import KINDS, Registry, validate
from translate.plugins.discovery import GROUP, builtins
from translate.plugins.registry import singular
from translate.testing.component import ComponentChecks, small_options
from translate.testing.data import DeviceTransformChecks, SourceChecks, TransformChecks
from translate.testing.formats import ExporterChecks, FormatChecks
from translate.testing.method import MethodChecks
from translate.testing.optimization import ObjectiveChecks, OptimizerChecks, ScheduleChecks
from translate.testing.report import GLOBALS, QUIET, Finding, watched
from translate.testing.scores import MetricChecks
from translate.testing.stage import StageChecks
from translate.testing.terms import LossChecks, NetworkChecks
from translate.text import suggest

CHECKS: Mapping[ComponentKind, type[ComponentChecks]] = {
    each.kind: each
    for each in (
        MethodChecks,
        NetworkChecks,
        LossChecks,
        ObjectiveChecks,
        OptimizerChecks,
        ScheduleChecks,
        MetricChecks,
        SourceChecks,
        TransformChecks,
        DeviceTransformChecks,
        StageChecks,
        FormatChecks,
        ExporterChecks,
    )
}
ASSERTS = "assert_{}_conforms"


def check_plugin(
    name: str, registry: Registry, options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Finding]:
    """Runs every check on everything that a plugin provides, after its import. `options` by the component's name.

    Errors: ConfigError where there is no such plugin, or no such component in `options`.
    """
    options = options or {}
    noise: list[str] = []
    changed: list[str] = []
    who = f"plugin {name}"
    try:
        with watched(noise, changed):
            provided = registry.load(name).provides
    except PluginError as error:
        return [Finding(who, "can be imported and registered", "failed", str(error))]
    findings = [Finding(who, "can be imported and registered", "ok")]
    for title, sentences in ((QUIET, noise), (GLOBALS, changed)):
        problem = "; ".join(f"at import, {sentence}" for sentence in sentences)
        findings.append(Finding(who, title, "failed" if problem else "ok", problem))
    return findings + _check_components(who, provided, registry, options)


def check_builtins(registry: Registry, options: Mapping[str, Mapping[str, Any]] | None = None) -> list[Finding]:
    """Runs every check on the built-in components. `options` by the component's name.

    Errors: ConfigError where there is no such component in `options`.
    """
    return _check_components("translate itself", {kind: builtins(kind) for kind in KINDS}, registry, options or {})


def _check_components(
    who: str,
    provided: Mapping[ComponentKind, Mapping[str, type[Any]]],
    registry: Registry,
    options: Mapping[str, Mapping[str, Any]],
) -> list[Finding]:
    """Errors: ConfigError for options of a component that is not among them."""
    findings: list[Finding] = []
    parts = [(kind, part, cls) for kind in KINDS for part, cls in sorted(provided[kind].items())]
    if unknown := sorted({*options} - {part for _, part, _ in parts}):
        raise ConfigError(f"{who} provides no {unknown[0]!r}{suggest(unknown[0], [part for _, part, _ in parts])}")
    for kind, part, cls in parts:
        findings += check_component(kind, part, cls, registry, options.get(part, {}))
    return findings


def check_component(
    kind: ComponentKind, name: str, cls: type[Any], registry: Registry, options: Mapping[str, Any]
) -> list[Finding]:
    """Runs the checks of one component; one that cannot be made without options is left to a test of its own."""
    component = f"{singular(kind)} {name}"
    wrong = validate(cls.Config, {**small_options(cls), **options})[1]
    if not options and wrong and all(p.path == () or p.message == "is required" for p in wrong):
        missing = "; ".join(f"{'.'.join(map(str, p.path))} {p.message}".strip() for p in wrong)
        function = ASSERTS.format(singular(kind).replace(" ", "_"))
        required = [p.path[0] for p in wrong if p.path] or ["OPTION"]
        sets = " ".join(f"--set {name}.{option}=VALUE" for option in required)
        advice = f"{missing}: give {sets}, or call {function} in a test"
        return [Finding(component, "has options to start from", "skipped", advice)]
    more = {"registry": registry} if kind in ("methods", "stages") else {}
    return CHECKS[kind](cls, options=options, component=component, **more).findings()


@contextmanager
def importable(path: Path) -> Iterator[list[EntryPoint]]:
    """The plugins at a path that may not be installed: a module file, a package, or a project with `pyproject.toml`.

    Their code can be imported while the context lasts. Errors: ConfigError where there is none.
    """
    root, entries = _entries(path.resolve())
    added = [str(folder) for folder in (root, root / "src") if folder.is_dir()]
    sys.path[:0] = added
    try:
        yield entries
    finally:
        for folder in added:
            sys.path.remove(folder)


def with_plugins(entries: list[EntryPoint]) -> Registry:
    """A registry of what is installed, in which these plugins go before installed ones of their names."""
    mine = {entry.name for entry in entries}
    return Registry([*(e for e in entry_points(group=GROUP) if e.name not in mine), *entries])


def _entries(path: Path) -> tuple[Path, list[EntryPoint]]:
    """The folder that has to be importable, and the plugins below it."""
    project = path / "pyproject.toml" if path.is_dir() else path
    if project.name == "pyproject.toml" and project.is_file():
        try:
            declared = (
                tomllib.loads(project.read_text("utf-8")).get("project", {}).get("entry-points", {}).get(GROUP, {})
            )
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{project}: {error}") from None
        if not declared:
            raise ConfigError(f'{project}: no plugin here; add [project.entry-points.{GROUP}] with NAME = "MODULE"')
        return project.parent, [EntryPoint(name, value, GROUP) for name, value in declared.items()]
    if path.suffix == ".py" and path.is_file():
        path = path.parent if path.name == "__init__.py" else path
    elif not (path / "__init__.py").is_file():
        raise ConfigError(
            f"{path}: no plugin here; give a module file, a package with __init__.py, or a project folder"
        )
    module = path.stem
    return path.parent, [EntryPoint(module.removeprefix("translate_").replace("_", "-"), module, GROUP)]
