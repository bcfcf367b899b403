"""Opens and reads image files, on disk or in an archive, and nothing else that a path may lead to: pipes, devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from translate.errors import DataError
from translate.imaging.image import Limits
from translate.storage.archives import archive_file, read_member


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading, without ever waiting: a FIFO would block, and a device may do anything.

    Errors: DataError for anything but a regular file, OSError.
    """
    _check_regular(path, path.stat().st_mode)
    # The path may lead to another file by now, so that the opened one is looked at as well.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(handle, "rb")
    try:
        _check_regular(path, os.fstat(handle).st_mode)
    except DataError:
        file.close()
        raise
    return file


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFDIR: "Is a directory", stat.S_IFIFO: "is a FIFO", stat.S_IFSOCK: "is a socket"}
    raise DataError(f"{path}: {kinds.get(stat.S_IFMT(mode), 'is a device')}, not an image file")


def contents(path: Path, limits: Limits) -> bytes:
    """All bytes of a regular file, or of a file in an archive (`photos.zip/1.png`).

    Errors: DataError, for a file that changes its size while it is read as well.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            limits.check_file(size, str(path))
            data = file.read(size + 1)  # one more than there should be shows a file that grows
    except OSError as error:
        if leads_into_archive(path, error):
            return read_member(path, limits.bytes)
        raise DataError(f"{path}: {error.strerror or error}") from None
    if len(data) != size:
        raise DataError(f"{path}: the file changed its size while it was read; is it still being written?")
    return data


def leads_into_archive(path: Path, error: OSError) -> bool:
    """Whether a path that the system does not know, says the error, leads into an archive."""
    # Systems differ in what they call a path that goes on behind a file.
    return isinstance(error, NotADirectoryError | FileNotFoundError) and archive_file(path) is not None
