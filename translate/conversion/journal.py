"""`results.jsonl`: one row for every input of a conversion, in the order of the plan, whatever stops it in between.

While a conversion runs its rows are appended to `results.partial.jsonl` as soon as they are known, each before its
output gets its name: so there is never an output of ours without a row. Rows of one window come in any order, those of
a window before those of the next. What a stopped conversion leaves is taken up by the next one. Since plan and rows
have the same order, both are read side by side, and neither is ever in memory as a whole.
"""

from __future__ import annotations

import heapq
import json
import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from translate.conversion.items import Item, Row
from translate.conversion.names import order
from translate.errors import ConfigError, DataError
from translate.redact import redacted
from translate.storage import filesystem
from translate.storage.atomic import replace, write_json
from translate.storage.lock import Lock, LockedError

GROUP = 32
"""Rows that are written at once, at most."""


class Journal:
    """The rows at `path` while a conversion runs, which a lock keeps from others. `write` appends them by window.

    `settings` are all that decides the outputs; they are kept beside the rows. Where an earlier conversion had others,
    a new one needs `overwrite`, and begins anew. Where it had the same, its rows count. With `overwrite` and the same
    settings only the rows of a conversion that was stopped count, so that the one which overwrites can be resumed.

    `written` is when rows were written last, in ns of the file's clock. `last` holds the inputs of the last rows of a
    stopped conversion, whose outputs may not have got their names. `resumed` tells that there was one.
    Errors: ConfigError (other settings, another process is at work there, nothing can be written),
    DataError (damaged rows).
    """

    def __init__(self, path: Path, settings: Row | None = None, *, overwrite: bool = False) -> None:
        self.path, self.partial = path, path.with_name(f"{path.stem}.partial{path.suffix}")
        self.settings_file = _settings_file(path)
        self._settings, self._overwrite = redacted(settings), overwrite
        self._lock = Lock(path.with_name(f".{path.stem}.lock"))
        self.resumed = self._entered = False
        self.last: deque[str] = deque(maxlen=GROUP)
        self.written = max(_mtime(path), _mtime(self.partial))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are written."""
        return self.path, self.partial, self.settings_file, self._lock.path, self._lock.holder

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            try:
                self._settle()
                if self.partial.stat().st_size > 0:
                    self._take_up()
            except BaseException:
                self._file.close()  # before the file goes away: Windows removes none that is open
                if not self.partial.stat().st_size:
                    self.partial.unlink()
                raise
            self._entered = True
            self._held = stack.pop_all()
        return self

    def _open(self, stack: ExitStack) -> None:
        """Takes the lock, then opens the rows for appending; the stack gives both back in the other order."""
        try:
            stack.enter_context(self._lock)
            # Lines end alike on every system, since the rows are compared byte by byte.
            file = self.partial.open("a+", encoding="ascii", newline="\n")
            self._file: IO[str] = stack.enter_context(file)
        except LockedError as error:
            raise ConfigError(
                f"{self.path.parent}: another conversion is writing there (process {error.holder}); wait for it to "
                f"end, or give another OUTPUT"
            ) from None
        except OSError as error:
            raise ConfigError(f"{self.partial}: cannot be written: {error.strerror or error}") from None

    def _settle(self) -> None:
        """Compares the settings with those of the rows that are there, and writes them down."""
        if self._settings is None:
            return
        changed = self.changed()
        if changed and not self._overwrite:
            raise ConfigError(
                f"{self.path.parent}: holds images that were converted otherwise ({changed}); give another OUTPUT, or "
                f"--overwrite to convert them again"
            )
        if changed:
            # Rows of other settings go before the new settings are written. A kill in between leaves the old settings
            # and no rows, from which the next conversion starts anew; the other order would leave rows that lie.
            self._file.truncate(0)
            self.path.unlink(missing_ok=True)
        write_json(self.settings_file, self._settings)

    def changed(self) -> str:
        """Lists in words the settings in which an earlier conversion differs; empty where none does."""
        before = settings_before(self.path)
        if not before:
            return ""
        now = json.loads(json.dumps(self._settings))  # tuples are lists on the disk
        changed = [key for key in now | before if before.get(key) != now.get(key)]  # a setting may be gone
        return "; ".join(f"{key} {_short(before.get(key))}, now {_short(now.get(key))}" for key in changed)

    def known(self) -> Iterator[Row]:
        """Yields the rows of earlier conversions that still count, in the order of the plan, one for each input.

        Of two rows of one input the newer one counts.
        """
        newer = () if self._entered else self._partial_rows()
        older = () if self._overwrite and not self.resumed else rows(self.path)
        last = None
        # `merge` gives equal keys in the order of its arguments: the newer row of an input comes first.
        for row in heapq.merge(newer, older, key=_order):
            if row["input"] != last:
                yield row
            last = row["input"]

    def _partial_rows(self) -> Iterator[Row]:
        """The rows of the conversion that runs, or of a stopped one, sorted.

        Only the rows of one window are out of order, so that sorting window by window sorts all of them.
        """
        for _, window in groupby(rows(self.partial, torn=True), key=lambda row: row.get("window")):
            group = list(window)
            self.last.extend(row["input"] for row in group)
            for row in sorted(group, key=_order):
                yield {key: value for key, value in row.items() if key != "window"}

    def _take_up(self) -> None:
        """Puts what a stopped conversion has written in the place of what was there before it.

        A kill between the two steps leaves rows in both files; merging them once more gives the same rows.
        """
        _write_rows(self.path, self.known())
        self._file.truncate(0)
        self.resumed = True

    def write(self, group: Sequence[Row], window: int, *, sync: bool = False) -> None:
        """Appends at most `GROUP` rows of one window, which a killed process does not lose, nor a cut with `sync`."""
        assert len(group) <= GROUP, f"{len(group)} rows at once"
        self._file.write("".join(_line({**row, "window": window}) for row in group))
        self._file.flush()  # now the system has them: they outlive this process
        if sync:
            filesystem.sync(self._file)  # now the disk has them: they outlive a power cut

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._held:
            if kind is None:
                # The sorted rows are complete before the partial ones go: a kill in between only merges them again.
                _write_rows(self.path, self._partial_rows())
                self._file.close()
                self.partial.unlink()


def settings_before(journal: Path) -> dict[str, Any]:
    """The settings of an earlier conversion with this journal; empty where there was none."""
    try:
        settings = json.loads(_settings_file(journal).read_bytes())
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _settings_file(journal: Path) -> Path:
    return journal.with_name(f"{journal.stem}.settings.json")


def rows(path: Path, *, torn: bool = False) -> Iterator[Row]:
    """The rows of a file, none where there is no file. `torn`: the last line may have been cut off.

    Errors: DataError.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            if torn and not line.endswith(b"\n"):
                return  # a kill cut it off; its output has no name yet, and is made again
            try:
                row = json.loads(line)
                if not (isinstance(row, dict) and isinstance(row["input"], str) and isinstance(row["status"], str)):
                    raise KeyError("input")
            except (ValueError, KeyError):
                raise DataError(
                    f"{path}:{number}: no row of a conversion's results; move the file away to begin anew"
                ) from None
            yield row


