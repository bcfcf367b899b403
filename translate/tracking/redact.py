"""Values as records take them: one level of text, without secrets and without bytes that are no UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from translate.redact import MASK, is_secret, masked, redact, redacted
from translate.text import legible

__all__ = ["MASK", "flatten", "is_secret", "legible_values", "masked", "redact", "redacted"]


def legible_values(value: Any) -> Any:
    """A copy of nested values whose texts any server takes: names that are bytes and no UTF-8 are escaped."""
    if isinstance(value, Mapping):
        return {legible_values(key): legible_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [legible_values(item) for item in value]
    return legible(value) if isinstance(value, str) else value


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values as one level of text, `optimizer.lr: 0.0002`, without secrets.

    Lists of plain values stay one entry, lists of mappings are counted: `augment.0.uses`. Empty ones are left out.
    """
    return dict(_leaves("", masked(values)))


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(f"{prefix}.{index}", item)
    elif isinstance(value, list):
        yield prefix, ", ".join(map(str, value))
    else:
        yield prefix, str(value)
