"""`report.html`: the record of a pipeline as one file that needs no network and no server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from translate.imaging.thumbnail import data_uri
from translate.storage.atomic import write_text
from translate.text import number
from translate.tracking.reports import charts
from translate.tracking.reports.pictures import Pair, pairs, spread
from translate.tracking.reports.record import Record, StageRecord, gather, rows_of

SAMPLES = 24
"""Steps of a sample grid that are shown, at most."""
GRID_SIDE, PAIR_SIDE = 1000, 512
PAIRS = 8
BUDGET = 8_000_000
"""Bytes of sample grids in a report, at most, all keys together."""


def write_report(folder: Path) -> Path:
    """Writes `report.html` into a pipeline's folder from its journals, sample pictures and converted images.

    It can be written again at any time. Errors: ConfigError where nothing was tracked, DataError for a damaged picture.
    """
    record = gather(folder)
    converted = dict(pairs(folder, PAIRS))
    scored = {name for name, stage in record.stages.items() if stage.curves}
    parts = [
        _header(record),
        _stages(record),
        *_tables(record, scored),
        *(_pairs(stage, examples) for stage, examples in converted.items()),
        _samples(record, converted),
        *(_curves(stage) for stage in record.stages.values()),
        *_tables(record, set(record.stages) - scored),
        _settings(record.settings),
    ]
    fills = {"title": escape(record.pipeline), "body": "\n".join(parts)}
    margins = {"left": charts.LEFT, "right": charts.RIGHT, "top": charts.TOP, "bottom": charts.BOTTOM}
    page = files("translate.tracking.reports").joinpath("page.html").read_text(encoding="utf-8")
    for name, text in (margins | fills).items():
        page = page.replace(f"<!--{name}-->", str(text))
    path = folder / "report.html"
    write_text(path, page)
    return path


def _header(record: Record) -> str:
    when = datetime.fromtimestamp(record.ended / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"<header><h1>{escape(record.pipeline)}</h1><span class='badge {record.status}'>{record.status}</span>"
        f"<small>{when} · recipe {escape(record.recipe[:8])} · {escape(record.folder.name)}</small></header>"
    )


def _stages(record: Record) -> str:
    rows = []
    for stage in record.stages.values():
        steps = max((max(curve) for curve in stage.curves.values()), default=0)
        notes = [f"{steps:,} steps"] if steps > 1 else []
        notes += [f"{name} {value}" for name, value in stage.notes.items()]
        if not stage.tables:
            singles = ((name, curve) for name, curve in stage.curves.items() if len(curve) == 1)
            notes += [f"{name} {number(next(iter(curve.values())))}" for name, curve in singles]
        rows.append([stage.name, stage.status, _duration(stage.seconds), " · ".join(notes)])
    return f"<section><h2>Stages</h2>{_table(['stage', 'status', 'time', ''], rows)}</section>"


def _tables(record: Record, names: Set[str]) -> Iterator[str]:
    for stage in record.stages.values():
        for name, table in stage.tables.items() if stage.name in names else ():
            yield f"<section><h2>{escape(stage.name)}: {escape(name)}</h2>{_table(*rows_of(table))}</section>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; columns that hold numbers are flush right."""
    numeric = [_is_numeric(rows, index) for index in range(len(columns))]

    def line(tag: str, cells: Iterable[Any]) -> str:
        shown = (f"<{tag}{' class=n' if n else ''}>{_cell(c)}</{tag}>" for c, n in zip(cells, numeric, strict=True))
        return f"<tr>{''.join(shown)}</tr>"

    return f"<div class=wide><table>{line('th', columns)}{''.join(line('td', row) for row in rows)}</table></div>"


