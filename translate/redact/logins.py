"""`user:password@host` without a scheme in front, as databases, proxies and mirrors are given."""

from __future__ import annotations

import re

from translate.redact.names import words
from translate.redact.shapes import MASK

_LOGIN = re.compile(
    r"(?<![\w/\\.@:*+-])(?P<user>[A-Za-z][\w.+-]{1,62}):(?P<password>[^\s/\\@'\"<>,;]{3,200})"
    r"@(?P<host>[\w-]+(?:\.[\w-]+)*)(?P<port>:\d{2,5}(?!\d)|(?=/))?(?![\w@])"
)
_NO_USER = words("mailto sip sips xmpp acct from to cc bcc mail email e-mail author user login name account contact by")
"""Words before an address of mail."""
_NO_HOST = words("sha1 sha256 sha384 sha512 md5")
"""Words between an image of a container and its digest: `python:3.12-slim@sha256:...`."""
_FILES = words(
    "png jpg jpeg jpe webp gif tif tiff bmp svg pdf exr dcm yaml yml json jsonl toml ini cfg md html txt csv tsv log "
    "py ipynb npy npz pth pt ckpt safetensors onnx zip tar gz xz bz2 zst db sqlite parquet mp4 avi mov"
)
"""Endings of files, which are no top-level domains that anybody logs in at: `photo:big@2x.png`."""
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PLAIN = 5
"""Digits that a password of nothing else has at least: `12:30@lab` is a time."""
_MIXED = 6
"""Characters of a password before a host of one word, with letters and digits: `train:cycle@best` is none."""


def without_logins(text: str) -> str:
    """The text with a mask for the user and the password at every such place."""
    return _LOGIN.sub(_masked, text) if "@" in text and ":" in text else text


def _masked(match: re.Match[str]) -> str:
    user, password, host = match["user"], match["password"], match["host"]
    if user.lower() in _NO_USER or host.lower() in _NO_HOST or not _is_password(password):
        return match[0]
    if not _is_host(host) and match["port"] is None and not _is_mixed(password):
        return match[0]
    if host.rpartition(".")[2].lower() in _FILES and "." in host:
        return match[0]
    return f"{MASK}@{host}{match['port'] or ''}"


def _is_password(text: str) -> bool:
    digits = text.replace(":", "").replace(".", "")
    return not digits.isdigit() or (text.isdigit() and len(text) >= _PLAIN)


def _is_host(text: str) -> bool:
    """Whether it is the name of a machine rather than any word or a version."""
    last = text.rpartition(".")[2]
    return text == "localhost" or _IPV4.fullmatch(text) is not None or ("." in text and last.isalpha())


def _is_mixed(password: str) -> bool:
    letters, digits = any(map(str.isalpha, password)), any(map(str.isdigit, password))
    return len(password) >= _MIXED and letters and digits
