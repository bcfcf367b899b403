"""Where the data of a stage comes from: the name and the address under which every run records the same data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.data.sources.cards import load_card
from translate.errors import ConfigError
from translate.storage.pointer import follow
from translate.tracking.journal import Event
from translate.tracking.redact import redact

_SPLITS = ("train", "val", "test")
_PLACES = {"root", "a", "b", "with", "without", "domains", "images", "labels", "path", "folder", "folders", *_SPLITS}
"""The keys of a source's options under which places stand, also those of plugins."""
LOCAL, WEB = "local", "http"
"""How MLflow calls data on a disk (`uri`), and data behind an address of the web (`url`)."""


@dataclass(frozen=True)
class Origin:
    """The `name` of some data, empty where nothing tells it, and its `source`: MLflow's `kind` and an `address`."""

    name: str = ""
    source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origins:
    """The origins of the data that the stages of a pipeline read. `folder` is that of its outputs, `document` the
    resolved pipeline."""

    folder: Path
    document: Mapping[str, Any]

    def of(self, stage: str) -> Origin:
        """The origin of the data that a stage reads, or prepares."""
        preparing = self._preparing(stage, set())
        if preparing is None:
            return Origin()
        source = self._stage(preparing)["with"]["source"]
        prepared = follow(self.folder / preparing) or self.folder / preparing
        return origin_of(source, prepared)

    def _stage(self, name: str) -> dict[str, Any]:
        stage = (self.document.get("stages") or {}).get(name)
        return stage if isinstance(stage, dict) else {}

    def _preparing(self, name: str, seen: set[str]) -> str | None:
        """The stage with a source that is the nearest above, or `name` itself."""
        stage = self._stage(name)
        options = stage.get("with")
        if isinstance(options, dict) and isinstance(options.get("source"), dict):
            return name
        needs = stage.get("needs")
        parents = needs if isinstance(needs, dict) else {}
        first = [parents["data"]] if "data" in parents else []
        for parent in [*first, *parents.values()]:
            if isinstance(parent, str) and parent not in seen and (found := self._preparing(parent, seen | {name})):
                return found
        return None


def origin_of(source: Mapping[str, Any], prepared: Path) -> Origin:
    """The origin of what a source reads, which stands in a pipeline with its options.

    A card has its own name and the address of its archive; folders and files are called by the folder that holds them
    all. What is made, and what no longer lies where the options say, is called by the source, and its address is the
    folder `prepared`.
    """
    uses = str(source.get("uses", ""))
    paths = sorted(set(_paths({key: value for key, value in source.items() if key != "uses"})))
    if uses == "dataset" and isinstance(source.get("name"), str):
        return Origin(source["name"], _local(paths[0]) if paths else _of_card(source["name"], prepared))
    if not paths:
        address = next((text for text in _texts(source) if text.startswith(("http://", "https://"))), "")
        return Origin(uses, {"kind": WEB, "address": redact(address)} if address else _local(prepared))
    common = Path(os.path.commonpath(paths))
    folder = common.parent if common.is_file() else common
    if folder in (Path.cwd().resolve(), folder.parent):  # they have nothing in common but the project, or the disk
        heads = dict.fromkeys(path.relative_to(folder).parts[0] for path in paths if path != folder)
        return Origin("-".join(heads) or folder.name or uses, _local(folder))
    return Origin(folder.name, _local(folder))


def address_of(event: Event, folder: Path) -> tuple[str, str]:
    """The kind of source and its description for MLflow. Events of earlier versions have none: the pipeline's folder
    stands for it."""
    source = event.get("source") or {}
    kind, address = source.get("kind", LOCAL), source.get("address", str(folder))
    return kind, json.dumps({"url" if kind == WEB else "uri": address})


def _of_card(name: str, prepared: Path) -> Mapping[str, str]:
    try:
        card = load_card(name)
    except ConfigError:
        return _local(prepared)
    return {"kind": WEB, "address": redact(card.archive.url if card.archive else card.homepage)}


def _local(path: Path) -> Mapping[str, str]:
    return {"kind": LOCAL, "address": str(path)}


def _paths(value: Any, key: str = "") -> Iterator[Path]:
    """The folders and files that the options of a source name and that are there: texts under the keys of places, and
    others that have a separator (`photos/train`, and not the name of a column)."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _paths(item, key if key in _PLACES else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _paths(item, key)
    elif isinstance(value, str) and (key in _PLACES or "/" in value or os.sep in value):
        path = Path(value).parent if "*" in Path(value).name else Path(value)
        with suppress(OSError, ValueError):  # too long a name, or a zero byte in it
            if path.exists():
                yield Path(os.path.realpath(path))


def _texts(value: Any) -> Iterator[str]:
    """All texts among the options of a source."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
