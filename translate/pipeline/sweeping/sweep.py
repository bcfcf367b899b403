"""Runs a pipeline once for each combination of some values; an error in one run does not stop the others.

All runs work in the pipeline's folder: what two of them share, such as prepared data, is made once, and a sweep that
was stopped goes on where it was when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from translate.contracts import Console
from translate.errors import Stopped, TranslateError
from translate.pipeline.runner import Result
from translate.pipeline.sweeping import comparison
from translate.pipeline.sweeping.axes import Axis, Child
from translate.pipeline.sweeping.comparison import Outcome
from translate.tracking.sweep import Member, SweepRecord

RunOne = Callable[[Child, Member], Result]
"""Runs the pipeline with the values of one child, as a member of the sweep's record."""


@dataclass(frozen=True)
class SweepResult:
    """The runs of a sweep with how each ended, and the page that compares them."""

    folder: Path
    outcomes: tuple[Outcome, ...]
    page: Path

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The runs that ended with an error."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


@dataclass
class Sweep:
    """A sweep over `axes` in the pipeline's folder. The record is the parent of the records of its runs."""

    folder: Path
    axes: Sequence[Axis]
    children: Sequence[Child]
    record: SweepRecord
    console: Console

    def run(self, run_one: RunOne) -> SweepResult:
        """Runs every child, and compares them. What asks to stop ends the sweep, once its table is written."""
        outcomes = [Outcome(child) for child in self.children]
        self.record.begin({axis.written: ", ".join(axis.values) for axis in self.axes})
        status: Literal["done", "failed", "stopped"] = "stopped"
        try:
            for position, outcome in enumerate(outcomes, 1):
                self.console.say(f"run {position} of {len(outcomes)}: {outcome.child.name}")
                self._run(outcome, run_one)
                comparison.write(self.folder, self.axes, outcomes)
            status = "failed" if any(outcome.state == "failed" for outcome in outcomes) else "done"
        finally:
            page = comparison.write(self.folder, self.axes, outcomes)
            self.record.end(status, *comparison.compared(self.axes, outcomes), page)
        self._tell(outcomes, page)
        return SweepResult(self.folder, tuple(outcomes), page)

    def _run(self, outcome: Outcome, run_one: RunOne) -> None:
        child = outcome.child
        member = Member(self.record.journal, child.name, dict(child.values))
        try:
            result = run_one(child, member)
        except (KeyboardInterrupt, Stopped):
            outcome.state = "stopped"
            raise
        except (Exception, SystemExit) as error:
            told = isinstance(error, TranslateError)
            outcome.state, outcome.error = "failed", str(error) if told else f"{type(error).__name__}: {error}"
            self.console.warn(f"{child.name}: {outcome.error}")
        else:
            outcome.state = "done"
            outcome.read(result.stages)

    def _tell(self, outcomes: Sequence[Outcome], page: Path) -> None:
        self.console.table("", *comparison.compared(self.axes, outcomes))
        means = comparison.over_seeds(self.axes, outcomes)
        if means and means[1]:
            self.console.table("over seeds", *means)
        failed = sum(outcome.state == "failed" for outcome in outcomes)
        if failed:
            self.console.warn(f"{failed} of {len(outcomes)} runs failed; the same command tries them again")
        self.console.say(f"  {page.as_posix()}")
