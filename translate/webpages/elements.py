"""Parts of pages: pictures, the divider between two of them, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol

from translate.text import legible, number


class Picture(Protocol):
    """An encoded picture that stands in the page itself."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def uri(self) -> str:
        """Its `data:` address."""

    @property
    def is_small(self) -> bool:
        """Whether it is shown enlarged, with sharp pixels."""


class Html(str):
    """A cell or a text that is HTML already."""


def text(value: str) -> str:
    """Text for a page; names that are not UTF-8 have to go into one that is."""
    return escape(legible(value))


def img(picture: Picture, alt: str, kind: str = "") -> str:
    """A picture with its size, so that the page does not jump when it is drawn."""
    names = " ".join(name for name in (kind, "tiny" if picture.is_small else "") if name)
    mark = f' class="{names}"' if names else ""
    return f'<img{mark} width="{picture.width}" height="{picture.height}" alt="{text(alt)}" src="{picture.uri}">'


def wipe(before: Picture, after: Picture, name: str) -> str:
    """Two pictures over each other with a divider, which follows the mouse, a finger and the arrow keys."""
    return (
        f'<div class="wipe">{img(after, "after")}{img(before, "before", "over")}'
        '<b class="l">before</b><b class="r">after</b>'
        f'<input type="range" min="0" max="100" value="50" aria-label="divider of {text(name)}"></div>'
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], label: str) -> str:
    """A table, which can be scrolled where it is wide; columns that hold numbers are flush right."""
    numeric = [any(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    head = "".join(
        f'<th scope="col"{_right(right)}>{text(column)}</th>' for column, right in zip(columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{_cells(row, numeric)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(label)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: Iterable[Any], numeric: Sequence[bool]) -> str:
    return "".join(f"<td{_right(right)}>{_cell(cell)}</td>" for cell, right in zip(row, numeric, strict=True))


def _right(right: bool) -> str:
    return ' class="n"' if right else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if isinstance(value, Html):
        return value
    if value is None:
        return "&ndash;"
    if isinstance(value, float) and math.isfinite(value):
        return number(value)
    return text(str(value))
