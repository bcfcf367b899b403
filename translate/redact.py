"""Secrets are taken out of everything that is written down or said: records, reports, models, messages.

A secret is known by the name of its option (`password`, `dbPassword`, `api-key`), by its place in a URL, a header or an
assignment, by its shape (tokens of well-known services, private keys), or because the environment holds it under a name
of that kind. One that was once known by its name is masked wherever it turns up afterwards.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
SHORTEST = 6
"""Characters of the shortest value that is masked wherever it stands; shorter ones are parts of ordinary words."""
MOST = 1000
"""The most values that are remembered."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAST = _words(
    "password passwd passphrase passcode pwd pw token secret secrets passwords credential "
    "credentials authorization auth cookie jwt apikey authtoken accesskey secretkey privatekey"
)
"""The last word of the name of a secret."""
_BEFORE_KEY = _words(
    "api access private secret account shared encryption signing signature master ssh auth subscription"
)
"""Words that make a `key` behind them a secret."""
_BEFORE_PASS = _words("user db database smtp mail imap ftp admin root login proxy http https")
"""Words that make a `pass` behind them a secret; a filter has a `low_pass`."""
_ORDINARY = _words("password secret token disabled enabled required optional anonymous default")
"""Values that stand in place of a secret, and in many a sentence."""
_FOLDERS = _words("PWD OLDPWD")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMES = (
    r"(?:[\w.-]*[_.-])?(?:password|passwd|passphrase|passcode|pwd|pass|token|secrets?|credentials?|jwt|cookie|"
    r"(?:api|access|private|secret|account|shared|shared[_-]?access|auth)[_-]?(?:key|token|signature)|authorization)"
)
_USER = re.compile(
    r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/@:'\"<>]*:(?!\d+/)[^\s@'\"<>]*@)?(?:[^\s/'\"<>]*@)?", re.IGNORECASE
)
_QUERY = re.compile(
    rf"([?&;#](?:[\w-]*(?:{_NAMES}|signature|credential|accesskeyid)|key|sig|auth|code)=)[^&\s#\"'<>;]+", re.IGNORECASE
)
_ASSIGNED = re.compile(rf"((?:^|(?<=[\s,;({{\[\"'`-])){_NAMES}=)(\"[^\"]*\"|'[^']*'|[^\s;,&)\"'\]}}]+)", re.IGNORECASE)
_QUOTED = re.compile(rf"(([\"']){_NAMES}\2\s*:\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_LINE = re.compile(rf"(?m)(^\s*(?:- )?{_NAMES}:[ \t]+)(\S+)$", re.IGNORECASE)
_HEADER = re.compile(r"(\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:\w+ )?[^\s\"',]+", re.IGNORECASE)
_KEY_HEADER = re.compile(r"(\bx-[\w-]*(?:key|token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',]+", re.IGNORECASE)
_BEARER = re.compile(r"(\bBearer\s+)(?=\S*[\d._-])[\w.~+/=-]{8,}", re.IGNORECASE)
_BASIC = re.compile(r"(\bBasic\s+)([A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE)
_KEY_FILE = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|hf_[A-Za-z0-9]{16,}|dapi[0-9a-f]{32}(?:-\d+)?|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{16,}"
    r"|sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|ya29\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r")(?![A-Za-z0-9])"
)

_remembered: dict[str, None] = {}


def is_secret(name: str) -> bool:
    """Whether a key such as `source.password`, `dbPassword` or `api_key` names a secret; `num_tokens` does not."""
    return _is_secret(name)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    if words[-1:] == ["id"] and words[-3:-1] == ["access", "key"]:
        return True
    if words[-1:] == ["key"]:
        return len(words) > 1 and words[-2] in _BEFORE_KEY
    if words[-1:] == ["pass"]:
        return len(words) == 1 or words[-2] in _BEFORE_PASS
    return bool(words) and words[-1] in _LAST


def redact(text: str) -> str:
    """The text without secrets: `https://***@host/x?token=***`. Paths, numbers and names stay as they are."""
    return _redact(text, _known())


def _redact(text: str, known: list[str]) -> str:
    for value in known:
        text = text.replace(value, MASK)
    if "://" in text:
        text = _USER.sub(_without_user, text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<1>{MASK}", text)
        text = _ASSIGNED.sub(rf"\g<1>{MASK}", text)
    if ":" in text:
        text = _QUOTED.sub(rf'\g<1>"{MASK}"', text)
        text = _LINE.sub(rf"\g<1>{MASK}", text)
    if "PRIVATE KEY" in text:
        text = _KEY_FILE.sub(MASK, text)
    text = _HEADER.sub(rf"\g<1>{MASK}", text)
    text = _KEY_HEADER.sub(rf"\g<1>{MASK}", text)
    text = _BASIC.sub(_without_basic, _BEARER.sub(rf"\g<1>{MASK}", text))
    return _SHAPES.sub(MASK, text)


def _without_user(match: re.Match[str]) -> str:
    """`https://` and a mask for what stood before the host; as it is where nothing did."""
    return f"{match[1]}{MASK}@" if match[0].endswith("@") else match[0]


def _without_basic(match: re.Match[str]) -> str:
    """A mask in place of `user:password` in base64; an ordinary word behind `basic` stays."""
    try:
        plain = base64.b64decode(match[2], validate=True)
    except (binascii.Error, ValueError):
        return match[0]
    return f"{match[1]}{MASK}" if b":" in plain else match[0]


def masked(value: Any, name: str = "") -> Any:
    """A copy of nested values in which secrets are masked, by the names of their keys and inside of texts.

    What is masked by its name is remembered, and taken out of all later texts.
    """
    return redacted(_masked(value, name))


def _masked(value: Any, name: str) -> Any:
    """The same, by the names of keys alone."""
    if value is not None and not isinstance(value, bool) and is_secret(name):
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
        return [_redacted(item, known) for item in value]
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
            secret = _password(value)
        else:
            continue
        if len(secret) >= SHORTEST and secret.lower() not in _ORDINARY:
            found[secret] = None
    return sorted(found, key=len, reverse=True)


def _password(url: str) -> str:
    """The password of a URL; a user's name alone counts as one, since tokens are given like that."""
    user, _, host = url.partition("://")[2].rpartition("@")
    return unquote(user.partition(":")[2] or user) if host else ""
