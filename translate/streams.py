"""Standard streams whose reader may leave: `| head -1`, a closed terminal, a descriptor that was never open."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ESHUTDOWN, errno.ECONNRESET})
"""errno values of writing to a pipe, terminal or socket that nobody reads any more."""


class Lenient:
    """A text stream that is a null device from the moment when its reader has left: the work goes on.

    Everything that is not defined here is the stream's own. Errors: OSError where the reader is there: a full disk.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError as error:  # a file's name that is bytes, or a terminal that knows ASCII alone
            known = text.encode(error.encoding, "backslashreplace").decode(error.encoding)
            return self._stream.write(known)
        except OSError as error:
            self._leave(error)
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)

    def _leave(self, error: OSError) -> None:
        """Leads the stream to the null device if its reader has left, else raises the error."""
        if error.errno not in GONE:
            raise error
        with suppress(OSError):  # it is no file
            # What the stream still holds goes there too, when the interpreter ends.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lenient(stream: IO[str] | None) -> IO[str]:
    """The stream, made lenient; a null device where there is none."""
    if isinstance(stream, Lenient):
        return stream
    return cast(IO[str], Lenient(_null("w") if stream is None else stream))


@contextmanager
def standard_streams() -> Iterator[None]:
    """Makes stdout and stderr lenient for everybody who prints, and opens those that are closed (`>&-`)."""
    before = sys.stdin, sys.stdout, sys.stderr
    if sys.stdin is None:
        sys.stdin = _null("r")
    sys.stdout, sys.stderr = lenient(sys.stdout), lenient(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _null(mode: str) -> Any:
    """The null device at the lowest number that is free: of a standard stream that was closed, its own.

    A file that is opened later would get that number, and with it what libraries print.
    """
    number = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(number, True)
    return open(number, mode, encoding="utf-8", closefd=False)
