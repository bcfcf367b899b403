"""A pipeline as it is written: one file, or a chain of files of which each extends the next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translate.errors import ConfigError
from translate.pipeline import mapping, overlay, yamlfile
from translate.pipeline.location import Issue, Node, PipelineError
from translate.plugins.options import show

MAX_FILES = 8
"""The longest chain of files."""


@dataclass(frozen=True)
class Document:
    """The tree of a pipeline before a profile and `--set` change it. Every value knows the file in which it stands."""

    name: str
    """Its name in messages: the path of the file."""
    root: Node
    issues: tuple[Issue, ...] = ()
    """Mistakes that showed when files were put together."""


def read(source: Path | Mapping[str, Any]) -> Document:
    """Reads a pipeline file, or a mapping of the same form, and the files that it extends; the later one wins, null
    takes a key or a stage out. A mapping extends files by their paths relative to the working directory.

    Errors: ConfigError where there is no such file; PipelineError for YAML mistakes in any of the files, for a chain of
    files that has no end, and for what a mapping holds that no file can.
    """
    file = source if isinstance(source, Path) else Path(mapping.NAME)
    trees = _chain(file, yamlfile.read(source) if isinstance(source, Path) else mapping.tree(source))
    root = trees.pop()
    issues: list[Issue] = []
    while trees:
        root = overlay.extend(root, trees.pop(), issues)
    entries = {key: node for key, node in root.children().items() if key != "extends"}
    return Document(str(file), Node(entries, root.place, root.path, root.key), tuple(issues))


def _chain(file: Path, root: Node) -> list[Node]:
    """The trees of a file, whose tree is `root`, of the one that it extends, and so on."""
    files, trees = [file], [root]
    while entry := trees[-1].step("extends"):
        base = _base(files, entry)
        try:
            trees.append(yamlfile.read(base))
        except PipelineError:
            raise
        except ConfigError as error:
            raise _error(entry, str(error)) from None
        files.append(base)
    return trees


def _base(files: list[Path], entry: Node) -> Path:
    """The file that the last of `files` extends. Errors: PipelineError."""
    if not isinstance(entry.value, str) or not entry.value or "\0" in entry.value:
        raise _error(entry, f"must be the path of a pipeline file, relative to this one, not {show(entry.plain())}")
    base = files[-1].parent / entry.value
    real = [os.path.realpath(file) for file in files]  # Path.resolve raises where links form a circle
    if os.path.realpath(base) in real:
        circle = [*files[real.index(os.path.realpath(base)) :], base]
        raise _error(entry, f"the files extend each other in a circle: {' -> '.join(map(str, circle))}")
    if len(files) == MAX_FILES:
        raise _error(entry, f"a chain of more than {MAX_FILES} files that extend each other; put some of them together")
    return base


def _error(entry: Node, message: str) -> PipelineError:
    return PipelineError([entry.issue((), message)])
