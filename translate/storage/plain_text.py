"""Texts and names as people's systems write them: marks and UTF-16 of Windows, letters that a Mac takes apart."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_of(data: bytes, errors: str = "strict") -> str:
    """The text of a file: UTF-8, or UTF-16 by its mark or the zeros of its line ends. Errors: UnicodeDecodeError."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors)
    for encoding, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        # Every second byte of plain letters is zero; a list of names that zeros end has fewer of them.
        ends = ("\n".encode(encoding), "\r".encode(encoding))
        if any(end in data for end in ends) and len(data) % 2 == 0 and zeros.count(0) > len(zeros) // 2:
            return data.decode(encoding, errors)
    return data.decode("utf-8", errors)


def composed(name: str) -> str:
    """The one form of names that look the same: a Mac writes é as two letters, others as one (NFC)."""
    return unicodedata.normalize("NFC", name)


def fits(name: str, pattern: str) -> bool:
    """Compares a name with a pattern of `*`, `?` and `[ ]`, or with a name that holds these signs."""
    name, pattern = composed(name), composed(pattern)
    return name == pattern or fnmatchcase(name, pattern)


def on_disk_as(path: Path) -> Path:
    """The path, with each part that is not there replaced by the one that is there and looks the same (NFC, NFD).

    Parts that have none stay as they are: names that do not exist yet, patterns, and members of archives.
    """
    if os.path.lexists(path) or str(path).isascii():
        return path
    folder = on_disk_as(path.parent)
    try:
        names = _names(folder, folder.stat().st_mtime_ns)
    except OSError:
        return folder / path.name
    return folder / names.get(composed(path.name), path.name)


@lru_cache(maxsize=64)
def _names(folder: Path, changed: int) -> dict[str, str]:
    """The names in a folder by their composed form, of those that have one."""
    return {composed(path.name): path.name for path in folder.iterdir() if not path.name.isascii()}


def same_names(a: Iterable[str], b: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The partner in `b` of each key of `a` that has one, and the keys whose partner differs in upper and lower case.

    Case does not count where a key has no partner of quite its name, and each side has one such key.
    """
    ours, theirs = dict.fromkeys(a), dict.fromkeys(b)
    partners = {key: key for key in ours if key in theirs}
    left = [_by_fold(key for key in keys if key not in partners) for keys in (ours, theirs)]
    by_case = []
    for fold, keys in left[0].items():
        if len(keys) == len(left[1].get(fold, ())) == 1:
            partners[keys[0]] = left[1][fold][0]
            by_case.append(keys[0])
    return partners, by_case


def _by_fold(keys: Iterable[str]) -> dict[str, list[str]]:
    by_fold: dict[str, list[str]] = {}
    for key in keys:
        by_fold.setdefault(key.casefold(), []).append(key)
    return by_fold
