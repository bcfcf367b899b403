"""Tables on a terminal: cells fold at words, and where the columns are too many for that, rows become paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from translate.console.plain import numeric
from translate.text import folded, number

if TYPE_CHECKING:
    from rich.console import RenderableType

EDGES = 3
"""Columns between two cells."""

NARROWEST = 24
"""Columns that a cell of many words needs to be read with ease."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> RenderableType:
    """A table that is at most `width` wide."""
    cells = [[number(cell) for cell in row] for row in rows]
    least = [max(map(_longest_word, column)) for column in zip(columns, *cells, strict=True)]
    natural = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if sum(natural) + EDGES * len(natural) + 1 > width:
        least = [max(length, min(whole, NARROWEST)) for length, whole in zip(least, natural, strict=True)]
    if sum(least) + EDGES * len(least) + 1 > width:
        return Text("\n".join(_paragraphs(title, columns, cells, width)))
    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        justify: Any = "right" if numeric(rows, i) else "left"
        shown.add_column(column, justify=justify, min_width=least[i])
    for row in cells:
        shown.add_row(*row)
    return shown


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _paragraphs(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[str]:
    """Each row as lines: its first cell, and below it the others with the names of their columns."""
    lines = [title] if title else []
    for row in cells:
        lines.append(folded(row[0], width))
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell not in ("", "-"):
                lines.append(folded(f"  {column}: {cell}", width))
    return lines
