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

Unread = frozenset[tuple[str, tuple[str | int, ...]]]

MAX_FILES = 8
"""The longest chain of files."""


@dataclass(frozen=True)
class Document:
    """The tree of a pipeline before a profile and `--set` change it. Every value knows the file in which it stands."""

    name: str
    """Its name in messages: the path of the file."""
    root: Node
    issues: tuple[Issue, ...] = ()
    """Mistakes that showed when files were read and put together."""
    unread: Unread = frozenset()
    """Values that could not be read, by file and path: nothing can be said of them."""
    whole: bool = True
    """Whether all files that it extends could be read; else what is not there is not missed."""
    guessed: str = ""
    """The text of which it is a guess what it belongs to: `yamlfile.Text.guessed`."""


def read(source: Path | Mapping[str, Any]) -> Document:
    """Reads a pipeline file, or a mapping of the same form, and the files that it extends; the later one wins, null
    takes a key or a stage out. A mapping extends files by their paths relative to the working directory.

    Mistakes behind which it can go on are the document's `issues`. Errors: ConfigError where there is no such file;
    PipelineError where nothing of it can be read.
    """
    file = source if isinstance(source, Path) else Path(mapping.NAME)
    text = yamlfile.read_on(source) if isinstance(source, Path) else mapping.tree(source)
    chain = _Chain(file, text)
    chain.follow()
    trees, issues = chain.trees, chain.issues
    root = trees.pop()
    while trees:
        root = overlay.extend(root, trees.pop(), issues)
    entries = {key: node for key, node in root.children().items() if key != "extends"}
    root = Node(entries, root.place, root.path, root.key)
    return Document(str(file), root, tuple(issues), frozenset(chain.unread), chain.whole, chain.guessed)


class _Chain:
    """The trees of a file, of the one that it extends, and so on, with the mistakes in all of them."""

    def __init__(self, file: Path, text: yamlfile.Text) -> None:
        self.files: list[Path] = []
        self.trees: list[Node] = []
        self.issues: list[Issue] = []
        self.unread: set[tuple[str, tuple[str | int, ...]]] = set()
        self.guessed = ""
        self.whole = True
        self._add(file, text)

    def _add(self, file: Path, text: yamlfile.Text) -> None:
        self.files.append(file)
        self.trees.append(text.root)
        self.issues += text.issues
        self.guessed += text.guessed
        self.unread |= {(str(file), path) for path in text.unread}

    def follow(self) -> None:
        while entry := self.trees[-1].step("extends"):
            try:
                base = _base(self.files, entry)
                self._add(base, yamlfile.read_on(base))
            except PipelineError as error:
                self.issues += error.issues
                self.whole = False
                return
            except ConfigError as error:
                self.issues.append(entry.issue((), str(error)))
                self.whole = False
                return


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
