"""One conversion, from the plan to the last row: an engine does the work, and outputs get their names."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from translate.contracts import Console
from translate.conversion.backlog import Backlog
from translate.conversion.inputs.originals import Originals
from translate.conversion.inputs.own_files import check_rows, check_settings, clear_scratch
from translate.conversion.items import Engine, Item, Outcome, Row, make_row
from translate.conversion.journal import GROUP, Journal, merge
from translate.conversion.options import ConvertOptions
from translate.conversion.plan import Plan
from translate.conversion.summary import SHOWN, Summary, Tally
from translate.conversion.worker import Worker
from translate.errors import ConfigError, StageError
from translate.storage.atomic import replace
from translate.storage.filesystem import shortcomings

if TYPE_CHECKING:
    from translate.imaging.io import Image
    from translate.inference.translator import Translator


@dataclass(frozen=True)
class Conversion:
    """One conversion, ready to run; see `convert`. `settings`: what decides the outputs (None: it is not written).
    `ready`: outputs that were made to find a precision, by the name of their item."""

    work: Plan
    translator: Translator
    options: ConvertOptions
    console: Console
    settings: Row | None = None
    ready: Mapping[str, Image] = field(default_factory=dict)

    def run(self) -> Summary:
        """Errors: ConfigError (another conversion is at work there, or used other settings), StageError (disk full)."""
        began, tally = time.perf_counter(), Tally()
        total, _ = self.work.count()
        self.work.output.mkdir(parents=True, exist_ok=True)
        originals = Originals(self.work, self.options.originals)
        journal = self.journal()
        if journal:
            _check_own_files(journal, originals)
        with journal or nullcontext(), self._scratch() as scratch:
            for note in shortcomings(self.work.output) if self.settings else ():
                self.console.say(f"note: {note}")
            if journal and journal.resumed:
                self.console.say("an earlier conversion was stopped here; it goes on")
            engine = self._engine(scratch)
            outcomes = engine(Backlog(self.work, self.options, journal, originals).windows(tally))
            share = -(-total // self.options.shard[1])
            with self.console.progress("convert", share, unit="images") as progress:
                for window, ready in _groups(outcomes):
                    group = [_safe(outcome, originals) for outcome in ready]
                    if journal:
                        journal.write([o.row for o in group], window, sync=any(o.files for o in group))
                    for outcome in group:
                        if outcome.origin != "other":
                            self._finish(outcome, tally, originals)
                            failed = tally.statuses["failed"]
                            progress.advance(1, **({"failed": failed} if failed else {}))
        self._tell_more(tally, journal)
        results = self._joined() if journal else None
        return tally.summary(results, time.perf_counter() - began, self.settings or {})

    def preview(self) -> Iterator[tuple[Item, Row | None]]:
        """Each input that would be looked at, and its row where there is nothing left to do. Writes nothing.

        Errors: ConfigError, where an earlier conversion used other settings.
        """
        journal = self.journal()
        if journal and not self.options.overwrite and (changed := journal.changed()):
            raise ConfigError(f"{self.work.output}: holds images that were converted otherwise ({changed})")
        originals = Originals(self.work, self.options.originals)
        if journal:
            _check_own_files(journal, originals)
        for window in Backlog(self.work, self.options, journal, originals).windows(Tally()):
            yield from ((entry.item, entry.row) for entry in window if entry.origin != "other")

    def journal(self) -> Journal | None:
        """The rows of this shard."""
        path = journal_of(self.work, self.options)
        return Journal(path, self.settings, overwrite=self.options.overwrite) if path else None

    def _engine(self, scratch: Path) -> Engine:
        if self.options.engine == "ray":
            from translate.conversion.ray_backend import ray_engine  # an extra

            return ray_engine(self.translator, self.options, self.work.output, scratch)
        return Worker(self.translator, self.options, self.work.output, scratch, self.ready).run

    def _finish(self, outcome: Outcome, tally: Tally, originals: Originals) -> None:
        """Names the outputs, whose row is written, and counts."""
        for file, target in outcome.files:
            if reason := originals.refusal(target):  # of a link that has come up since a moment ago
                raise StageError(f"{reason}; start again to go on without it")
            tally.bytes += _place(file, target, outcome.replace)
        notes = len(tally.oddities)
        told = tally.add(outcome)
        for name, note in tally.oddities[notes:]:
            self.console.say(shown(f"note: {name}: odd, and read all the same: {note}"))
        if told:
            name, reason, kind = outcome.row["input"], outcome.row["reason"], outcome.row.get("kind")
            self.console.warn(shown(f"{name}: {reason}" if not kind or kind in reason else f"{name}: {kind}: {reason}"))

    def _tell_more(self, tally: Tally, journal: Journal | None) -> None:
        for status, what in (("failed", "failed"), ("skipped", "were skipped")):
            more = tally.statuses[status] - SHOWN
            if more > 0:
                self.console.warn(f"{more} more images {what}" + (f"; see {journal.path}" if journal else ""))

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for outputs without a name, on the same disk; what a killed conversion left there goes away."""
        journal = journal_of(self.work, self.options)
        if journal is None:
            with tempfile.TemporaryDirectory(prefix=".translate-", dir=self.work.output) as temporary:
                yield Path(temporary)
            return
        folder = self.work.output / f".{journal.stem}.scratch"
        clear_scratch(folder)
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _joined(self) -> Path:
        """The journal of all, which the last of several shards makes of theirs."""
        assert self.work.journal is not None
        number, of = self.options.shard
        parts = [_of_shard(self.work.journal, n, of) for n in range(1, of + 1)]
        if of == 1 or not all(part.is_file() for part in parts):
            return parts[number - 1]
        merge(parts, self.work.journal)
        return self.work.journal


