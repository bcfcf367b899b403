"""The console of `--quiet`: warnings, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from translate.contracts import Console, Progress


class QuietConsole:
    """Passes warnings on to another console, and drops everything else."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Drops a message."""

    def warn(self, text: str) -> None:
        self._console.warn(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Drops a table."""

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Progress]:
        yield _NoProgress()


class _NoProgress:
    def advance(self, n: int = 1, /, **fields: Any) -> None:
        """Shows nothing."""
