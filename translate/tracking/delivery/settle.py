"""What a run that has nothing to do does for earlier ones that were killed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import TranslateError
from translate.tracking.delivery.killed import end_killed
from translate.tracking.delivery.sync import sync
from translate.tracking.journal import Journal, Runs
from translate.tracking.reports.report import write_report

if TYPE_CHECKING:
    from translate.contracts import Console


def settle(runs: Runs, done: str, at_work: Collection[str], console: Console, *, send: bool) -> None:
    """Ends the records of killed runs, with the report that they lack, and sends them (`send`).

    The caller has seen the results of the recipe `done`, and works in the folder alone, for the journals `at_work`.
    Errors: OSError; TranslateError where the store does not answer.
    """
    ended = end_killed(runs, at_work, done)
    for name, status in ended.items():
        console.say(f"tracking: {Path(name).name} was killed before its end; it is recorded as {status}")
        journal = Journal(runs.folder / name)
        try:
            report = write_report(runs.folder)
            journal.append("file", path=report.relative_to(runs.folder).as_posix(), folder="")
        except (TranslateError, OSError) as error:
            console.warn(f"no report: {error}")
        journal.close()
    if ended and send:
        sync(runs.folder, console)