def journal_of(work: Plan, options: ConvertOptions) -> Path | None:
    """Where the rows of this shard go; None where none are kept."""
    return _of_shard(work.journal, *options.shard) if work.journal else None


def _of_shard(journal: Path, number: int, of: int) -> Path:
    return journal if of == 1 else journal.with_name(f"{journal.stem}.{number}-of-{of}{journal.suffix}")


def _groups(outcomes: Iterator[Sequence[Outcome]]) -> Iterator[tuple[int, list[Outcome]]]:
    """At most `GROUP` outcomes of one window, with its number, as soon as the engine has them."""
    for batch in outcomes:
        for window, of_window in groupby(batch, key=lambda outcome: outcome.window):
            ready = list(of_window)
            for at in range(0, len(ready), GROUP):
                yield window, ready[at : at + GROUP]


def _check_own_files(journal: Journal, originals: Originals) -> None:
    """Errors: ConfigError where a file that the conversion would write beside its outputs is somebody else's."""
    joined = originals.work.journal
    assert joined is not None, "where there is a journal, there is one of all shards"
    for path in (*journal.files, joined):
        originals.check_own(path)
    check_settings(journal.settings_file)
    if not journal.settings_file.exists():  # beside which rows may be damaged
        check_rows(journal.path)
        check_rows(journal.partial)
    if joined != journal.path:
        check_rows(joined)


def _safe(outcome: Outcome, originals: Originals) -> Outcome:
    """The outcome, or that its image failed, where a link leads one of its outputs astray since it was planned."""
    for _, target in outcome.files:
        if reason := originals.refusal(target):
            for file, _ in outcome.files:
                file.unlink(missing_ok=True)
            kept = {key: outcome.row[key] for key in ("source", "seconds")}
            row = make_row(Item(outcome.row["input"], Path()), "failed", reason, **kept)
            return Outcome(row, window=outcome.window)
    return outcome


def _place(file: Path, target: Path, may_replace: bool) -> int:
    """Gives an output its name; its bytes."""
    size = file.stat().st_size
    if not may_replace and os.path.lexists(target):
        raise StageError(f"{target}: somebody else has written it in the meantime; start again to go on without it")
    replace(file, target)
    return size


def shown(text: str) -> str:
    """A text that any terminal can show in one line, whatever is in the names of files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
