"""The console of a terminal and of notebooks: colours, tables that fit the width, and moving bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from translate.console.count import Count
from translate.console.plain import PlainConsole, in_notebook
from translate.redact import redact, redacted
from translate.streams import lenient
from translate.text import folded

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from translate.contracts import Progress


class TerminalConsole:
    """Colours, tables that fit the width, and moving bars, on a terminal or in a notebook."""

    def __init__(self, stream: IO[str], console: RichConsole | None = None) -> None:
        from rich.console import Console as RichConsole

        # In a notebook rich hands HTML to the page, unless a file is named.
        file = None if in_notebook() else lenient(stream)
        self._rich = console or RichConsole(file=file, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        self._rich.print(folded(redact(text), self._rich.width), soft_wrap=True)

    def warn(self, text: str) -> None:
        self._rich.print(folded(f"warning: {redact(text)}", self._rich.width), style="yellow", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        from translate.console.table import table

        self._rich.print(table(title, columns, redacted(rows), self._rich.width))

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Progress]:
        if self._rich.is_jupyter and find_spec("ipywidgets") is None:  # without it a notebook has no moving bars
            with PlainConsole().progress(title, total, done, unit) as lines:
                yield lines
            return
        from rich.live import Live

        from translate.console.bar import Bar

        bar = Bar(Count(title, total, done, unit))
        with Live(bar, console=self._rich, refresh_per_second=8):
            yield bar
