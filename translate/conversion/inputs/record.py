"""A record of an input as it was when it was read, by which a later conversion knows whether it is still the same.

That a file is newer or older says nothing: `mv`, `unzip`, `cp -p` and `rsync` bring files with the times of long ago.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.storage.atomic import sha256_file

Record = Mapping[str, Any]
"""`bytes`, the times `modified` and `changed` (mtime and ctime in ns), and `sha256` of a file."""

_TIMES = ("bytes", "modified", "changed")


def look(path: Path) -> dict[str, int] | None:
    """Size and times of a file; None where there is none. The ctime tells files apart that have one size and mtime."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return {"bytes": status.st_size, "modified": status.st_mtime_ns, "changed": status.st_ctime_ns}


def record(path: Path, before: Mapping[str, int] | None) -> Record | None:
    """The record of a file that looked so `before` it was read; None where it has changed since, or is gone."""
    if before is None or look(path) != before:
        return None
    try:
        sha256 = sha256_file(path)
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
