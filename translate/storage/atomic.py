"""Writes that are either complete or never happened: a temporary file or folder, flushed, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from translate.storage.filesystem import naming, sync, sync_folder

WINDOWS = os.name == "nt"
RENAMING = 2.0
"""Seconds for which a rename is tried again on Windows, where nobody may have the file open meanwhile."""


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, replacing it at once; a crash or a full disk leaves the old file as it was.

    Errors: OSError, with the name of `path`.
    """
    path = Path(path)
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with naming(path):
            with temporary.open("xb") as file:
                file.write(data)
                sync(file)
            replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # the error that is told is the one of writing; `litter` removes what stays
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, as `write_bytes` does.

    The name of a file may be bytes that are no UTF-8, for which Python has surrogates: they are escaped, as in JSON.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, as `write_bytes` does. Numbers that JSON lacks (NaN) are a ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def replace(source: Path, target: Path) -> None:
    """Renames `source` to `target`, in the place of a file that is there. Errors: OSError.

    Windows refuses while anybody has one of them open, be it a virus scanner for a moment: there it is tried again.
    Where no rename replaces a file, the one that is there is moved aside first.
    """
    try:
        _rename(source, target)
    except FileExistsError:
        if target.is_dir() and not target.is_symlink():
            raise
        _by_way_of_another_name(source, target).unlink()


def replace_dir(partial: Path, final: Path) -> None:
    """Renames the folder `partial` to `final`; a folder that stood there is moved aside first and deleted after.

    Both must lie on the same file system. Errors: OSError, as long as the new folder has not its name.
    """
    if final.exists():
        old = _by_way_of_another_name(partial, final)
        sync_folder(final.parent)
        shutil.rmtree(old, ignore_errors=True)  # `litter` removes what stays
    else:
        _rename(partial, final)
        sync_folder(final.parent)


def _by_way_of_another_name(source: Path, target: Path) -> Path:
    """Moves `target` aside, then `source` in its place. Returns where the old one is. Errors: OSError."""
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    _rename(target, old)
    try:
        _rename(source, target)
    except BaseException:
        _rename(old, target)
        raise
    return old


def _rename(source: Path, target: Path) -> None:
    until = time.monotonic() + RENAMING
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if not WINDOWS or time.monotonic() > until:
                raise
            time.sleep(0.05)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree(folder: Path) -> list[Path]:
    """All files below `folder`, sorted by their relative posix path; links to folders are not followed."""
    files: list[Path] = []
    for root, _, names in os.walk(folder):
        files += [Path(root, name) for name in names]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def hash_tree(folder: Path) -> dict[str, str]:
    """Relative posix path -> SHA-256 of every file below `folder`, sorted by path."""
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in tree(folder)}


def digest(value: Any) -> str:
    """The SHA-256 of a JSON value in its canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # see `write_text`
