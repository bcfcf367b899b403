"""`report.html`: the record of a pipeline as one file that needs no network and no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from translate.errors import TranslateError
from translate.imaging.thumbnail import thumbnail
from translate.storage.atomic import write_text
from translate.text import number
from translate.tracking.browsing.description import has_pictures, is_picture
from translate.tracking.reports import charts
from translate.tracking.reports.pictures import Pair, pairs, versions
from translate.tracking.reports.record import Record, StageRecord, gather, rows_of
from translate.tracking.reports.steps import series, slider
from translate.tracking.reports.verdict import BASELINES, Scored, scored, sentences
from translate.webpages.document import document, part
from translate.webpages.elements import Html, img, table, text, wipe

PAIR_SIDE, THUMB, CASE_SIDE = 512, 96, 256
"""Pixels of the longer side of pictures: of a pair, of the button that chooses it, and of a case in a table."""
PAIRS = 8
TILES = 4
"""Scores that are shown in large letters."""
BUDGET = 8_000_000
"""Bytes of sample grids in a report, at most, all keys together."""
SHOWN_ELSEWHERE = "images"
"""A table whose pictures are those of the pairs."""
FOLDED = ("grad_norm", "seconds")
"""Groups of curves that are folded up: one looks at them when something is wrong."""
PACKAGE = "translate.tracking.reports"


def write_report(folder: Path) -> Path:
    """Writes `report.html` into a pipeline's folder from its journals, sample pictures and converted images.

    It can be written again at any time. Errors: ConfigError where nothing was tracked, DataError for a damaged picture.
    """
    record = gather(folder)
    converted = dict(pairs(folder, PAIRS))
    shown = series(record, converted)
    grids = [slider(*one, BUDGET // len(shown)) for one in shown]
    compared = [stage for stage in sorted(converted, key=[*record.stages, *converted].index) if converted[stage]]
    first, *others = compared or [""]
    parts = [
        _header(record),
        _top(record, first, converted.get(first, []), grids),
        *(_section(f"{stage}: before and after", _pairs(converted[stage])) for stage in others),
        *_tables(record, scoring=True),
        _section("Samples", f'<div class="sliders">{"".join(grids)}</div>') if grids and first else "",
        *(_curves(stage) for stage in record.stages.values()),
        _stages(record),
        *_tables(record, scoring=False),
        _environment(record),
        _settings(record.settings),
    ]
    margins = {"left": charts.LEFT, "right": charts.RIGHT, "top": charts.TOP, "bottom": charts.BOTTOM}
    script = f"const plot = {margins};\n{part('page.js', PACKAGE)}"
    body = "\n".join(filter(None, parts))
    path = folder / "report.html"
    write_text(path, document(record.pipeline, body, style=part("page.css", PACKAGE), script=script))
    return path


def _section(title: str, content: str) -> str:
    return f"<section><h2>{text(title)}</h2>{content}</section>"


def _header(record: Record) -> str:
    when = datetime.fromtimestamp(record.ended / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'<header><h1>{text(record.pipeline)}</h1><span class="badge {record.status}">{record.status}</span>'
        f"<small>{when} · recipe {text(record.recipe[:8])} · {text(record.folder.name)}</small></header>"
    )


def _top(record: Record, stage: str, examples: Sequence[Pair], grids: Sequence[str]) -> str:
    """The first screen: the verdict and the scores beside the first picture."""
    said = "".join(f"<p>{text(line)}</p>" for line in sentences(record))
    best = [score for each in record.stages.values() for score in scored(each)][:TILES]
    tiles = "".join(_tile(score) for score in best)
    words = f'<div class="verdict"><h2>Verdict</h2>{said}</div>'
    numbers = f'<dl class="tiles">{tiles}</dl>' if tiles else ""
    picture = ""
    if examples:
        picture = f'<div class="first"><h2>{text(stage)}: before and after</h2>{_pairs(examples)}</div>'
    elif grids:
        picture = f'<div class="first"><h2>Samples</h2>{"".join(grids)}</div>'
    return f'<section class="top">{words}{picture}{numbers}</section>'


def _tile(score: Scored) -> str:
    beside = [f"{BASELINES[name]}: {number(value)}" for name, value in score.baselines.items()]
    if score.interval:
        beside.insert(0, f"95 %: {score.interval}")
    arrow = f", {score.better} is better" if score.better else ""
    notes = "".join(f'<dd class="soft">{text(line)}</dd>' for line in beside)
    return f"<div><dt>{text(score.metric)}{arrow}</dt><dd><strong>{number(score.value)}</strong></dd>{notes}</div>"


def _pairs(examples: Sequence[Pair]) -> str:
    shown = [_compare(pair, hidden=index > 0) for index, pair in enumerate(examples)]
    if len(examples) < 2:
        return "".join(shown)
    thumbs = []
    for index, pair in enumerate(examples):
        picture = img(thumbnail(pair.after, THUMB), pair.name)
        thumbs.append(f'<button type="button" aria-pressed="{str(index == 0).lower()}">{picture}</button>')
    return f'<div class="pairs">{"".join(shown)}<div class="thumbs controls">{"".join(thumbs)}</div></div>'


def _compare(pair: Pair, *, hidden: bool) -> str:
    target = ""
    if pair.target and pair.target.is_file():
        picture = img(thumbnail(pair.target, PAIR_SIDE), "truth")
        target = f'<figure class="truth">{picture}<figcaption>truth</figcaption></figure>'
    divider = wipe(thumbnail(pair.before, PAIR_SIDE), thumbnail(pair.after, PAIR_SIDE), pair.name)
    return (
        f'<div class="compare"{" hidden" if hidden else ""}><figure>{divider}'
        f"<figcaption>{text(pair.name)}</figcaption></figure>{target}</div>"
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
    return _section("Stages", table(["stage", "status", "time", "notes"], rows, "stages"))


def _tables(record: Record, *, scoring: bool) -> Iterator[str]:
    """The tables of stages that score, or of the others; of those with pictures the first alone is not folded up."""
    pictured = 0
    for stage in record.stages.values():
        for name, event in stage.tables.items():
            repeated = name == SHOWN_ELSEWHERE and has_pictures(event)
            if bool(stage.curves) == scoring and not repeated:
                columns, rows = rows_of(event)
                cells = [_row(row, columns, record.folder) for row in rows]
                title = f"{stage.name}: {name}"
                content = table(columns, cells, title)
                pictured += has_pictures(event)
                if has_pictures(event) and pictured > 1:
                    content = f"<details><summary>{len(rows)} rows</summary>{content}</details>"
                yield _section(title, content)


def _row(row: Sequence[Any], columns: Sequence[str], folder: Path) -> list[Any]:
    return [_cell(cell, f"{row[0]}, {column}", folder) for cell, column in zip(row, columns, strict=True)]


def _cell(cell: Any, column: str, folder: Path) -> Any:
    """A cell of a journaled table; a picture whose file is gone is empty."""
    if not is_picture(cell):
        return cell
    path = folder / cell["picture"]
    if not path.is_file():
        path = Path(str(path).replace(".partial", "", 1))
    try:
        return Html(img(thumbnail(path, CASE_SIDE), column))
    except TranslateError:
        return None


def _curves(stage: StageRecord) -> str:
    """The curves of a stage with more than one point, by what stands before the last slash: validations first."""
    groups: dict[str, list[str]] = {}
    for name, curve in stage.curves.items():
        if len(curve) > 1:
            group, _, rest = name.rpartition("/")
            groups.setdefault(group, []).append(charts.chart(rest, curve, stage.kept if _validates(group) else None))
    if not groups:
        return ""
    parts = [_group(name, groups[name]) for name in sorted(groups, key=_rank)]
    return _section(f"{stage.name}: curves", "".join(parts))


def _validates(group: str) -> bool:
    return group == "val" or group.startswith("val/")


def _rank(group: str) -> tuple[bool, bool, str]:
    return not _validates(group), group.partition("/")[0] in FOLDED, group


def _group(name: str, drawn: Sequence[str]) -> str:
    content = f'<div class="charts">{"".join(drawn)}</div>'
    if name.partition("/")[0] in FOLDED:
        return f"<details><summary>{text(name)}</summary>{content}</details>"
    return (f"<h3>{text(name)}</h3>" if name else "") + content


def _environment(record: Record) -> str:
    """What the results were made with: versions of Python, libraries and plugins, the device, the commit."""
    found: Mapping[str, str] = versions(record.folder)
    rows = [[name, version] for name, version in found.items()]
    for name, value in record.tags.items():
        known = name.startswith("version/") and name.removeprefix("version/")
        if known and known not in found:
            rows.append([known, value])
        elif name == "mlflow.source.git.commit":
            rows.append(["git commit", value])
    for stage in record.stages.values():
        if "device" in stage.notes:
            rows.append([f"device of {stage.name}", stage.notes["device"]])
    return _section("Environment", table(["what", "version"], rows, "environment")) if rows else ""


def _settings(path: Path) -> str:
    content = path.read_text(encoding="utf-8") if path.is_file() else ""
    code = f'<div class="wide" tabindex="0" role="region" aria-label="pipeline file"><pre>{text(content)}</pre></div>'
    return f"<section><h2>Pipeline</h2><details><summary>Resolved pipeline file</summary>{code}</details></section>"


def _duration(seconds: float) -> str:
    """A time to read in a sentence: `1 h 02 min`, `3 min 07 s` or `7.2 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"
