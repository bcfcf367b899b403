"""A lock between processes on one machine. The system releases it when its holder dies, so it is never left behind."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from translate.errors import ConfigError

with warnings.catch_warnings():
    # On a Unix without `fcntl` the library says that its locks are mere files, which a process checks for live holders.
    warnings.simplefilter("ignore")
    from filelock import FileLock, SoftFileLock, Timeout


class LockedError(ConfigError):
    """Another process, number `holder`, has the lock."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{folder} is in use by process {holder}; wait for it to end, or stop it")
        self.holder = holder


class Lock:
    """`with Lock(folder / ".lock"):` holds the lock or raises LockedError naming the process that has it.

    The number of that process is in a file beside the lock, since Windows lets nobody read a file that is locked.
    Both files go away when the lock is released; where its holder was killed, they stay and mean nothing.
    Errors: LockedError; OSError where the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holder = path.with_name(f"{path.name}.pid")
        # The lock belongs to the object, not to a thread: a thread may release what another one has taken.
        self._lock = FileLock(path, thread_local=False)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LockedError(self.path.parent, self._read_holder()) from None
        with suppress(OSError):  # a full disk: then nobody is told the number
            self.holder.write_text(str(os.getpid()), "ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.holder.unlink()
        if not isinstance(self._lock, SoftFileLock):
            # Removed while it is held: whoever opened the file before that finds it without a name and tries again.
            with suppress(OSError):  # Windows removes no open file; there the library does so after the release
                self.path.unlink()
        self._lock.release()

    def _read_holder(self) -> str:
        try:
            return self.holder.read_text("ascii").strip() or "unknown"
        except OSError:  # it has the lock, but has not written its number yet
            return "unknown"
