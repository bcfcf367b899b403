"""The description of a run, in Markdown: its scores first, then the other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from translate.text import number
from translate.tracking.journal import Event

SCORES = "scores"
"""The table of an `evaluate` stage; its columns are those of `translate.metrics.scores.table`."""


def description(tables: Iterable[Event], note: str = "") -> str:
    """The page of a run; `note` is one more sentence, behind the scores."""
    plain = [table for table in tables if not has_pictures(table)]
    scores = [table for table in plain if is_scores(table)]
    others = [table for table in plain if not is_scores(table)]
    parts = [*map(_headline, scores), note, *map(_markdown, [*scores, *others])]
    return "\n\n".join(part for part in parts if part)


def is_scores(table: Event) -> bool:
    """Whether a table is that of an `evaluate` stage."""
    return str(table["name"]).rpartition("/")[2] == SCORES


def has_pictures(table: Event) -> bool:
    """Whether some cells of a table are pictures."""
    return any(is_picture(cell) for row in table["rows"] for cell in row)


def is_picture(cell: Any) -> bool:
    """Whether a cell is `{"picture": PATH}`, a path that is relative to the pipeline's folder where it lies inside."""
    return isinstance(cell, dict) and isinstance(cell.get("picture"), str)


def headline(table: Event) -> list[tuple[str, str, str]]:
    """Each score of a table of scores as (metric, value, what a copy of the input has, or nothing)."""
    columns = {name: place for place, name in enumerate(table["columns"])}
    lines = []
    for row in table["rows"]:
        copy = row[columns["copy input"]] if "copy input" in columns else None
        score = row[columns["score"]] if "score" in columns else row[-1]
        lines.append((str(row[0]), number(score), "" if copy is None else number(copy)))
    return lines


def _headline(table: Event) -> str:
    parts = []
    for metric, value, copy in headline(table):
        parts.append(f"{metric} **{value}**" + (f" (copy of the input: {copy})" if copy else ""))
    stage = str(table["name"]).rpartition("/")[0]
    return f"{stage}: {', '.join(parts)}" if parts else ""


def _markdown(table: Event) -> str:
    head = " | ".join(table["columns"])
    lines = [f"**{table['name']}**", "", f"| {head} |", f"|{'---|' * len(table['columns'])}"]
    lines += [_row(row) for row in table["rows"]]
    return "\n".join(lines)


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    return "" if value is None else number(value).replace("|", "\\|")