def _is_numeric(rows: Sequence[Sequence[Any]], index: int) -> bool:
    return any(isinstance(row[index], (int, float)) for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return "&ndash;"
    return number(value) if isinstance(value, float) else escape(str(value))


def _pairs(stage: str, examples: Sequence[Pair]) -> str:
    shown = [_compare(pair, hidden=index > 0) for index, pair in enumerate(examples)]
    thumbs = "".join(
        f"<button aria-pressed={'true' if index == 0 else 'false'} title='{escape(pair.name)}'>"
        f"<img src='{data_uri(pair.after, 96)}' alt='{escape(pair.name)}'></button>"
        for index, pair in enumerate(examples)
    )
    title = f"<h2>{escape(stage)}: before and after</h2>"
    return f"<section class=pairs>{title}{''.join(shown)}<div class=thumbs>{thumbs}</div></section>"


def _compare(pair: Pair, hidden: bool) -> str:
    target = ""
    if pair.target and pair.target.is_file():
        picture = f"<img src='{data_uri(pair.target, PAIR_SIDE)}' alt='truth'>"
        target = f"<figure class=truth>{picture}<figcaption>truth</figcaption></figure>"
    return (
        f"<div class=compare{' hidden' if hidden else ''}><figure><div class=split>"
        f"<img src='{data_uri(pair.after, PAIR_SIDE)}' alt='after'>"
        f"<img class=over src='{data_uri(pair.before, PAIR_SIDE)}' alt='before'>"
        "<b class=l>before</b><b class=r>after</b>"
        "<input type=range min=0 max=100 value=50 aria-label='before or after'></div>"
        f"<figcaption>{escape(pair.name)}</figcaption></figure>{target}</div>"
    )


def _samples(record: Record, converted: Collection[str]) -> str:
    """The grids of fixed inputs over the steps; a stage whose results are compared above needs none."""
    series: dict[str, dict[int, Path]] = {}
    for stage in record.stages.values():
        for key, steps in stage.images.items() if stage.name not in converted else ():
            pictures = {step: path for step, path in sorted(steps.items()) if path.is_file()}
            if pictures:
                series[f"{stage.name}: {key}"] = pictures
    if not series:
        return ""
    sliders = (_slider(title, pictures, BUDGET // len(series)) for title, pictures in series.items())
    return f"<section><h2>Samples</h2><div class=sliders>{''.join(sliders)}</div></section>"


def _slider(title: str, pictures: dict[int, Path], budget: int) -> str:
    # the grids of a series are about equally large, so the last tells how many of them the budget allows
    last = data_uri(pictures[max(pictures)], GRID_SIDE)
    chosen = spread(list(pictures), max(2, min(SAMPLES, budget // len(last))))
    images = "".join(
        f"<img{' hidden' if step != chosen[-1] else ''} alt='step {step:,}' src='"
        f"{last if step == chosen[-1] else data_uri(pictures[step], GRID_SIDE)}'>"
        for step in chosen
    )
    end = len(chosen) - 1
    bar = f"<input type=range min=0 max={end} value={end} aria-label=step>" if end else ""
    return (
        f"<figure class=steps><figcaption>{escape(title)}</figcaption>"
        f"<div class=bar>{bar}<output>step {chosen[-1]:,}</output></div>{images}</figure>"
    )


def _curves(stage: StageRecord) -> str:
    """The curves of a stage with more than one point, grouped by what stands before the last slash."""
    groups: dict[str, list[str]] = {}
    for name, curve in stage.curves.items():
        if len(curve) > 1:
            group, _, rest = name.rpartition("/")
            groups.setdefault(group, []).append(charts.chart(rest, curve))
    if not groups:
        return ""
    parts = [
        (f"<h3>{escape(group)}</h3>" if group else "") + f"<div class=charts>{''.join(groups[group])}</div>"
        for group in sorted(groups)
    ]
    return f"<section><h2>{escape(stage.name)}: curves</h2>{''.join(parts)}</section>"


def _settings(path: Path) -> str:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return f"<section><details><summary>Resolved pipeline</summary><pre>{escape(text)}</pre></details></section>"


def _duration(seconds: float) -> str:
    """A time to read in a sentence: `1 h 02 min`, `3 min 07 s` or `7.2 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"
