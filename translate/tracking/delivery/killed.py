"""Runs whose process was killed, so that nobody wrote their end: a store shows them as running for ever."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from translate.tracking.journal import Event, Journal, Runs, read

TAIL = 1 << 16
"""Bytes at the end of a journal in which its last events are looked for first."""
_BEHIND = frozenset({"file"})
"""Events that may stand behind the end of a run: its report."""


def has_killed(folder: Path) -> bool:
    """Whether a pipeline's folder has a run without an end: one that was killed, or one at work. Errors: DataError."""
    return any(_unended(Runs(folder)))


def end_killed(runs: Runs, besides: Collection[str] = (), done: str | None = None) -> dict[str, str]:
    """Writes the ends that are missing; returns how each such run ended, by its journal.

    A run is done where all of its stages are, or where its recipe is `done`, whose results the caller has seen; else it
    was stopped. Those in the journals `besides` are at work; the caller knows that nobody else works in the folder.
    Errors: OSError.
    """
    ended = {}
    for run in _unended(runs):
        if run["journal"] in besides:
            continue
        events = [event for event, _ in read(runs.journal(run))]
        status = "done" if run["recipe"] == done or _is_done(run, events) else "stopped"
        journal = Journal(runs.journal(run).parent)
        # the time of the last thing that it did, so that it did not take until now
        journal.append("end", status=status, t=events[-1]["t"])
        journal.flush()
        journal.close()
        ended[str(run["journal"])] = status
    return ended


def _unended(runs: Runs) -> Iterator[dict[str, Any]]:
    for run in runs:
        last = _last(runs.journal(run))
        if last is not None and last["e"] != "end":
            yield run


def _is_done(run: dict[str, Any], events: list[Event]) -> bool:
    """Whether all stages that a run was begun for are done. The record of a sweep has none, and knows no such thing."""
    wanted = [name for event in events if event["e"] == "start" for name in event.get("stages", ())]
    stages = run["stages"]
    return bool(wanted) and all(stages.get(name) == "done" for name in [*wanted, *stages])


def _last(path: Path) -> Event | None:
    """The last event of a journal that is no report of its run; None for an empty one."""
    last: Event | None = None
    size = path.stat().st_size if path.is_file() else 0
    for event, _ in read(path, max(0, size - TAIL)):  # which passes over the line that this begins amid
        last = event if event["e"] not in _BEHIND else last
    if last is None and size > TAIL:  # a very long event, or nothing but such
        for event, _ in read(path):
            last = event if event["e"] not in _BEHIND else last
    return last
