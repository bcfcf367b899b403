"""Fingerprints: everything that decides the result of a stage, as data that can say what changed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translate.contracts import ComponentKind
from translate.pipeline.checking.facts import Checked
from translate.plugins import Registry, used
from translate.redact import masked
from translate.storage.atomic import digest, sha256_file, write_json
from translate.storage.folders import walk

RACY_NS = 2_000_000_000
"""A file changed this recently could change again within the same tick of its clock: it is not remembered."""

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One difference between two recipes: its key (`with.optimizer.lr`, `seed`, `parents.data`) and how to say it."""

    key: str
    text: str


class StatCache:
    """Hashes of files, kept by (size, mtime, ctime, inode), so that files which were not touched are not read again.

    A file that takes the place of another of the same size and time (`cp -p`, `rsync`) has another ctime.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, list[Any]] | None = None
        self._changed = False

    def sha256(self, path: Path) -> str:
        """The hash of a file's content. Errors: OSError."""
        entries = self._load()
        stat = path.stat()
        key = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        name = os.path.abspath(path)  # noqa: PTH100 (links stay as they are named)
        entry = entries.get(name)
        if entry and entry[:-1] == key:
            return str(entry[-1])
        value = sha256_file(path)
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > RACY_NS:
            entries[name] = [*key, value]
            self._changed = True
        return value

    def listing(self, path: Path) -> dict[str, str]:
        """Relative path -> hash for a folder, `.` -> hash for a file; empty where there is nothing.

        Links to folders are followed, as they are by those who read the files; what is hidden, left by a system, or
        written by pipelines does not count. What is no file, or a link to none, has an empty hash. Errors: DataError,
        OSError.
        """
        if path.is_dir():
            files = sorted((file.relative_to(path).as_posix(), file) for file in walk(path))
            return {name: self.sha256(file) if file.is_file() else "" for name, file in files}
        return {".": self.sha256(path)} if path.exists() else {}

    def save(self) -> None:
        """Keeps what was learnt, where that can be written: it only saves time."""
        if self._changed:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_json(self._path, self._entries)
            self._changed = False

    def _load(self) -> dict[str, list[Any]]:
        if self._entries is None:
            try:
                self._entries = json.loads(self._path.read_bytes())
            except (OSError, ValueError):
                self._entries = {}
        assert self._entries is not None
        return self._entries


def recipe(checked: Checked, registry: Registry) -> dict[str, Any]:
    """All that is known before anything ran: kind, options but the neutral ones, seed, and who provides the code.

    Secrets are masked: a recipe is written beside its result, and a password that is changed does not change results.
    """
    options = {key: value for key, value in checked.options.items() if key not in checked.kind.neutral}
    providers = {}
    for kind, name in sorted({*_components(checked, registry)}):
        provider = registry.provider(kind, name)
        providers[f"{kind}/{name}"] = {key: provider[key] for key in ("distribution", "version", "revision")}
    return {"uses": checked.uses, "with": masked(options), "seed": checked.seed, "providers": providers}


def complete(
    static: Mapping[str, Any], listings: Mapping[str, Mapping[str, str]], parents: Mapping[str, str]
) -> dict[str, Any]:
    """The whole recipe: what is known before, the content of external inputs, and the parents' outputs by need."""
    return {**static, "inputs": {path: digest(files) for path, files in listings.items()}, "parents": dict(parents)}


def output(manifest: Mapping[str, Any]) -> str:
    """The hash of what a stage left: its files and facts."""
    files = {path: entry["sha256"] for path, entry in manifest["files"].items()}
    return digest({"files": files, "facts": manifest["facts"]})


def code(static: Mapping[str, Any], registry: Registry) -> dict[str, str]:
    """Package -> hash of its source, for the plugins behind a recipe (the engine's own code goes by its version)."""
    hashes = {}
    for name in static["providers"]:
        kind, _, component = name.partition("/")
        provider = registry.provider(kind, component)
        package = provider["module"].partition(".")[0]
        # the engine's own code, and what it adapts of libraries, goes by versions
        if package != "translate" and (sources := package_sources(package)):
            hashes[package] = digest([sha256_file(source) for source in sources])
    return hashes


def package_sources(package: str) -> list[Path]:
    """The source files of an imported package or module, sorted; empty where it has none."""
    file = getattr(sys.modules.get(package), "__file__", None)
    if not file:
        return []
    path = Path(file)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def plugin_sources(registry: Registry) -> list[Path]:
    """The source files of all plugins that were loaded."""
    packages = {plugin.module.__name__.partition(".")[0] for plugin in registry.loaded().values()}
    sources: list[Path] = []
    for package in sorted(packages):
        sources += package_sources(package)
    return sources


def changes(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    needs: Mapping[str, str],
    old_listings: Mapping[str, Mapping[str, str]],
    new_listings: Mapping[str, Mapping[str, str]],
) -> list[Change]:
    """The differences between two recipes, options first. `needs` names the stage behind each parent."""
    differences = []
    if old["uses"] != new["uses"]:
        differences.append(Change("uses", f"uses {old['uses']} -> {new['uses']}"))
    before, after = dict(_flat(old["with"], "with")), dict(_flat(new["with"], "with"))
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if was != now:
            differences.append(Change(key, f"{key} {_show(was)} -> {_show(now)}"))
    if old["seed"] != new["seed"]:
        differences.append(Change("seed", f"seed {old['seed']} -> {new['seed']}"))
    differences += dict.fromkeys(_providers(old["providers"], new["providers"]))
    if "inputs" in new:
        for path in dict.fromkeys([*old["inputs"], *new["inputs"]]):
            if old["inputs"].get(path) != new["inputs"].get(path):
                text = _files(path, old_listings.get(path, {}), new_listings.get(path, {}))
                differences.append(Change(f"inputs.{path}", text))
        for need in dict.fromkeys([*old["parents"], *new["parents"]]):
            if old["parents"].get(need) != new["parents"].get(need):
                verb = "is now used" if need not in old["parents"] else "is no longer used"
                text = (
                    f"{needs[need]}'s output changed" if need in old["parents"] and need in needs else f"{need} {verb}"
                )
                differences.append(Change(f"parents.{need}", text))
    return differences


def _components(checked: Checked, registry: Registry) -> Iterator[tuple[ComponentKind, str]]:
    yield "stages", checked.uses
    yield from checked.stage.uses()
    waiting = list(used(checked.stage.config))
    while waiting:
        use = waiting.pop()
        yield use.kind, use.uses
        waiting += used(registry.config(use.kind, use.uses, use.options))


def _providers(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[Change]:
    for name in old.keys() & new.keys():
        was, now = old[name], new[name]
        if was["distribution"] != now["distribution"]:
            yield Change("providers", f"{name} from {was['distribution']} -> {now['distribution']}")
        elif was["version"] != now["version"]:
            yield Change("providers", f"{now['distribution']} {was['version']} -> {now['version']}")
        if was["revision"] != now["revision"]:
            yield Change("providers", f"{name} revision {was['revision']} -> {now['revision']}")
    for name in sorted(old.keys() ^ new.keys()):
        yield Change("providers", f"{name} is {'now' if name in new else 'no longer'} used")


def _files(path: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    differing = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    if not differing or differing == ["."]:
        return f"input {path} changed"
    first = differing[0]
    verb = "changed"
    if first not in old:
        verb = "is new"
    elif first not in new:
        verb = "is gone"
    more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
    return f"input {Path(path, first).as_posix()} {verb}{more}"


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}")
    elif isinstance(value, list | tuple) and value:
        for i, item in enumerate(value):
            yield from _flat(item, f"{path}.{i}")
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _show(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}..."
