"""`results.jsonl`: one row for every input of a conversion, in the order of the plan, whatever stops it in between.

While a conversion runs its rows are appended to `results.partial.jsonl` as soon as they are known, each before its
output gets its name: so there is never an output of ours without a row. Rows of one window come in any order, those of
a window before those of the next. What a stopped conversion leaves is taken up by the next one. Since plan and rows
have the same order, both are read side by side, and neither is ever in memory as a whole.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from translate.conversion.plan import Item, order
from translate.errors import ConfigError, DataError
from translate.storage.atomic import write_json

Row = Mapping[str, Any]
GROUP = 32
"""Rows that are written at once, at most."""


class Journal:
    """The rows at `path` while a conversion runs; nobody else may have them then. `write` them window by window.

    `written`: when rows were written there last, in ns. `last`: the inputs of the last rows of a stopped conversion,
    whose outputs may not have got their names.

    `settings`: what decides the outputs, kept beside the rows; with others only a conversion that may `overwrite` goes
    on, and then nothing that is known counts. With the same ones, and `overwrite`, what a stopped conversion has done
    still counts. Errors: ConfigError (other settings, another process is at work there, nothing can be written),
    DataError (damaged rows).
    """

    def __init__(self, path: Path, settings: Row | None = None, *, overwrite: bool = False) -> None:
        self.path, self.partial = path, path.with_name(f"{path.stem}.partial{path.suffix}")
        self._beside = path.with_name(f"{path.stem}.settings.json")
        self._settings, self._fresh = settings, overwrite
        self.resumed = self._entered = False
        self.last: deque[str] = deque(maxlen=GROUP)
        self.written = max((_mtime(file) for file in (self.path, self.partial)), default=0)

    def __enter__(self) -> Self:
        try:
            self._file: IO[str] = self.partial.open("a+", encoding="ascii")
        except OSError as error:
            raise ConfigError(f"{self.partial}: cannot be written: {error.strerror or error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"{self.path.parent}: another conversion is writing there; wait for it to end, or give another OUTPUT"
            ) from None
        try:
            self._settle()
            if self.partial.stat().st_size > 0:
                self._take_up()
            self._entered = True
        except BaseException:
            if not self.partial.stat().st_size:
                self.partial.unlink()
            self._file.close()
            raise
        return self

    def _settle(self) -> None:
        """Compares the settings with those of the rows that are there, and writes them down."""
        if self._settings is None:
            return
        changed = self.changed()
        if changed and not self._fresh:
            raise ConfigError(
                f"{self.path.parent}: holds images that were converted otherwise ({changed}); give another OUTPUT, or "
                f"--overwrite to convert them again"
            )
        if changed:
            self._file.truncate(0)
            self.path.unlink(missing_ok=True)
        write_json(self._beside, self._settings)

    def changed(self) -> str:
        """In which settings an earlier conversion differs, in words; empty where there was none, or it had the same."""
        before, now = self.before(), json.loads(json.dumps(self._settings))
        changed = [key for key in now if before and before.get(key) != now[key]]
        return "; ".join(f"{key} {_told(before.get(key))}, now {_told(now[key])}" for key in changed)

    def before(self) -> dict[str, Any]:
        """The settings of an earlier conversion; empty where there was none."""
        try:
            found = json.loads(self._beside.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def known(self) -> Iterator[Row]:
        """The rows of earlier conversions that still count, in the order of the plan; of two of an input the newer."""
        newer = () if self._entered else self._of_partial()
        older = () if self._fresh and not self.resumed else rows(self.path)
        last = None
        for row in heapq.merge(newer, older, key=lambda row: order(row["input"])):
            if row["input"] != last:
                yield row
            last = row["input"]

    def _of_partial(self) -> Iterator[Row]:
        """The rows of the conversion that runs, or of a stopped one, sorted."""
        for _, window in groupby(rows(self.partial, torn=True), key=lambda row: row.get("window")):
            found = list(window)
            self.last.extend(row["input"] for row in found)
            for row in sorted(found, key=lambda row: order(row["input"])):
                yield {key: value for key, value in row.items() if key != "window"}

    def _take_up(self) -> None:
        """Puts what a stopped conversion has written in the place of what was there before it."""
        _write_rows(self.path, self.known())
        self._file.truncate(0)
        self.resumed = True

    def write(self, group: Sequence[Row], window: int, *, sync: bool = False) -> None:
        """Appends at most `GROUP` rows of one window, which a killed process does not lose, nor a cut with `sync`."""
        assert len(group) <= GROUP, f"{len(group)} rows at once"
        self._file.write("".join(_line({**row, "window": window}) for row in group))
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            _write_rows(self.path, self._of_partial())
            self.partial.unlink()
        self._file.close()


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
                return
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
    """Each item with what is known of it; (None, None) for a file that is passed over.

    Rows of other names come alone, unless the items are all there is (`whole`).

    Both are sorted by `order`.
    """
    rest = iter(known)
    row = next(rest, None)
    for item in items:
        if item is None:
            yield None, None
            continue
        at = order(item.name)
        while row is not None and order(row["input"]) < at:
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
    """The rows of several journals, each in order, as one."""
    _write_rows(path, heapq.merge(*map(rows, parts), key=lambda row: order(row["input"])))


def _write_rows(path: Path, found: Iterable[Row]) -> None:
    """All or nothing, and nothing of it is lost in a power cut."""
    joined = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with joined.open("w", encoding="ascii") as file:
            file.writelines(map(_line, found))
            file.flush()
            os.fsync(file.fileno())
        joined.replace(path)
    finally:
        joined.unlink(missing_ok=True)


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _told(value: Any) -> str:
    return str(value)[:12] if isinstance(value, str) else json.dumps(value)


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
