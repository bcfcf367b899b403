"""What a section of the check is given, and the rows that it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of the check. `folder` is a temporary one."""

    device: str
    tiny: bool
    folder: Path


@dataclass(frozen=True)
class Row:
    """A thing that was checked; `passed` is None where there was nothing to check."""

    what: str
    passed: bool | None
    detail: str = ""

    def __str__(self) -> str:
        word = {True: "pass", False: "FAIL", None: "-"}[self.passed]
        return f"| {self.what} | {word} | {self.detail.replace('|', '/')} |"
