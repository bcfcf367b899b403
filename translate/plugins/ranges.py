"""The range of an option in words, from the limits that its annotation states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

_WORDS: tuple[tuple[type[Any], str, str], ...] = (
    (annotated_types.Ge, "ge", "at least {}"),
    (annotated_types.Gt, "gt", "above {}"),
    (annotated_types.Le, "le", "at most {}"),
    (annotated_types.Lt, "lt", "below {}"),
    (annotated_types.MultipleOf, "multiple_of", "a multiple of {}"),
    (annotated_types.MinLen, "min_length", "{} or more of them"),
    (annotated_types.MaxLen, "max_length", "at most {} of them"),
)


def range_of(field: FieldInfo) -> str:
    """`at least 1, at most 8`, also for the items of a list; empty where every value of the type is allowed."""
    limits = [*_limits(field.metadata), *_limits_inside(field.annotation)]
    return ", ".join(dict.fromkeys(limits))


def _limits_inside(annotation: Any) -> Iterator[str]:
    """The limits of what a union, a list or a mapping holds."""
    if get_origin(annotation) is Annotated:
        yield from _limits(annotation.__metadata__)
    for part in get_args(annotation):
        yield from _limits_inside(part)


def _limits(metadata: Iterable[Any]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _limits(item.metadata)
        for kind, attribute, words in _WORDS:
            if isinstance(item, kind):
                yield words.format(_plain(getattr(item, attribute)))
        pattern = getattr(item, "pattern", None)
        if pattern is not None:
            yield f"like `{pattern}`"


def _plain(limit: Any) -> Any:
    """A limit as it is written: `0`, not `0.0`."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit
