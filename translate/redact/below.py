"""Secrets on lines of their own, deeper than their name in the line above, as YAML and INI files may have them."""

from __future__ import annotations

import re

from translate.redact.names import has_spaces, is_secret, may_be_ordinary
from translate.redact.shapes import MASK

_NAME = re.compile(r"([ \t]*)(?:- )?([\w.-]+)[ \t]*[:=][ \t]*(?:#.*)?")
"""A line that ends behind a name."""
_ESCAPED = re.compile(
    r"((?:\\+n|^|[\s'\"\[{(,])[ \t]*(?:- )?)([\w.-]+)([ \t]*[:=][ \t]*(?:\\+n)[ \t]+)((?:[^\\'\"\n])+)"
)
"""The same within one line, where the ends of lines are written as `\\n`."""
_PART = re.compile(r"- |[\w.-]+:(?:\s|$)")
"""How an entry of a list or of a mapping begins."""


def without_below(text: str) -> str:
    """The text with a mask for the lines below every such name."""
    if "\\n" in text:
        text = _ESCAPED.sub(_masked, text)
    if "\n" not in text:
        return text
    lines = text.split("\n")
    clean: list[str] = []
    at = 0
    while at < len(lines):
        clean.append(lines[at])
        at += 1
        name = _NAME.fullmatch(clean[-1])
        if name and is_secret(name[2]):
            depth = len(name[1])
            end = _end(lines, at, depth)
            if end > at and _is_value(name[2], lines[at].strip()):
                clean.append(f"{lines[at][: len(lines[at]) - len(lines[at].lstrip())]}{MASK}")
                at = end
    return "\n".join(clean)


def _masked(match: re.Match[str]) -> str:
    is_masked = is_secret(match[2]) and _is_value(match[2], match[4].strip())
    return f"{match[1]}{match[2]}{match[3]}{MASK}" if is_masked else match[0]


def _end(lines: list[str], start: int, depth: int) -> int:
    """The line behind those that stand deeper; empty lines at their end are none of them."""
    end = start
    for place in range(start, len(lines)):
        line = lines[place]
        if line.strip():
            if len(line) - len(line.lstrip()) <= depth:
                break
            end = place + 1
        elif place == start:
            break
    return end


def _is_value(name: str, first: str) -> bool:
    """A password may have spaces; below another secret is a word, a list or a mapping, and else a sentence."""
    if may_be_ordinary(name, first):
        return False
    return has_spaces(name) or " " not in first or _PART.match(first) is not None
