"""What is left to do: each input beside what an earlier conversion has written of it, in windows of images."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from translate.conversion.inputs.originals import Originals
from translate.conversion.inputs.record import unchanged
from translate.conversion.items import Entry, Item, Row, listed, make_row
from translate.conversion.journal import Journal, side_by_side
from translate.conversion.options import ConvertOptions
from translate.conversion.plan import Plan
from translate.conversion.summary import Tally
from translate.storage.atomic import sha256_file

LOST = 60 * 10**9
"""Nanoseconds before a power cut from which on what was written may not be on the disk."""
WINDOW = 32
"""Images among which batches are made."""


@dataclass(frozen=True)
class Backlog:
    """Decides for each input of a plan whether it is converted now, and why not."""

    work: Plan
    options: ConvertOptions
    journal: Journal | None
    originals: Originals

    def windows(self, tally: Tally) -> Iterator[list[Entry]]:
        """The windows of entries that are this shard's, numbered from 0. Inputs and ignored files are counted.

        Windows are cut before shards take theirs, and with what is done already: so an image shares its window, and
        hence its batch, with the same images in every shard and after every stop.
        """
        number, of = self.options.shard
        mine = 0
        for at, window in enumerate(self._all_windows(tally)):
            if at % of != number - 1:
                continue
            tally.seen += sum(entry.origin != "other" for entry in window)
            yield [replace(entry, window=mine) for entry in window]
            mine += 1

    def _all_windows(self, tally: Tally) -> Iterator[list[Entry]]:
        images = 0
        window: list[Entry] = []
        # Closed at the end, read to the end or not: Windows replaces no file that is open.
        with closing(self._known()) as known:
            for item, row in side_by_side(self.work.items, known, whole=self.work.whole):
                if item is not None:
                    window.append(self.entry(item, row))
                    images += 1
                elif row is not None:
                    window.append(Entry(Item(row["input"], Path()), row, origin="other"))
                else:
                    tally.ignored += 1
                if images == WINDOW:
                    yield window
                    images, window = 0, []
        if window:
            yield window

    def _known(self) -> Generator[Row]:
        if self.journal:
            yield from self.journal.known()

    def entry(self, item: Item, row: Row | None) -> Entry:
        """What is left to do for an item of which a row may be known."""
        if item.reason:
            return Entry(item, make_row(item, "failed", item.reason))
        overwrite = self.options.overwrite
        targets = self.work.targets(item)
        names = [target.relative_to(self.work.output).as_posix() for target in targets]
        exist = [os.path.lexists(target) for target in targets]
        ours = row is not None and row["status"] == "done" and listed(row["output"]) == names
        stays = row is not None and row["status"] == "failed" and not (self.options.retry_failed or overwrite)
        if stays and row is not None and (same := self._still(item, row)):
            return Entry(item, same, origin="kept")
        if self.journal is not None and row is not None and ours and all(exist):
            return self._standing(item, row, targets, self.journal)
        if any(exist) and not (ours or overwrite):
            reason = (
                f"{names[exist.index(True)]} is there, and this conversion did not write it; --overwrite replaces it"
            )
            return Entry(item, make_row(item, "skipped", reason))
        return self._to_convert(item, targets, may_replace=ours or overwrite)

    def _to_convert(self, item: Item, targets: Sequence[Path], *, may_replace: bool) -> Entry:
        """An item that is converted, unless a link leads its output astray."""
        for target in targets:
            if reason := self.originals.refusal(target):
                return Entry(item, make_row(item, "failed", reason))
        return Entry(item, replace=may_replace)

    def _still(self, item: Item, row: Row, since: int = 0) -> Row | None:
        """The row, where its input is still what it was when the row was written; with the times of now.

        Rows of earlier versions have no record of it: their inputs are not to be newer than `since`, or the rows.
        """
        if "source" not in row:
            since = since or (self.journal.written if self.journal else 0)
            return row if _written(item.source) <= since else None
        same = unchanged(item.source, row["source"] or {}, thorough=self.options.verify)
        return None if same is None else {**row, "source": same}

    def _standing(self, item: Item, row: Row, targets: Sequence[Path], journal: Journal) -> Entry:
        """An item whose output was written by an earlier conversion and is there, perhaps changed since then."""
        if not targets:  # its outputs are classes and numbers, which the row has
            same = self._still(item, row)
            return Entry(item) if same is None else Entry(item, same, origin="kept")
        try:
            written = [target.stat().st_mtime_ns for target in targets]
            touched = [target.stat().st_ctime_ns for target in targets]
        except OSError:  # a link to nothing, or to itself
            reason = f"{listed(row['output'])[0]} is a link to no file; --overwrite replaces it"
            return Entry(item, {**make_row(item, "skipped", reason), "output": row["output"]})
        # Rows reach the disk before their outputs do. After a kill the last rows may belong to outputs that never got
        # their names (a file of that name is an older one); after a power cut the last minute's outputs may be empty.
        lost = journal.resumed and journal.written - LOST < max(written) <= journal.written
        if (lost or item.name in journal.last) and not _as_written(row, targets):
            return self._to_convert(item, targets, may_replace=True)
        same = self._still(item, row, min(written))
        # Hashes are compared only where the times give a reason to, or where it is asked for.
        doubtful = same is None or self.options.verify or max(*written, *touched) > journal.written
        if doubtful and not _as_written(row, targets):
            status = "failed" if self.options.verify else "skipped"
            reason = f"{listed(row['output'])[0]} was changed since it was written; --overwrite replaces it"
            return Entry(item, {**make_row(item, status, reason), "output": row["output"]})
        return self._to_convert(item, targets, may_replace=True) if same is None else Entry(item, same, origin="kept")


def _written(path: Path) -> int:
    """When a file was written last, in ns; 0 where it cannot be told."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _as_written(row: Row, targets: Sequence[Path]) -> bool:
    """Compares the files with the hashes of the row."""
    try:
        return [sha256_file(target) for target in targets] == listed(row["sha256"])
    except OSError:
        return False
