"""Numbers, durations and names as people read them."""

from __future__ import annotations

import difflib
import math
import re
import textwrap
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def legible(text: str) -> str:
    """The text with the bytes of names that are no UTF-8, for which Python has surrogates, escaped: `caf\\udce9`."""
    return text.encode("utf-8", "backslashreplace").decode()


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


def number(value: Any, digits: int = 4) -> str:
    """A number as people write it: `1,330`, `0.5667`, `2e-5`; a dash for None, and other values as text.

    `digits` are the significant ones of a float; those before the point are all there.
    """
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 15:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{_short(mantissa)}e{int(power)}"
    return _short(f"{value:,.{max(digits - 1 - exponent, 0)}f}")


def _short(text: str) -> str:
    """Decimals without zeros at their end."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def folded(text: str, width: int) -> str:
    """Text whose lines break at words where they are longer than `width`; what follows is indented a little more.

    A word stays whole, however long it is: paths and addresses are there to be copied.
    """
    lines = []
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        first = line[: len(line) - len(line.lstrip())]
        # What stands behind a word and a gap is a column of its own: its lines begin below each other.
        column = re.match(r"\s*\S+\s{2,}", line)
        indent = " " * len(column[0]) if column and len(column[0]) < width // 3 else f"{first}  "
        wrapped = textwrap.wrap(
            line.strip(),
            max(width, len(indent) + 20),
            initial_indent=first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += wrapped
    return "\n".join(lines)


def json_number(value: T) -> T | str:
    """The value as JSON holds it: `inf`, `-inf` and `nan` as text, since JSON has no such numbers."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """`0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
