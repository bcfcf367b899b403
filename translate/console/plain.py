"""The console of files, pipes and dumb terminals: lines of text."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from translate.console.count import Count
from translate.redact import redact
from translate.streams import lenient
from translate.text import number

if TYPE_CHECKING:
    from translate.contracts import Progress

PLAIN_SECONDS = 10.0
"""How often, at most, a running count prints a line where there is no terminal."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook, which shows what rich makes as HTML."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class PlainConsole:
    """Lines of text, for files, pipes and dumb terminals."""

    def __init__(self, stream: IO[str] | None = None, errors: IO[str] | None = None) -> None:
        self._stream, self._errors = lenient(stream or sys.stdout), lenient(errors or sys.stderr)

    def say(self, text: str) -> None:
        print(redact(text), file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        print(f"warning: {redact(text)}", file=self._errors, flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        cells = [list(columns)]
        for values in rows:
            cells.append([number(value) for value in values])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        right = [numeric(rows, i) for i in range(len(columns))]
        if title:
            self.say(title)
        for row in cells:
            padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
            self.say("  ".join(padded).rstrip())

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Progress]:
        yield (lines := _PlainProgress(self, Count(title, total, done, unit)))
        lines.finish()


class _PlainProgress:
    def __init__(self, console: PlainConsole, count: Count) -> None:
        self._console, self._count = console, count
        self._printed_at, self._printed = -PLAIN_SECONDS, -1

    def advance(self, n: int = 1, /, **fields: Any) -> None:
        self._count.add(n, fields)
        if time.monotonic() - self._printed_at >= PLAIN_SECONDS:
            self._print()

    def finish(self) -> None:
        if self._count.done != self._printed:
            self._print()

    def _print(self) -> None:
        self._printed_at, self._printed = time.monotonic(), self._count.done
        self._console.say(self._count.line())


def numeric(rows: Sequence[Sequence[Any]], column: int) -> bool:
    return bool(rows) and all(row[column] is None or isinstance(row[column], int | float) for row in rows)
