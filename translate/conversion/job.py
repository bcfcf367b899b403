"""One conversion, from the plan to the last row: what is left to do, what was done, and where it is written down."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from translate.contracts import Console
from translate.conversion.journal import GROUP, Journal, Row, merge, side_by_side
from translate.conversion.plan import Item, Plan
from translate.conversion.report import write_contact
from translate.conversion.worker import Entry, Options, Outcome, Worker, row
from translate.errors import ConfigError, StageError
from translate.storage.atomic import sha256_file

if TYPE_CHECKING:
    from translate.inference.translator import Translator

SHOWN = 10
"""Failures that are told at the terminal; all of them are in the results."""
LOST = 60 * 10**9
"""Nanoseconds before a power cut from which on what was written may not be on the disk."""
WINDOW = 32
"""Images among which batches are made."""
Engine = Callable[[Iterable[Sequence[Entry]]], Iterator[list[Outcome]]]
"""Does the work: an outcome of each entry, in any order within a window, those of a window before those of the next."""


@dataclass(frozen=True)
class Summary:
    """How a conversion ended. `failures` are the first (name, reason); `ignored` counts files that are no images, or
    hidden; `kept` how many of the `done` an earlier conversion had done. `bytes` of what was written.

    `diversity`: of several samples, the mean distance between two of the same image (see `samples.diversity`).
    """

    done: int
    failed: int
    skipped: int
    ignored: int = 0
    kept: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    journal: Path | None = None
    contact: Path | None = None
    diversity: float | None = None
    seconds: float = 0.0
    bytes: int = 0

    @property
    def rate(self) -> float | None:
        """Images per second of those that were converted now."""
        new = self.done - self.kept
        return new / self.seconds if new and self.seconds else None


@dataclass
class Conversion:
    """One conversion, from the plan to the last row; see `convert`."""

    work: Plan
    translator: Translator
    options: Options
    console: Console
    settings: Row | None = None
    overwrite: bool = False
    retry_failed: bool = False
    verify: bool = False
    shard: tuple[int, int] = (1, 1)
    page: bool = True
    engine: Callable[[Translator, Options, Path, Path], Engine] | None = None
    _seen: int = 0
    _ignored: int = 0
    _lengths: deque[int] = field(default_factory=deque)
    _failures: list[tuple[str, str]] = field(default_factory=list)
    _diversities: list[float] = field(default_factory=list)

    def run(self) -> Summary:
        """Errors: ConfigError (another conversion is at work there, or used other settings), StageError (disk full)."""
        work, began = self.work, time.perf_counter()
        total, _ = work.count()
        self._seen = self._ignored = kept = written = 0
        self._lengths.clear()
        work.output.mkdir(parents=True, exist_ok=True)
        self.translator.tiler.tell = self.console.warn
        counts = dict.fromkeys(("done", "failed", "skipped"), 0)
        journal = self.journal()
        with journal or nullcontext(), self._scratch() as scratch:
            if journal and journal.resumed:
                self.console.say("an earlier conversion was stopped here; it goes on")
            engine = (self.engine or _local)(self.translator, self.options, work.output, scratch)
            share = -(-total // self.shard[1])
            with self.console.progress("convert", share, unit="images") as progress:
                for window, group in self._groups(engine(self._windows(journal))):
                    if journal:
                        journal.write([o.row for o in group], window, sync=any(outcome.files for outcome in group))
                    for outcome in group:
                        if outcome.origin == "other":
                            continue
                        written += sum(_place(file, target, outcome.replace) for file, target in outcome.files)
                        counts[outcome.row["status"]] += 1
                        kept += outcome.origin == "kept" and outcome.row["status"] == "done"
                        self._note(outcome.row)
                        progress.advance(1, failed=counts["failed"])
        assert sum(counts.values()) == self._seen, f"{self._seen} inputs, but {counts}"
        if counts["failed"] > SHOWN:
            where = f"; see {journal.path}" if journal else ""
            self.console.warn(f"{counts['failed'] - SHOWN} more images failed{where}")
        summary = Summary(
            done=counts["done"],
            failed=counts["failed"],
            skipped=counts["skipped"],
            ignored=self._ignored,
            kept=kept,
            failures=tuple(self._failures),
            journal=self._joined() if journal else None,
            diversity=sum(self._diversities) / len(self._diversities) if self._diversities else None,
            seconds=time.perf_counter() - began,
            bytes=written,
        )
        if self.page and summary.journal:
            summary = replace(summary, contact=write_contact(summary, work.root, work.output))
        return summary

    def preview(self) -> Iterator[tuple[Item, Row | None]]:
        """Each input that would be looked at, and its row where there is nothing left to do. Writes nothing.

        Errors: ConfigError, where an earlier conversion used other settings.
        """
        journal = self.journal()
        if journal and not self.overwrite and (changed := journal.changed()):
            raise ConfigError(f"{self.work.output}: holds images that were converted otherwise ({changed})")
        for window in self._windows(journal):
            yield from ((entry.item, entry.row) for entry in window if entry.origin != "other")

    def journal(self) -> Journal | None:
        """The rows of this shard."""
        if self.work.journal is None:
            return None
        return Journal(_of_shard(self.work.journal, *self.shard), self.settings, overwrite=self.overwrite)

    # ------------------------------------------------------------------------------------------------ what is to do

    def _windows(self, journal: Journal | None) -> Iterator[list[Entry]]:
        """The windows of entries that are this shard's, and their lengths in `_lengths`."""
        for number, window in enumerate(self._all_windows(journal)):
            if number % self.shard[1] == self.shard[0] - 1:
                self._seen += sum(entry.origin != "other" for entry in window)
                self._lengths.append(len(window))
                yield window

    def _all_windows(self, journal: Journal | None) -> Iterator[list[Entry]]:
        images = 0
        window: list[Entry] = []
        known = journal.known() if journal else ()
        for item, found in side_by_side(self.work.items, known, whole=self.work.whole):
            if item is None and found is None:
                self._ignored += 1
            elif item is None:
                assert found is not None
                window.append(Entry(Item(found["input"], Path()), found, origin="other"))
            else:
                window.append(self._entry(item, found, journal))
                images += 1
            if images == WINDOW:
                yield window
                images, window = 0, []
        if window:
            yield window

    def _entry(self, item: Item, found: Row | None, journal: Journal | None) -> Entry:
        """What is left to do for an item of which a row may be known."""
        if item.reason:
            return Entry(item, row(item, "failed", item.reason))
        targets = self.work.targets(item)
        there = [target.exists() for target in targets]
        ours = found is not None and found["status"] == "done" and _names(found) == _names_of(targets, self.work.output)
        if found is not None and found["status"] == "failed" and not (self.retry_failed or self.overwrite):
            return Entry(item, found, origin="kept")
        if journal is not None and found is not None and ours and all(there):
            return self._standing(item, found, targets, journal)
        if any(there) and not (ours or self.overwrite):
            taken = next(target for target, is_there in zip(targets, there, strict=True) if is_there)
            name = taken.relative_to(self.work.output).as_posix()
            why = f"{name} is there, and this conversion did not write it; --overwrite replaces it"
            return Entry(item, row(item, "skipped", why))
        return Entry(item, replace=ours or self.overwrite)

    def _standing(self, item: Item, found: Row, targets: Sequence[Path], journal: Journal) -> Entry:
        """An item whose output was written by an earlier conversion and is there, perhaps changed since then."""
        written = [target.stat().st_mtime_ns for target in targets]
        lost = journal.resumed and journal.written - LOST < max(written) <= journal.written
        if (lost or item.name in journal.last) and not _as_written(found, targets):
            return Entry(item, replace=True)
        newer = _written(item.source) > min(written)
        if (newer or self.verify or max(written) > journal.written) and not _as_written(found, targets):
            why = f"{_names(found)[0]} was changed since it was written; --overwrite replaces it"
            told = row(item, "failed" if self.verify else "skipped", why)
            return Entry(item, {**told, "output": found["output"]})
        return Entry(item, replace=True) if newer else Entry(item, found, origin="kept")

    # --------------------------------------------------------------------------------------------------- what was done

    def _groups(self, found: Iterable[Sequence[Outcome]]) -> Iterator[tuple[int, list[Outcome]]]:
        """At most `GROUP` outcomes of one window, with its number."""
        window = done = 0
        for outcomes in found:
            rest = iter(outcomes)
            while group := list(islice(rest, min(GROUP, self._lengths[0] - done if self._lengths else 0))):
                yield window, group
                done += len(group)
                if done == self._lengths[0]:
                    self._lengths.popleft()
                    window, done = window + 1, 0
        assert not self._lengths, "an input without an outcome"

    def _note(self, found: Row) -> None:
        if found["status"] == "failed":
            if len(self._failures) < SHOWN:
                self._failures.append((found["input"], found["reason"]))
                self.console.warn(shown(f"{found['input']}: {found['reason']}"))
            return
        if found.get("diversity") is not None:
            self._diversities.append(found["diversity"])

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for outputs without a name, on the same disk; what a killed conversion left there goes away."""
        if self.work.journal is None:
            with tempfile.TemporaryDirectory(prefix=".translate-", dir=self.work.output) as folder:
                yield Path(folder)
            return
        place = self.work.output / f".{_of_shard(self.work.journal, *self.shard).stem}.scratch"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _joined(self) -> Path:
        """The journal of all, which the last of several shards makes of theirs."""
        assert self.work.journal is not None
        parts = [_of_shard(self.work.journal, n, self.shard[1]) for n in range(1, self.shard[1] + 1)]
        mine = parts[self.shard[0] - 1]
        if len(parts) == 1 or not all(part.is_file() for part in parts):
            return mine
        merge(parts, self.work.journal)
        return self.work.journal


def _local(translator: Translator, options: Options, output: Path, scratch: Path) -> Engine:
    return Worker(translator, options, output, scratch).run


def _place(file: Path, target: Path, replace: bool) -> int:
    """Gives an output its name; its bytes."""
    size = file.stat().st_size
    if not replace and target.exists():
        raise StageError(f"{target}: somebody else has written it in the meantime; start again to go on without it")
    file.replace(target)
    return size


def _of_shard(journal: Path, number: int, of: int) -> Path:
    return journal if of == 1 else journal.with_name(f"{journal.stem}.{number}-of-{of}{journal.suffix}")


def _names(found: Row) -> list[str]:
    """The outputs of a row."""
    return [found["output"]] if isinstance(found["output"], str) else list(found["output"] or ())


def _names_of(targets: Iterable[Path], output: Path) -> list[str]:
    return [target.relative_to(output).as_posix() for target in targets]


def _written(path: Path) -> int:
    """When a file was written last, in ns; 0 where it cannot be told."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _as_written(found: Row, targets: Sequence[Path]) -> bool:
    hashes = [found["sha256"]] if isinstance(found["sha256"], str) else list(found["sha256"] or ())
    try:
        return [sha256_file(target) for target in targets] == hashes
    except OSError:
        return False


def shown(text: str) -> str:
    """A text that any terminal can show in one line, whatever is in the names of files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
