"""A pipeline that Python holds as a mapping, as the tree that a file is read into."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from translate.pipeline.location import Issue, Node, Path, Place, Value
from translate.pipeline.yamlfile import MAX_DEPTH, Text

NAME = "mapping"
"""The name of such a pipeline in messages, in the place of a file's."""

_PLACE = Place(0, 0, NAME)


def tree(mapping: Mapping[str, Any]) -> Text:
    """The tree of a pipeline: mappings with text as keys, lists, tuples, text, paths, numbers, true, false and None.

    Everything else is an issue that names its dotted path.
    """
    issues: list[Issue] = []
    root = _node(mapping, (), issues)
    return Text(root, tuple(issues), frozenset(issue.path for issue in issues))


def _node(value: Any, path: Path, issues: list[Issue]) -> Node:
    return Node(_value(value, path, issues), _PLACE, path, _PLACE)


def _value(value: Any, path: Path, issues: list[Issue]) -> Value:
    if len(path) >= MAX_DEPTH:  # a mapping may hold itself
        issues.append(Issue(_PLACE, path[:3], f"nested deeper than {MAX_DEPTH} levels"))
        return None
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):  # numbers of numpy are some, too
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, PathLike):
        return str(fspath(value))
    if isinstance(value, list | tuple):
        return [_node(item, (*path, position), issues) for position, item in enumerate(value)]
    if not isinstance(value, Mapping):
        issues.append(Issue(_PLACE, path, f"is a {type(value).__name__}, {_ADVICE}"))
        return None
    entries = {}
    for key, item in value.items():
        if isinstance(key, str):
            entries[key] = _node(item, (*path, key), issues)
        else:
            issues.append(Issue(_PLACE, (*path, str(key)), f"a key is text, not {key!r}"))
    return entries


_ADVICE = (
    "and a pipeline holds mappings, lists, text, numbers, True, False and None; "
    "`translate.train` takes objects of one's own, such as networks"
)
