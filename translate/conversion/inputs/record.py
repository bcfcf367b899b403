"""A record of an input as it was when it was read, by which a later conversion knows whether it is still the same.

That a file is newer or older says nothing: `mv`, `unzip`, `cp -p` and `rsync` bring files with the times of long ago.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.storage.atomic import digest, hash_tree, sha256_file, tree

Record = Mapping[str, Any]
"""`bytes`, the times `modified` and `changed` (mtime and ctime in ns), and `sha256` of a file."""

_TIMES = ("bytes", "modified", "changed")


def look(path: Path) -> dict[str, int] | None:
    """Size and times of a file, or of all files in a folder that is an image (Zarr); None where there is neither.

    The ctime tells files apart that have one size and mtime.
    """
    try:
        files = [file.stat() for file in (tree(path) if path.is_dir() else [path])]
    except OSError:
        return None
    if not files or not all(stat.S_ISREG(file.st_mode) for file in files):
        return None
    return {
        "bytes": sum(file.st_size for file in files),
        "modified": max(file.st_mtime_ns for file in files),
        "changed": max(file.st_ctime_ns for file in files),
    }


def record(path: Path, before: Mapping[str, int] | None) -> Record | None:
    """The record of a file that looked so `before` it was read; None where it has changed since, or is gone."""
    if before is None or look(path) != before:
        return None
    try:
        sha256 = digest(hash_tree(path)) if path.is_dir() else sha256_file(path)
    except OSError:
        return None
    return {**before, "sha256": sha256} if look(path) == before else None


def unchanged(path: Path, earlier: Record, *, thorough: bool = False) -> Record | None:
    """The record of a file that is still as an `earlier` one says, with the times of now; None for any other.

    The content is compared where size or times differ, or where `thorough` asks for it.
    """
    now = look(path)
    if now is None or now["bytes"] != earlier.get("bytes"):
        return None
    if not thorough and all(now[key] == earlier.get(key) for key in _TIMES):
        return earlier
    new = record(path, now)
    return new if new is not None and new["sha256"] == earlier.get("sha256") else None