def side_by_side(
    items: Iterable[Item | None], known: Iterable[Row], *, whole: bool
) -> Iterator[tuple[Item | None, Row | None]]:
    """Yields each item with its row, or with None. Items and rows have to be sorted by `order`.

    A row without an item comes as (None, row), unless `whole` says that the items are all there is. An item None
    stands for a file that is passed over, and gives (None, None).
    """
    rest = iter(known)
    row = next(rest, None)
    for item in items:
        if item is None:
            yield None, None
            continue
        position = order(item.name)
        while row is not None and order(row["input"]) < position:  # rows of inputs that are not asked for now
            if not whole:
                yield None, row
            row = next(rest, None)
        if row is not None and row["input"] == item.name:
            yield item, row
            row = next(rest, None)
        else:
            yield item, None
    while row is not None and not whole:
        yield None, row
        row = next(rest, None)


def merge(parts: Iterable[Path], path: Path) -> None:
    """Writes the rows of several journals, each of which is in order, to `path` in order."""
    _write_rows(path, heapq.merge(*map(rows, parts), key=_order))


def _write_rows(path: Path, content: Iterable[Row]) -> None:
    """Writes all rows or none, and nothing of them is lost in a power cut."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("w", encoding="ascii", newline="\n") as file:
            file.writelines(map(_line, content))
            filesystem.sync(file)  # before the rename: else the name could be on the disk and the rows not
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _order(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return order(row["input"])


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


_HASH = re.compile("[0-9a-f]{40,}")


def _short(value: Any) -> str:
    """A setting in words: of a hash the first digits."""
    if not isinstance(value, str):
        return json.dumps(value)
    return value[:12] if _HASH.fullmatch(value) else value


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
