"""Secrets are taken out of params, tags and texts before these reach a journal or a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from translate.text import legible

MASK = "***"

_WORDS = (
    r"password|passwd|passphrase|token|secret|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization"
)
_NAME = re.compile(rf"(?:^|[._/\s-])(?:\w+_)?(?:{_WORDS})$", re.IGNORECASE)
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_QUERY = re.compile(rf"([?&](?:[\w-]*(?:{_WORDS}|signature)|key|sig|auth)=)[^&\s#\"']+", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a key such as `source.password` or `api_key` names a secret (`num_tokens` and `keys` do not)."""
    return _NAME.search(name) is not None


def redact(text: str) -> str:
    """The text without the user name and password of URLs and without secret query parameters."""
    return _QUERY.sub(rf"\g<1>{MASK}", _USERINFO.sub(rf"\g<1>{MASK}@", text))


def masked(value: Any, name: str = "") -> Any:
    """A copy of nested values in which secrets are masked, by the names of their keys and inside URLs."""
    if is_secret(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return redact(value) if isinstance(value, str) else value


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
