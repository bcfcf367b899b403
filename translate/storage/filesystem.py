"""File systems that lack something: locks (Lustre, NFS), fsync (FUSE, cloud drives), links, renames that replace.

Everything works there, with weaker promises; `shortcomings` says which.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows, where all of these are there
    fcntl = None  # type: ignore[assignment]

NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EROFS})
"""errno values of an `fsync` that is not offered. EIO is none of them: then something was lost."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Gives an OSError the name of the file or folder that it is about, which one of writing or closing has not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), os.fspath(path)) from error


def sync(file: IO[Any]) -> None:
    """Makes what was written to a file last through a power cut, where its file system can. Errors: OSError."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` last through a power cut, where the system can do so."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def has_locks(folder: Path) -> bool:
    """Tells whether files in a folder can be locked. Errors: OSError where nothing can be written."""
    return fcntl is None or _works(_lock, folder)


def missing_for_databases(folder: Path) -> str:
    """Names what SQLite does not find in a folder, without which it cannot write there; empty where it finds all.

    Errors: OSError where nothing can be written.
    """
    if fcntl is None:
        return ""
    if not _works(_lock_record, folder):
        return "locks"
    return "" if _works(_sync, folder) else "fsync"


def shortcomings(folder: Path) -> list[str]:
    """Says for a folder in words which promises are weaker there. Errors: OSError where nothing can be written."""
    if fcntl is None:
        return []
    return [words.format(folder) for attempt, words in _ATTEMPTS if not _works(attempt, folder)]


def _works(attempt: Callable[[Path, IO[bytes]], None], folder: Path) -> bool:
    """Tells whether an attempt succeeds on a new file of the folder."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    with naming(folder), path.open("xb") as file:
        try:
            attempt(path, file)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                path.unlink()
    return True


def _lock(path: Path, file: IO[bytes]) -> None:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_record(path: Path, file: IO[bytes]) -> None:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync(path: Path, file: IO[bytes]) -> None:
    file.write(b"a byte")
    file.flush()
    os.fsync(file.fileno())


def _link(path: Path, file: IO[bytes]) -> None:
    link = path.with_suffix(".link.tmp")
    link.symlink_to(path.name)
    link.unlink()


def _rename(path: Path, file: IO[bytes]) -> None:
    other = path.with_suffix(".other.tmp")
    other.touch()
    try:
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)


_ATTEMPTS = (
    (
        _lock,
        "the file system of {} has no locks (flock): a file `.lock.held` stands for one, which has to be deleted by "
        "hand if the machine that wrote it crashes",
    ),
    (_sync, "the file system of {} has no fsync: what was written last can be lost in a power cut"),
    (_link, "the file system of {} has no links: the name of a stage is a small file that says its folder"),
    (
        _rename,
        "the file system of {} replaces no file by a rename: a crash at that moment leaves the earlier one as "
        "`.NAME.*.old`",
    ),
)
