"""Removes what writes that were broken off have left, or puts it back where it is all that there is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.link|\.other)?\.tmp")
"""Names of files that `atomic`, `filesystem` and `pointer` write beside those that they mean."""
_OLD = re.compile(r"\.(.+)\.[0-9a-f]{8}\.old")
"""What a new file or folder has replaced, or was about to."""
_GONE = re.compile(r"\..+\.[0-9a-f]{8}\.gone")
"""What was being removed: perhaps half of it is left."""
_KINDS = (_TEMPORARY, _OLD, _GONE)


def clear(folder: Path, *, below: bool = False) -> None:
    """Clears a folder, with `below` also the folders in it, in which nobody writes meanwhile.

    What was moved aside for a new file or folder that never came gets its name back. What cannot be removed stays: it
    does no harm.
    """
    for path in list(_litter(folder, below)):
        old = _OLD.fullmatch(path.name)
        with suppress(OSError):
            if old and not os.path.lexists(path.with_name(old[1])):
                path.rename(path.with_name(old[1]))
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _litter(folder: Path, below: bool) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        names = [name for name in (*folders, *files) if name.startswith(".")]
        yield from (Path(root, name) for name in names if any(kind.fullmatch(name) for kind in _KINDS))
        if not below:
            return
