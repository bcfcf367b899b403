"""Secrets in the headers of requests, as they stand in messages, commands, and tables of headers."""

from __future__ import annotations

import base64
import binascii
import re

from translate.redact.shapes import MASK

_NAME = r"(?:(?:proxy-)?authorization|(?:set-)?cookie2?)"
# "Authorization: Basic ..." as one quoted text
_WHOLE = re.compile(rf"(([\"']){_NAME}\s*:\s*)(?:(?!\2)[^\n])+", re.IGNORECASE)
# "Authorization": "Basic ..."
_APART = re.compile(rf"(\b{_NAME}\\?[\"']\s*[:=,]\s*b?\\?([\"']))(?:(?!\\?\2)[^\n])+", re.IGNORECASE)
# schemes with parameters have quotes in them
_BARE = re.compile(
    rf"(\b{_NAME}:[ \t]*)(?:(?:Digest|OAuth|Hawk|Signature)\b[^\n]+|[^\n\"'<]+)|(\b{_NAME}\s*=\s*)(?:\w+ )?[^\s\"',]+",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"((?<![?&;#])\b(?:x|private|deploy|job|api)-[\w-]*(?:key|token|secret|signature|auth)[\"']?\s*[:=]\s*[\"']?)[^\s\"',]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s+)(?=\S*[\d._-])[\w.~+/=-]{8,}", re.IGNORECASE)
_BASIC = re.compile(r"(\bBasic\s+)([A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE)


def without_headers(text: str) -> str:
    """The text with a mask for what headers say that tells who one is."""
    if ":" in text or "=" in text or "," in text:
        text = _APART.sub(rf"\g<1>{MASK}", _WHOLE.sub(rf"\g<1>{MASK}", text))
        text = _BARE.sub(_without_bare, text)
        text = _KEY.sub(rf"\g<1>{MASK}", text)
    return _BASIC.sub(_without_basic, _BEARER.sub(rf"\g<1>{MASK}", text))


def _without_bare(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}{MASK}"


def _without_basic(match: re.Match[str]) -> str:
    """A mask in place of `user:password` in base64; an ordinary word behind `basic` stays."""
    try:
        plain = base64.b64decode(match[2], validate=True)
    except (binascii.Error, ValueError):
        return match[0]
    return f"{match[1]}{MASK}" if b":" in plain else match[0]
