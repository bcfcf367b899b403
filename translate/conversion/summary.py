"""How a conversion ended, and the counts from which that is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.conversion.items import Outcome, Row
from translate.text import number
from translate.webpages.notebook import facts_html, link

SHOWN = 10
"""Failures, and files that were skipped, that are told at the terminal; all of them are in the results."""


@dataclass(frozen=True)
class Summary:
    """How a conversion ended. `failures` are the first (name, reason); `ignored` counts files that are no images, or
    hidden; `kept` how many of the `done` an earlier conversion had done. `bytes` of what was written.

    `kinds` counts files that were `damaged`, `unsupported` or `odd`; the last were read, and `oddities` are the first
    (name, note).

    `diversity`: of several samples, the mean distance between two of the same image (see `batches.diversity`).
    `journal`: the file with a row for every input; `report`: the page of pictures. `settings`: what decided the
    outputs, as it is compared with that of a later conversion into the same folder.
    """

    done: int
    failed: int
    skipped: int
    ignored: int = 0
    kept: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    journal: Path | None = None
    report: Path | None = None
    diversity: float | None = None
    seconds: float = 0.0
    bytes: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    oddities: tuple[tuple[str, str], ...] = ()

    @property
    def rate(self) -> float | None:
        """Images per second of those that were converted now."""
        new = self.done - self.kept
        return new / self.seconds if new and self.seconds else None

    def _repr_html_(self) -> str:
        """What a notebook shows: the counts, and where the results and the page of pictures lie."""
        facts = {
            "converted": self.done - self.kept,
            "converted before": self.kept or None,
            "failed": self.failed or None,
            "skipped": self.skipped or None,
            "images/s": None if self.rate is None else number(self.rate, 3),
            "before and after": link(str(self.report), str(self.report)) if self.report else None,
            "every input": link(str(self.journal), str(self.journal)) if self.journal else None,
        }
        return facts_html("Conversion", facts)


@dataclass
class Tally:
    """Counts what becomes of the inputs while a conversion runs.

    `seen`: inputs that were looked at, each of which must end in one of the `statuses`.
    """

    seen: int = 0
    ignored: int = 0
    kept: int = 0
    bytes: int = 0
    statuses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("done", "failed", "skipped"), 0))
    failures: list[tuple[str, str]] = field(default_factory=list)
    diversities: list[float] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("damaged", "unsupported", "odd"), 0))
    oddities: list[tuple[str, str]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> bool:
        """Counts an outcome of this conversion. True for one of the first that failed or were skipped."""
        row = outcome.row
        self.statuses[row["status"]] += 1
        if (kind := row.get("kind")) in self.kinds:
            self.kinds[kind] += 1
        if row.get("note") and outcome.origin == "new" and len(self.oddities) < SHOWN:
            self.oddities.append((row["input"], row["note"]))
        if row["status"] == "failed":
            self._add_failure(row)
        if row["status"] != "done":
            return self.statuses[row["status"]] <= SHOWN
        self.kept += outcome.origin == "kept" and row["status"] == "done"
        if row.get("diversity") is not None:
            self.diversities.append(row["diversity"])
        return False

    def _add_failure(self, row: Row) -> None:
        if len(self.failures) < SHOWN:
            self.failures.append((row["input"], row["reason"]))

    def summary(self, journal: Path | None, seconds: float, settings: Mapping[str, Any]) -> Summary:
        """How the conversion ended, once every input has its outcome."""
        assert sum(self.statuses.values()) == self.seen, f"{self.seen} inputs, but {self.statuses}"
        diversity = sum(self.diversities) / len(self.diversities) if self.diversities else None
        return Summary(
            done=self.statuses["done"],
            failed=self.statuses["failed"],
            skipped=self.statuses["skipped"],
            ignored=self.ignored,
            kept=self.kept,
            failures=tuple(self.failures),
            journal=journal,
            diversity=diversity,
            seconds=seconds,
            bytes=self.bytes,
            settings=settings,
            kinds={kind: count for kind, count in self.kinds.items() if count},
            oddities=tuple(self.oddities),
        )
