"""Reads YAML 1.2 as people write it, and remembers the line and column of every key and value.

Core schema: `2e-4` and `1e3` are numbers, `yes`, `no`, `on` and `off` are text. No duplicate keys, anchors, aliases,
tags or second documents; limits on size and depth.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import Reader

from translate.errors import ConfigError
from translate.pipeline.location import Issue, Node, PipelineError, Place
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

_SYNTAX = {
    "mapping values are not allowed here": "unexpected ':'; check the indentation, or put the text in quotes",
    "could not find expected ':'": "expected 'key: value'",
    "found unexpected end of stream": "the text or bracket that starts here is never closed",
    "but found another document": "a second document ('---') starts here; a pipeline is one document",
    "expected '<document start>'": "unexpected text after the end of the pipeline",
    "expected ',' or ']'": "expected ',' or ']' in the list that starts on line {start}",
    "expected ',' or '}'": "expected ',' or '}}' in the mapping that starts on line {start}",
    "expected <block end>": "this does not line up with the lines above it; check the indentation",
    "found character '\\t'": "a tab cannot be used here; indent with spaces",
    "found character": "a value cannot start with {character!r}; put it in quotes",
}


class _Fault(yaml.MarkedYAMLError):
    """Something that YAML allows and a pipeline file does not."""


class _Loader(yaml.SafeLoader):
    """Composes nodes, refusing aliases, anchors, tags and deep nesting on the way."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _Fault(
                problem="anchors (&) and aliases (*) are not allowed; write the value out",
                problem_mark=event.start_mark,
            )
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Fault(problem=f"tags are not allowed; leave {tag!r} out", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise _Fault(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(file: Path) -> Node:
    """The root of a pipeline file, a mapping. Errors: ConfigError where there is no such file, PipelineError else."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        near = suggest(file.name, [p.name for p in file.parent.glob("*.y*ml")]) if file.parent.is_dir() else ""
        raise ConfigError(f"cannot read {file}: {error.strerror or error}{near}") from None
    return parse(_text(data, str(file)), str(file))


def parse(text: str, file: str) -> Node:
    """The root of a pipeline file given as text. Errors: PipelineError."""
    node = compose(text, file)
    if node is None or node.value is None:
        raise PipelineError(
            [Issue(Place(1, 1, file), (), "the file is empty; a pipeline needs version, name and stages")]
        )
    if not isinstance(node.value, dict):
        raise PipelineError([Issue(node.place, (), "a pipeline is a mapping (version: 1, name: ..., stages: ...)")])
    return node


def compose(text: str, file: str) -> Node | None:
    """Any YAML value with its positions; None for nothing at all. Errors: PipelineError."""
    if bad := Reader.NON_PRINTABLE.search(text):
        place = _place_of(text[: bad.start()], file)
        raise PipelineError([Issue(place, (), f"the character {bad.group()!a} is not allowed in YAML")])
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise PipelineError([_syntax(error, file, text)]) from None
    finally:
        loader.dispose()
    if node is None:
        return None
    issues: list[Issue] = []
    root = _node(node, file, (), None, issues)
    if issues:
        raise PipelineError(issues)
    return root


def has_bytes(text: str) -> bool:
    """True for a text that names a file by bytes that are no UTF-8, which YAML cannot hold but as escapes."""
    return _BYTES.search(text) is not None


def _text(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise PipelineError([Issue(Place(1, 1, file), (), f"the file is larger than {MAX_BYTES:,} bytes")])
    if data.startswith(b"\xef\xbb\xbf"):
        raise PipelineError(
            [Issue(Place(1, 1, file), (), "starts with a byte order mark; save it as UTF-8 without one")]
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = _place_of(data[: error.start].decode(), file)
        raise PipelineError(
            [Issue(place, (), f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")]
        ) from None


def _place_of(before: str, file: str) -> Place:
    return Place(before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1, file)


def _place(mark: Any, file: str) -> Place:
    return Place(mark.line + 1, mark.column + 1, file)


def _syntax(error: yaml.MarkedYAMLError, file: str, text: str) -> Issue:
    problem, mark, start = error.problem or "", error.problem_mark, error.context_mark
    if isinstance(error, _Fault):
        return Issue(_place(mark, file), (), problem)
    if start and ("end of stream" in problem or problem.startswith("could not find")):
        mark = start
    assert mark is not None
    character = text[mark.index : mark.index + 1]
    for beginning, message in _SYNTAX.items():
        if problem.startswith(beginning):
            line = start.line + 1 if start else mark.line + 1
            return Issue(_place(mark, file), (), message.format(start=line, character=character))
    return Issue(_place(mark, file), (), f"not valid YAML: {problem}")


def _node(node: yaml.Node, file: str, path: tuple[str | int, ...], key: Place | None, issues: list[Issue]) -> Node:
    place = _place(node.start_mark, file)
    if isinstance(node, yaml.MappingNode):
        return Node(_mapping(node, file, path, issues), place, path, key)
    if isinstance(node, yaml.SequenceNode):
        items = [_node(item, file, (*path, i), None, issues) for i, item in enumerate(node.value)]
        return Node(items, place, path, key)
    assert isinstance(node, yaml.ScalarNode)
    if not node.style:
        return Node(scalar(node.value), place, path, key)
    text = _whole(node.value)
    if text is None:
        issues.append(Issue(place, path, "holds half of a character (a lone surrogate)"))
    return Node(text, place, path, key)


def _whole(text: str) -> str | None:
    """Joins a character that JSON wrote as two escapes of 16 bits; None where one half is alone.

    Bytes of file names that are no UTF-8 are no halves: `translate init` writes them as `\\udc80` to `\\udcff`.
    """
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return None if _HALF.search(joined) else joined


def _mapping(node: yaml.MappingNode, file: str, path: tuple[str | int, ...], issues: list[Issue]) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key, value in node.value:
        place = _place(key.start_mark, file)
        if not isinstance(key, yaml.ScalarNode):
            issues.append(Issue(place, path, "a key must be text, not a list or a mapping"))
            continue
        name = _whole(key.value)
        if name is None:
            issues.append(Issue(place, path, "a key holds half of a character (a lone surrogate)"))
        elif not key.style and not isinstance(scalar(name), str):
            issues.append(
                Issue(
                    place,
                    path,
                    f"a key must be text; put {name!r} in quotes" if name else "a key is missing before ':'",
                )
            )
        elif name in entries:
            first = entries[name].key
            issues.append(
                Issue(place, (*path, name), f"given twice; the first is on line {first.line if first else 0}")
            )
        else:
            entries[name] = _node(value, file, (*path, name), place, issues)
    return entries


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
