"""`translate plugins new`: a package that works at once, to be changed line by line into what its author wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from translate.contracts import ComponentKind
from translate.errors import ConfigError
from translate.plugins.registry import Registry, singular
from translate.storage.atomic import write_text
from translate.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
"""A folder per kind, where the plugin is called `my-plugin` and its class `MyPlugin`, and what all kinds share."""


@dataclass(frozen=True)
class Kind:
    """One kind of plugin that can be begun; its templates lie in the folder of its name."""

    provides: ComponentKind | None
    """The list in which its component stands; None for commands, and for what listens to events."""
    words: str
    """It as a person would call it, in the README of the new package."""


KINDS: Mapping[str, Kind] = {
    "method": Kind("methods", "method"),
    "stochastic-method": Kind("methods", "stochastic method"),
    "multi-domain-method": Kind("methods", "method of many domains"),
    "network": Kind("networks", "network"),
    "loss": Kind("losses", "loss"),
    "objective": Kind("objectives", "objective"),
    "optimizer": Kind("optimizers", "optimizer"),
    "schedule": Kind("schedules", "schedule"),
    "metric": Kind("metrics", "metric"),
    "metric-with-weights": Kind("metrics", "metric with weights"),
    "source": Kind("sources", "source"),
    "transform": Kind("transforms", "transform"),
    "device-transform": Kind("device_transforms", "transform on the device"),
    "stage": Kind("stages", "stage"),
    "listener": Kind(None, "listener"),
    "format": Kind("formats", "image format"),
    "exporter": Kind("exporters", "exporter"),
    "command": Kind(None, "command"),
}
"""The kinds of plugin that can be begun."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_USUAL = ("module.py", "test.py", "pipeline.yaml", "README.md", "pyproject.toml")
"""Templates that have a place of their own; all others lie beside the module."""


def scaffold(name: str, kind: str, folder: Path | None, registry: Registry) -> list[Path]:
    """Writes the package of a plugin that provides one component of its own name; `kind` is one of `KINDS`.

    Default folder: `translate-NAME`. The files, pyproject.toml first. Errors: ConfigError for a name that cannot be or
    is taken, and for a folder that holds something.
    """
    _check_name(name, KINDS[kind], registry)
    folder = folder or Path(f"translate-{name}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already; remove it, or give another --output")
    under = name.replace("-", "_")
    places = _places(TEMPLATES / kind, f"translate_{under}", under)
    words = {
        "my-plugin": name,
        "my_plugin": under,
        "MY_PLUGIN": under.upper(),
        "MyPlugin": "".join(part.capitalize() for part in name.split("-")),
        "KIND": KINDS[kind].words,
        "ENGINE": __version__,
        "WHOLE": next(place for place in places if place.startswith("translate_")).removesuffix("/__init__.py"),
    }
    for place, templates in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if templates[0].suffix == ".safetensors":
            (folder / place).write_bytes(templates[0].read_bytes())
        else:
            text = "\n".join(template.read_text("utf-8") for template in templates)
            write_text(folder / place, _filled(text, words))
    return [folder / place for place in places]


def _check_name(name: str, kind: Kind, registry: Registry) -> None:
    """Errors: ConfigError for a name that cannot be or is taken."""
    if not _NAME.fullmatch(name) or len(name) > 40 or name.startswith("translate"):
        wanted = "lower-case letters, digits and '-', such as 'soft-edges' (the package becomes translate-soft-edges)"
        raise ConfigError(f"{name!r} cannot name a plugin: {wanted}")
    for plugin in registry.plugins():
        if plugin.name == name:
            raise ConfigError(f"there is a plugin {name!r} already, of {plugin.distribution} {plugin.version}")
    if kind.provides and name in registry.names(kind.provides):
        raise ConfigError(
            f"there is a built-in {singular(kind.provides)} {name!r}, which would go first; take another name"
        )


def _places(templates: Path, package: str, under: str) -> dict[str, tuple[Path, ...]]:
    """The files of a package with the templates that they consist of. A module with files beside it is a folder."""
    beside = [file for file in sorted(templates.iterdir()) if file.name not in _USUAL and file.is_file()]
    module = f"{package}/__init__.py" if beside else f"{package}.py"
    common: dict[str, tuple[Path, ...]] = {}
    for name in ("pyproject.toml", "README.md"):
        further = templates / name
        common[name] = (TEMPLATES / name, further) if further.is_file() else (TEMPLATES / name,)
    return {
        **common,
        module: (templates / "module.py",),
        **{f"{package}/{file.name}": (file,) for file in beside},
        f"tests/test_{under}.py": (templates / "test.py",),
        f"pipelines/{under}.yaml": (templates / "pipeline.yaml",),
    }


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub("|".join(words), lambda match: words[match[0]], text)
