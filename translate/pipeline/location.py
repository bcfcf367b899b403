"""Where things stand in a pipeline file, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from translate.errors import ConfigError

Path = tuple[str | int, ...]
Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"


@dataclass(frozen=True, order=True)
class Place:
    """A line and a column (both from 1) of a file; or, with `line` 0, an option of the command line such as `--set`."""

    line: int
    column: int
    file: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def order(self) -> tuple[bool, str, Place]:
        """Sorts files before the command line, each file by itself."""
        return (not self.line, self.file, self)


@dataclass(frozen=True)
class Node:
    """A value of a pipeline file: where it stands, where its key stands, and its path there."""

    value: Value
    place: Place
    path: Path = ()
    key: Place | None = None
    key_path: Path | None = None
    """The path of the key, where the value stands elsewhere: below `matrix`, one of several."""

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def children(self) -> Mapping[str, Node]:
        """The entries of a mapping; empty for everything else."""
        return self.value if isinstance(self.value, dict) else {}

    def step(self, part: str | int) -> Node | None:
        """The entry or item named `part`, None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(part) if isinstance(part, str) else None
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None

    def issue(self, path: Path, message: str, *, at_key: bool = False) -> Issue:
        """An issue at `path` below this node; where that does not exist, at the key of the nearest thing that does."""
        node, rest = self, path
        while rest and (child := node.step(rest[0])):
            node, rest = child, rest[1:]
        place = node.key if node.key and (at_key or rest or node.value is None) else node.place
        if at_key and not rest and node.key_path is not None:
            return Issue(place, node.key_path, message)
        return Issue(place, (*node.path, *rest), message)


@dataclass(frozen=True)
class Issue:
    """One mistake: `file:line:column: path: message`, or `--set path: message`."""

    place: Place
    path: Path
    message: str

    def __str__(self) -> str:
        path = ".".join(map(str, self.path))
        if not self.place.line:
            return f"{self.place} {path}: {self.message}"
        return f"{self.place}: {path}: {self.message}" if path else f"{self.place}: {self.message}"


class PipelineError(ConfigError):
    """A pipeline file with mistakes: all of them, one line each, by file and in the order in which they stand there."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = sorted(set(issues), key=lambda issue: (issue.place.order, str(issue)))
        super().__init__("\n".join(map(str, self.issues)))
