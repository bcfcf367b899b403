"""Reads YAML 1.2 as people write it, and remembers the line and column of every key and value.

Core schema: `2e-4` and `1e3` are numbers, `yes`, `no`, `on` and `off` are text. No duplicate keys, anchors, aliases,
tags or second documents; limits on size and depth. Where a file is no YAML, the text is mended, so that the mistakes
behind it show as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from translate.errors import ConfigError
from translate.pipeline.location import Issue, Node, Path, PipelineError, Place
from translate.pipeline.yamlmend import UNREAD, MendedText, TooDeep
from translate.text import suggest

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

_INT = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BYTES = re.compile(r"[\udc80-\udcff]")
_HALF = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_WORDS = {
    **dict.fromkeys(("", "null", "Null", "NULL", "~"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class Text:
    """A pipeline file, as far as it can be read."""

    root: Node
    issues: tuple[Issue, ...] = ()
    """Mistakes behind which its reader went on."""
    unread: frozenset[Path] = frozenset()
    """The paths of values that could not be read. They are left out of the tree."""
    guessed: str = ""
    """The text of which it is a guess what it belongs to: keys that it holds are not missed elsewhere."""


class _Loader(yaml.SafeLoader):
    """Composes nodes. Aliases, anchors and tags are collected as faults on the way; deep nesting ends it."""

    depth = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[tuple[Any, str]] = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self.faults.append((event.start_mark, "anchors (&) and aliases (*) are not allowed; write the value out"))
        if isinstance(event, yaml.AliasEvent):
            alias: Any = self.get_event()  # type: ignore[no-untyped-call]
            return yaml.ScalarNode("", UNREAD, alias.start_mark, alias.end_mark)
        event.anchor = None  # two of a name are no further mistake
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.faults.append((event.start_mark, f"tags are not allowed; leave {tag!r} out"))
        if self.depth >= MAX_DEPTH:
            raise TooDeep(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(file: FilePath) -> Node:
    """The root of a pipeline file, a mapping. Errors: ConfigError where there is no such file, PipelineError else."""
    return _right(read_on(file))


def parse(text: str, file: str) -> Node:
    """The root of a pipeline file given as text. Errors: PipelineError."""
    return _right(parse_on(text, file))


def _right(text: Text) -> Node:
    if text.issues:
        raise PipelineError(text.issues)
    return text.root


def read_on(file: FilePath) -> Text:
    """A pipeline file, whose root is a mapping, with the mistakes behind which its reader went on.

    Errors: ConfigError where there is no such file, PipelineError where nothing can be read of it.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        near = suggest(file.name, [p.name for p in file.parent.glob("*.y*ml")]) if file.parent.is_dir() else ""
        raise ConfigError(f"cannot read {file}: {error.strerror or error}{near}") from None
    issues: list[Issue] = []
    return parse_on(_text(data, str(file), issues), str(file), issues)


def parse_on(text: str, file: str, issues: Iterable[Issue] = ()) -> Text:
    """The same of a file given as text. `issues` is what is known to be wrong with it.

    Errors: PipelineError where nothing can be read of it.
    """
    reader = _Reader(file, list(issues))
    node = reader.read(text)
    place = node.place if node else Place(1, 1, file)
    if node is None or node.value is None:
        reader.issues.append(
            Issue(Place(1, 1, file), (), "the file is empty; a pipeline needs version, name and stages")
        )
    elif not isinstance(node.value, dict):
        reader.issues.append(Issue(place, (), "a pipeline is a mapping (version: 1, name: ..., stages: ...)"))
    if node is None or not isinstance(node.value, dict):
        raise PipelineError(reader.issues)
    return Text(node, tuple(reader.issues), frozenset(reader.unread), reader.text.guessed)


def compose(text: str, file: str) -> Node | None:
    """Any YAML value with its positions; None for nothing at all. Errors: PipelineError."""
    reader = _Reader(file, [])
    node = reader.read(text)
    if reader.issues:
        raise PipelineError(reader.issues)
    return node


