"""Consoles: rich on a terminal and in notebooks, plain lines elsewhere, nothing on stdout where JSON is wanted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from translate.streams import lenient
from translate.text import duration, number

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from translate.contracts import Console, Progress

PLAIN_SECONDS = 10.0
"""How often, at most, a running count prints a line where there is no terminal."""


def console(*, json: bool = False, stream: IO[str] | None = None) -> Console:
    """The console for this process: messages, tables and progress on stdout (`json`: on stderr), warnings on stderr."""
    stream = stream or (sys.stderr if json else sys.stdout)
    if stream is sys.stdout and in_notebook():
        return TerminalConsole(stream)
    stream = lenient(stream)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalConsole(stream)
    return PlainConsole(stream)


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook, which shows what rich makes as HTML."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class Count:
    """How far a piece of work is, how fast it goes, and what is left of it."""

    def __init__(self, title: str, total: int, done: int, unit: str) -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self.fields: dict[str, Any] = {}
        self._first, self._started = done, time.monotonic()

    def add(self, n: int, fields: dict[str, Any]) -> None:
        self.done += n
        self.fields.update(fields)

    def rate(self) -> float:
        """Units per second since the count began in this process."""
        return (self.done - self._first) / max(time.monotonic() - self._started, 1e-6)

    def detail(self) -> str:
        """Speed, time left, and the fields."""
        rate = self.rate()
        parts = [f"{rate:.3g} {self.unit}/s"] if rate else []
        if rate and self.total > self.done:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        return "  ".join([*parts, *(f"{name} {number(value)}" for name, value in self.fields.items())])

    def line(self) -> str:
        total = f"/{self.total}" if self.total else ""
        return f"{self.title}: {self.done}{total} {self.unit}  {self.detail()}".rstrip()


class PlainConsole:
    """Lines of text, for files, pipes and dumb terminals."""

    def __init__(self, stream: IO[str] | None = None, errors: IO[str] | None = None) -> None:
        self._stream, self._errors = lenient(stream or sys.stdout), lenient(errors or sys.stderr)

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        print(f"warning: {text}", file=self._errors, flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        cells = [list(columns)]
        for values in rows:
            cells.append([number(value) for value in values])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        right = [_numeric(rows, i) for i in range(len(columns))]
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


class TerminalConsole:
    """Colours, tables that fit the width, and moving bars, on a terminal or in a notebook."""

    def __init__(self, stream: IO[str], console: RichConsole | None = None) -> None:
        from rich.console import Console as RichConsole

        # In a notebook rich hands HTML to the page, unless a file is named.
        file = None if in_notebook() else lenient(stream)
        self._rich = console or RichConsole(file=file, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        self._rich.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._rich.print(f"warning: {text}", style="yellow", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        from rich import box
        from rich.table import Table

        table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if _numeric(rows, i) else "left", overflow="fold")
        for row in rows:
            table.add_row(*(number(cell) for cell in row))
        self._rich.print(table)

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Progress]:
        if self._rich.is_jupyter and find_spec("ipywidgets") is None:  # without it a notebook has no moving bars
            with PlainConsole().progress(title, total, done, unit) as lines:
                yield lines
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bars, TextColumn

        columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn()
        detail = TextColumn("{task.fields[detail]}", markup=False)
        with Bars(*columns, detail, console=self._rich) as bars:
            task = bars.add_task(title, total=total or None, completed=done, detail="")
            yield _Bar(bars, task, Count(title, total, done, unit))


class _Bar:
    def __init__(self, bars: Any, task: Any, count: Count) -> None:
        self._bars, self._task, self._count = bars, task, count

    def advance(self, n: int = 1, /, **fields: Any) -> None:
        self._count.add(n, fields)
        self._bars.update(self._task, advance=n, detail=self._count.detail())


def _numeric(rows: Sequence[Sequence[Any]], column: int) -> bool:
    return bool(rows) and all(row[column] is None or isinstance(row[column], int | float) for row in rows)
