"""Numbers, durations and names as people read them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def suggest(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'epochs'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def suggested(message: str) -> str | None:
    """The name that `suggest` put into a message; None where there is none."""
    match = re.search(r"did you mean '([^']+)'\?", message)
    return match[1] if match else None


def examples(names: Iterable[str], shown: int = 5) -> str:
    """Up to five names, sorted, and how many more there are: `a, b, c and 12 more`."""
    ordered = sorted(names)
    rest = len(ordered) - shown
    return ", ".join(ordered[:shown]) + (f" and {rest:,} more" if rest > 0 else "")


def number(value: Any) -> str:
    """A table's or a progress line's cell: four significant digits for a float, a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.4g}"


def json_number(value: T) -> T | str:
    """The value as JSON holds it: `inf`, `-inf` and `nan` as text, since JSON has no such numbers."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """`0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