class _Reader:
    """Reads the text of one file, mended where it is no YAML, and collects what is wrong with it."""

    def __init__(self, file: str, issues: list[Issue]) -> None:
        self.file, self.issues = file, issues
        self.unread: set[Path] = set()
        self.text = MendedText("")

    def read(self, text: str) -> Node | None:
        """The root; None for nothing at all. Errors: PipelineError where it cannot go on."""
        self.text = MendedText(text)
        try:
            composed = self.text.compose(_composed)
        except yaml.MarkedYAMLError:
            raise PipelineError([*self.issues, *self._faults()]) from None
        self.issues += self._faults()
        if composed is None:
            return None
        node, faults = composed
        self.issues += [Issue(self._place(mark), (), problem) for mark, problem in faults]
        return self._node(node, (), None) if node is not None else None

    def _faults(self) -> list[Issue]:
        return [Issue(Place(line, column, self.file), (), text) for line, column, text in self.text.faults]

    def _place(self, mark: Any) -> Place:
        return Place(mark.line + 1, self.text.column(mark.line, mark.column) + 1, self.file)

    def _node(self, node: yaml.Node, path: Path, key: Place | None) -> Node:
        place = self._place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, path), place, path, key)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for i, item in enumerate(node.value):
                if not self._skipped(item, (*path, i)):
                    items.append(self._node(item, (*path, i), None))
            return Node(items, place, path, key)
        assert isinstance(node, yaml.ScalarNode)
        if not node.style:
            return Node(scalar(node.value), place, path, key)
        text = _whole(node.value)
        if text is None:
            self.issues.append(Issue(place, path, "holds half of a character (a lone surrogate)"))
            self.unread.add(path)
        return Node(text, place, path, key)

    def _skipped(self, node: yaml.Node, path: Path) -> bool:
        """Whether a value holds text that could not be read; its path is noted then."""
        if isinstance(node, yaml.ScalarNode) and UNREAD in node.value:
            self.unread.add(path)
            return True
        return False

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            place = self._place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self.issues.append(Issue(place, path, "a key must be text, not a list or a mapping"))
                continue
            name = _whole(key.value)
            if name is None:
                self.issues.append(Issue(place, path, "a key holds half of a character (a lone surrogate)"))
            elif UNREAD in name:
                continue
            elif not key.style and not isinstance(scalar(name), str):
                message = f"a key must be text; put {name!r} in quotes" if name else "a key is missing before ':'"
                self.issues.append(Issue(place, path, message))
            elif name in entries:
                first = entries[name].key
                text = f"given twice; the first is on line {first.line if first else 0}"
                self.issues.append(Issue(place, (*path, name), text))
            elif not self._skipped(value, (*path, name)):
                entries[name] = self._node(value, (*path, name), place)
        return entries


def _composed(text: str) -> tuple[yaml.Node | None, list[tuple[Any, str]]]:
    """The YAML nodes of a text and the faults in it. Errors: yaml.MarkedYAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_node(), loader.faults
    finally:
        loader.dispose()


def has_bytes(text: str) -> bool:
    """True for a text that names a file by bytes that are no UTF-8, which YAML cannot hold but as escapes."""
    return _BYTES.search(text) is not None


def _text(data: bytes, file: str, issues: list[Issue]) -> str:
    """The text of a file. What is no text is left out or marked, and added to `issues`. Errors: PipelineError."""
    if len(data) > MAX_BYTES:
        raise PipelineError([Issue(Place(1, 1, file), (), f"the file is larger than {MAX_BYTES:,} bytes")])
    if data.startswith(b"\xef\xbb\xbf"):
        message = "starts with a byte order mark; save it as UTF-8 without one"
        issues.append(Issue(Place(1, 1, file), (), message))
        data = data[3:]
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        place = Place(before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1, file)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        issues.append(Issue(place, (), message))
        if b"\0" in data:  # another encoding altogether
            raise PipelineError(issues) from None
        return data.decode(errors="replace").replace("\ufffd", UNREAD)


def _whole(text: str) -> str | None:
    """Joins a character that JSON wrote as two escapes of 16 bits; None where one half is alone.

    Bytes of file names that are no UTF-8 are no halves: `translate init` writes them as `\\udc80` to `\\udcff`.
    """
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return None if _HALF.search(joined) else joined


def scalar(text: str) -> str | int | float | bool | None:
    """A plain (unquoted) scalar by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float((special[1] or "") + "inf") if special[2] else float("nan")
    return text
