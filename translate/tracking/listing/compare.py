"""A table over runs: what each was, its scores, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from translate.text import duration, number
from translate.tracking.listing.records import RunRecord, Score

Table = tuple[list[str], list[list[Any]]]


def listed(records: Sequence[RunRecord]) -> Table:
    """One row for each run, the newest last; the runs of a sweep stand below it."""
    rows = []
    for record in _grouped(records):
        when = datetime.fromtimestamp(record.started / 1000).strftime("%Y-%m-%d %H:%M")
        method = f"sweep of {len(record.members)}" if record.members else record.method
        took = duration(record.seconds)
        rows.append([_indented(record), record.state, when, took, method or None, record.data or None, _best(record)])
    return ["run", "state", "started", "time", "method", "data", "score"], rows


def compared(records: Sequence[RunRecord]) -> Table:
    """One row for each run: state, method, data, steps, scores with their intervals, and what they differ in."""
    scores = _ordered(record.scores for record in records)
    keys = differing(records)
    columns = ["run", "state", "method", "data", "steps", *_short(scores), *_short(keys)]
    rows = []
    for record in records:
        about = [record.member or record.name, record.state, record.method or None, record.data or None, record.steps]
        cells = [_with_interval(record.scores.get(name)) for name in scores]
        rows.append([*about, *cells, *(record.settings.get(key) for key in keys)])
    return columns, rows


def differing(records: Sequence[RunRecord]) -> list[str]:
    """The settings that are not the same in all runs, in their order.

    One that only some runs have is none where the others lack its stage, or use another method or part there: the name
    of that part is.
    """
    keys = _ordered(record.settings for record in records)
    return [key for key in keys if _differs(key, [record.settings for record in records])]


def _differs(key: str, settings: Sequence[Mapping[str, str]]) -> bool:
    values = {each.get(key) for each in settings}
    if len(values) < 2:
        return False
    if None not in values:
        return True
    alike: dict[tuple[str | None, ...], set[str | None]] = {}
    for each in settings:
        alike.setdefault(_parts(key, each), set()).add(each.get(key))
    return any(len(group) > 1 for group in alike.values())


def _parts(key: str, settings: Mapping[str, str]) -> tuple[str | None, ...]:
    """What the parts of a run are that a setting belongs to: its stage, method, network or metric."""
    words = key.split(".")
    above = [".".join(words[:length]) for length in range(1, len(words) - 1)]
    named = [f"{name}.{word}" for name in [*above, ".".join(words[:-1])] for word in ("uses", "method")]
    return (settings.get(f"{words[0]}.uses"), *(settings.get(name) for name in named if name != key))


def to_json(records: Sequence[RunRecord]) -> dict[str, Any]:
    """The comparison as plain data; `settings` are those that differ."""
    keys = differing(records)
    runs = [
        {**record.to_json(), "settings": {key: record.settings[key] for key in keys if key in record.settings}}
        for record in records
    ]
    return {"differing": keys, "runs": runs}


def _grouped(records: Sequence[RunRecord]) -> Iterable[RunRecord]:
    for record in records:
        if record.sweep:
            continue
        yield record
        yield from (each for each in records if each.name in record.members)


def _indented(record: RunRecord) -> str:
    return f"  {record.name} {record.member}".rstrip() if record.sweep else record.name


def _best(record: RunRecord) -> str | None:
    """The first score of a run: that of its last `evaluate`, else of its training."""
    names = list(record.scores)
    scored = [name for name in names if "/val/" not in name] or names
    if not scored:
        return None
    cell = _with_interval(record.scores[scored[0]])
    return f"{scored[0]} {cell if isinstance(cell, str) else number(cell)}"


def _with_interval(score: Score | None) -> Any:
    if score is None:
        return None
    return f"{number(score.value)} ({score.interval})" if score.interval else score.value


def _ordered(names: Iterable[Iterable[str]]) -> list[str]:
    """All names, each once, in the order in which they first stand."""
    ordered: dict[str, None] = {}
    for each in names:
        ordered |= dict.fromkeys(each)
    return list(ordered)


def _short(names: Sequence[str]) -> list[str]:
    """Names without what comes before their last dot or slash, where they stay different."""
    last = [name.replace(".", "/").rpartition("/")[2] for name in names]
    return [short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)]
