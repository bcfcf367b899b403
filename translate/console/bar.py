"""The moving bar of a count: what a terminal of any width shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from translate.console.count import Count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SHORTEST, LONGEST = 6, 24
"""Columns of the bar."""

MOST_LINES = 2
"""The most lines of fields below the bar."""


class Bar:
    """Title, bar, count, time left and speed in one line, as many as fit in this order, and fields such as losses
    behind them, or where they do not fit in the lines below."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self._below = False

    def advance(self, n: int = 1, /, **fields: Any) -> None:
        self.count.add(n, fields)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        # One column stays free: some terminals wrap a line that fills the last one.
        width = options.max_width - 1
        counted, values = self.count.counted(), self.count.values()
        title = _cut(self.count.title, min(max(width - len(counted) - SHORTEST - 2, 0), max(width // 4, 8)))
        rest = counted
        for part in (self.count.remaining(), self.count.speed()):
            if part and len(title) + len(rest) + len(part) + SHORTEST + 4 <= width:
                rest = f"{rest}  {part}"
        length = min(LONGEST, max(width - len(title) - len(rest) - 2, 0))
        beside = "  ".join([rest, *values])
        # Lines that went below stay there: they would jump with every digit.
        self._below = self._below or len(title) + len(beside) + length + 2 > width
        line = Table.grid(padding=(0, 1, 0, 0))
        for columns in (len(title), length, None):
            line.add_column(width=columns, no_wrap=True)
        total = float(self.count.total) or None
        bar = ProgressBar(total, self.count.done, width=length, pulse=total is None)
        line.add_row(Text(title), bar, Text(rest if self._below else beside, overflow="ellipsis"))
        yield line
        if self._below:
            yield from (Text(text, style="dim", no_wrap=True) for text in _lines(values, width))


def _lines(values: list[str], width: int) -> list[str]:
    """Fields in lines that are at most `width` long; what does not fit into the last one is left out."""
    lines = [""]
    for value in values:
        text = f"{lines[-1]}  {value}"
        if len(text) <= width:
            lines[-1] = text
        elif len(lines) < MOST_LINES:
            lines.append(_cut(f"  {value}", width))
        else:
            lines[-1] = _cut(f"{lines[-1]} …", width)
            break
    return [line for line in lines if line]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…" if length else ""
