"""`translate plugins new`: a package that works at once, to be changed line by line into what its author wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from translate.contracts import ComponentKind
from translate.errors import ConfigError
from translate.plugins.registry import Registry
from translate.storage.atomic import write_text
from translate.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
"""A folder per kind, where the plugin is called `my-plugin` and its class `MyPlugin`, and what all kinds share."""

KINDS: Mapping[str, ComponentKind] = {
    "method": "methods",
    "network": "networks",
    "loss": "losses",
    "metric": "metrics",
    "source": "sources",
}
"""The kinds of component that a new plugin can provide."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def scaffold(name: str, kind: str, folder: Path | None, registry: Registry) -> list[Path]:
    """Writes the package of a plugin that provides one component of its own name; `kind` is one of `KINDS`.

    Default folder: `translate-NAME`. The files, pyproject.toml first. Errors: ConfigError for a name that cannot be or
    is taken, and for a folder that holds something.
    """
    if not _NAME.fullmatch(name) or len(name) > 40 or name.startswith("translate"):
        wanted = "lower-case letters, digits and '-', such as 'soft-edges' (the package becomes translate-soft-edges)"
        raise ConfigError(f"{name!r} cannot name a plugin: {wanted}")
    for plugin in registry.plugins():
        if plugin.name == name:
            raise ConfigError(f"there is a plugin {name!r} already, of {plugin.distribution} {plugin.version}")
    if name in registry.names(KINDS[kind]):
        raise ConfigError(f"there is a built-in {kind} {name!r}, which would go first; take another name")
    folder = folder or Path(f"translate-{name}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already; remove it, or give another --output")
    under = name.replace("-", "_")
    words = {
        "my-plugin": name,
        "my_plugin": under,
        "MyPlugin": "".join(part.capitalize() for part in name.split("-")),
        "KIND": kind,
        "ENGINE": __version__,
    }
    places = {
        "pyproject.toml": TEMPLATES / "pyproject.toml",
        "README.md": TEMPLATES / "README.md",
        f"translate_{under}.py": TEMPLATES / kind / "module.py",
        f"tests/test_{under}.py": TEMPLATES / kind / "test.py",
        f"pipelines/{under}.yaml": TEMPLATES / kind / "pipeline.yaml",
    }
    for place, template in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / place, _filled(template.read_text("utf-8"), words))
    return [folder / place for place in places]


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub("|".join(words), lambda match: words[match[0]], text)
