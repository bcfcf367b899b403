"""The files that a conversion keeps beside its outputs, and how it knows its own from those of somebody else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from translate.errors import ConfigError

MARK = "<meta name=generator content='translate convert'>"
"""Stands in each `contact.html`, by which it is known again."""
_BEFORE_MARKS = "<h2>Before and after</h2><div class=pairs>"
"""Stands in those of earlier versions."""
_HEAD = 4096
_SCRATCH = re.compile(r"[0-9a-f]{16}|\.nfs.*")  # the latter are what NFS makes of files that are open
_ROW = ("input", "output", "status", "reason", "sha256")
_SETTINGS = ("input", "model", "direction")


def is_own_page(path: Path) -> bool:
    """True for a `contact.html` of a conversion. Errors: OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
    return MARK in head or _BEFORE_MARKS in head


def is_own_settings(path: Path) -> bool:
    """True for a `results.settings.json` of a conversion."""
    content = _json(_start(path, None))
    return isinstance(content, dict) and all(key in content for key in _SETTINGS)


def check_rows(path: Path) -> None:
    """Errors: ConfigError for rows that are there and not a conversion's: nothing is written over them."""
    first, end, _ = _start(path, 1 << 20).partition(b"\n")
    if not first.strip() or (not end and first.startswith(b'{"input"')):  # a kill cut it off
        return
    row = _json(first)
    if not (isinstance(row, dict) and all(key in row for key in _ROW)):
        raise ConfigError(f"{path}: is there, and no conversion wrote it; move it away, or give another OUTPUT")


def check_settings(path: Path) -> None:
    """Errors: ConfigError for settings that are there and not a conversion's."""
    if path.exists() and not is_own_settings(path):
        raise ConfigError(f"{path}: is there, and no conversion wrote it; move it away, or give another OUTPUT")


def clear_scratch(folder: Path) -> None:
    """Removes what a killed conversion left in its folder of scratch files, and nothing else.

    Errors: ConfigError where the folder holds other files, or is a link or a file.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{folder}: is a link or a file, where a folder of scratch files is due; move it away")
    if not folder.exists():
        return
    for path in folder.iterdir():
        if not _SCRATCH.fullmatch(path.name):
            raise ConfigError(f"{path}: is no scratch file of a conversion; move it away")
        path.unlink()


def _start(path: Path, size: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
