"""A lock between processes on one machine. The system releases it when its holder dies, so it is never left behind.

Where a file system has no locks (Lustre, some FUSE), a file that names its holder stands for one: after the holder's
death a process of the same machine takes it over.

No process that the holder starts has a part in it. On Unix the system knows the holder by an open file, and a forked
process has all open files of its parent: it would keep the lock of a parent that was killed. `filelock` closes the file
in forked processes (from 3.30 on), and `exec` does so in all others; on Windows no process inherits it.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from translate.errors import ConfigError
from translate.storage.filesystem import has_locks

with warnings.catch_warnings():
    # On a Unix without `fcntl` the library says that its locks are mere files, which a process checks for live holders.
    warnings.simplefilter("ignore")
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

ENDING = 0.5
"""Seconds to wait for a holder that lives: a killed process is there until the system has taken its memory back."""
PATIENCE = 10.0
"""Seconds to wait where no process has the holder's number: what it left behind, or has not written yet, goes by."""
_PAUSE = 0.05


class LockedError(ConfigError):
    """Another process, number `holder`, has the lock; `alive` tells whether there is a process of that number.

    `left` is the file that stands for a lock where the file system has none, and stays when a machine crashes.
    """

    def __init__(self, folder: Path, holder: str, *, alive: bool = True, left: Path | None = None) -> None:
        message = f"{folder} is in use by process {holder}; wait for it to end, or stop it"
        if not alive:
            message = (
                f"{folder} is in use, although no process {holder}, which took it, runs here: it may run on another "
                f"machine or in another container, or a process that it started is left; wait for it to end, or stop it"
            )
        if left is not None and not alive:
            message += f"; if nothing runs, delete {left}"
        super().__init__(message)
        self.holder = holder


class Lock:
    """`with Lock(folder / ".lock"):` holds the lock or raises LockedError naming the process that has it.

    The number of that process is in a file beside the lock, since Windows lets nobody read a file that is locked.
    Both files go away when the lock is released; where its holder was killed, they stay and mean nothing.
    It is waited for as long as `ENDING` and `PATIENCE` say.
    Errors: LockedError; OSError where the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holder = path.with_name(f"{path.name}.pid")
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._acquire()
        with suppress(OSError):  # a full disk: then nobody is told the number
            self.holder.write_text(str(os.getpid()), "ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.holder.unlink()
        if self._lock is not None:
            _give_back(self._lock, self.path)
            self._lock = None

    def _acquire(self) -> None:
        """Takes the lock, at once or after a short while. Errors: LockedError."""
        began = time.monotonic()
        while True:
            try:
                self._lock = _take(self.path, 0)
                return
            except Timeout:
                holder = self._read_holder()
            alive = _is_alive(holder)
            if time.monotonic() - began >= (ENDING if alive else PATIENCE):
                held = _held(self.path)
                left = held if held.exists() else None
                raise LockedError(self.path.parent, holder, alive=alive, left=left)
            time.sleep(_PAUSE)

    def _read_holder(self) -> str:
        try:
            return self.holder.read_text("ascii").strip() or "unknown"
        except OSError:  # it has the lock, but has not written its number yet
            return "unknown"


@contextmanager
def waiting_for(path: Path, seconds: float) -> Iterator[None]:
    """Holds the lock of a file, once whoever has it has given it back. Errors: filelock.Timeout; OSError."""
    lock = _take(path, seconds)
    try:
        yield
    finally:
        _give_back(lock, path)


def _take(path: Path, seconds: float) -> BaseFileLock:
    """The lock of a file, taken. Errors: Timeout where it is held for so many seconds; OSError."""
    lock = _lock_of(path)
    lock.acquire(timeout=seconds)
    return lock


def _lock_of(path: Path) -> BaseFileLock:
    # It belongs to the object, not to a thread: a thread may release what another one has taken.
    with suppress(OSError):  # a folder that cannot be written: taking the lock says so
        if not has_locks(path.parent):
            return SoftFileLock(_held(path), thread_local=False)
    return FileLock(path, thread_local=False)


def _held(path: Path) -> Path:
    """The file that stands for a lock where the file system has none."""
    return path.with_name(f"{path.name}.held")


def _give_back(lock: BaseFileLock, path: Path) -> None:
    if not isinstance(lock, SoftFileLock):
        # Removed while it is held: whoever opened the file before that finds it without a name and tries again.
        with suppress(OSError):  # Windows removes no open file; there the library does so after the release
            path.unlink()
    lock.release()


def _is_alive(holder: str) -> bool:
    """Tells whether a process of that number runs; one that has ended, but that nobody has waited for, does not."""
    import psutil  # late: most locks are free, and it takes 10 ms

    try:
        return bool(psutil.Process(int(holder)).status() != psutil.STATUS_ZOMBIE)
    except (ValueError, psutil.NoSuchProcess):
        return False
    except psutil.Error:  # it is there, and belongs to somebody else
        return True
