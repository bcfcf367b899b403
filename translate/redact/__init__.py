"""Secrets are taken out of everything that is written down or said: records, reports, models, messages.

A secret is known by the name of its option (`password`, `dbPassword`, `api-key`), by its place in a URL, a header or an
assignment, by its shape (tokens of well-known services, private keys), or because the environment holds it under a name
of that kind. One that was once known by its name is masked wherever it turns up afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from translate.redact.below import without_below
from translate.redact.headers import without_headers
from translate.redact.logins import without_logins
from translate.redact.names import is_secret, may_be_ordinary
from translate.redact.places import is_flag, password_of, without_places
from translate.redact.shapes import MASK, without_shapes

__all__ = ["MASK", "is_secret", "masked", "redact", "redacted", "remember"]

SHORTEST = 6
"""Characters of the shortest value that is masked wherever it stands; shorter ones are parts of ordinary words."""
MOST = 1000
"""The most values that are remembered."""
_ORDINARY = frozenset(
    ["password", "secret", "token", "disabled", "enabled", "required", "optional", "anonymous", "default"]
)
"""Values that stand in place of a secret, and in many a sentence."""
_FOLDERS = ("PWD", "OLDPWD")

_remembered: dict[str, None] = {}


def redact(text: str) -> str:
    """The text without secrets: `https://***@host/x?token=***`. Paths, numbers and names stay as they are."""
    return _redact(text, _known())


def _redact(text: str, known: list[str]) -> str:
    for value in known:
        text = text.replace(value, MASK)
    return without_shapes(without_headers(without_logins(without_places(without_below(text)))))


def masked(value: Any, name: str = "") -> Any:
    """A copy of nested values in which secrets are masked, by the names of their keys and inside of texts.

    What is masked by its name is remembered, and taken out of all later texts.
    """
    return redacted(_masked(value, name))


def _masked(value: Any, name: str) -> Any:
    """The same, by the names of keys alone."""
    if value is not None and not isinstance(value, bool) and is_secret(name):
        if may_be_ordinary(name, value):
            return value
        _remember_all(value)
        return MASK
    if isinstance(value, Mapping):
        return {key: _masked(item, str(key)) for key, item in value.items()}
    return [_masked(item, "") for item in value] if isinstance(value, list | tuple) else value


def redacted(value: Any) -> Any:
    """A copy of nested values with secrets taken out of their texts; keys count for nothing, since any may be names."""
    return _redacted(value, _known())


def _redacted(value: Any, known: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _redacted(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        # arguments of a command: what follows `--password` is one
        behind = [False, *(isinstance(item, str) and is_flag(item) for item in value)]
        pairs = zip(value, behind, strict=False)
        return [MASK if flagged and isinstance(item, str) else _redacted(item, known) for item, flagged in pairs]
    return _redact(value, known) if isinstance(value, str) else value


def remember(value: str) -> None:
    """Masks a value in every later text, unless it is too short or too ordinary a word for that."""
    for form in {value, quote(value, safe=""), unquote(value)}:
        if len(form) >= SHORTEST and form.lower() not in _ORDINARY and set(form) != {"*"}:
            if len(_remembered) >= MOST:
                _remembered.pop(next(iter(_remembered)))
            _remembered[form] = None


def _remember_all(value: Any) -> None:
    if isinstance(value, str):
        remember(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            _remember_all(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _remember_all(item)


def _known() -> list[str]:
    """Values that are secret wherever they stand, longest first: one may hold another."""
    found = dict(_remembered)
    for name, value in os.environ.items():
        if is_secret(name) and name not in _FOLDERS:
            secret = value
        elif "://" in value and "@" in value:
            secret = password_of(value)
        else:
            continue
        if len(secret) >= SHORTEST and secret.lower() not in _ORDINARY:
            found[secret] = None
    return sorted(found, key=len, reverse=True)
