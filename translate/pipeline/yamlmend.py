"""Mends text that is no YAML, so that a reader can go on behind each mistake.

Every mend keeps the columns of what follows, or remembers by how much a line was moved. A value that cannot be read is
marked with `UNREAD`, a character that no pipeline holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import yaml
from yaml.reader import Reader

T = TypeVar("T")

UNREAD = "\ue000"
"""Marks a value that cannot be read: a character for private use."""

MOST = 30
"""The most mistakes in the syntax of one file that are looked for."""

_SYNTAX = {
    "mapping values are not allowed here": "unexpected ':'; check the indentation, or put the text in quotes",
    "could not find expected ':'": "expected 'key: value'",
    "found unexpected end of stream": "the text or bracket that starts here is never closed",
    "but found another document": "a second document ('---') starts here; a pipeline is one document",
    "expected '<document start>'": "unexpected text after the end of the pipeline",
    "expected ',' or ']'": "expected ',' or ']' in the list that starts on line {start}",
    "expected ',' or '}'": "expected ',' or '}}' in the mapping that starts on line {start}",
    "expected the node content": "unexpected {character!r}; a value is missing here, or one character is too many",
    "expected <block end>": "this does not line up with the lines above it; check the indentation",
    "found character '\\t'": "a tab cannot be used here; indent with spaces",
    "found character": "a value cannot start with {character!r}; put it in quotes",
}


_KEY = re.compile(r"\s*[\w./-]+\s*")
"""The text before a colon that is the first of its line."""

_BLANK = 1000
"""In place of columns: the line is left out."""


class TooDeep(yaml.MarkedYAMLError):
    """Nesting beyond the limit, behind which nobody goes on."""


class MendedText:
    """The text of a file, changed until it is YAML.

    `faults` is what was wrong with its syntax: line and column, both from 1, and the words.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.faults: list[tuple[int, int, str]] = []
        self.guessed = ""
        """The text of which it is a guess what it belongs to: a bracket, a quote or an indentation was wrong."""
        self._moved: dict[int, int] = {}
        """By how many columns the text of a line was moved to the right."""
        self._characters()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def column(self, line: int, column: int) -> int:
        """The column in the file of a column in the mended text, both from 0."""
        return max(column - self._moved.get(line, 0), 0)

    def compose(self, compose: Callable[[str], T]) -> T:
        """The value of `compose` for the text, mended as often as it fails. Errors: yaml.MarkedYAMLError, if no mend
        helps; then `faults` has that mistake as well."""
        last = (-1, -1)
        while True:
            try:
                return compose(self.text)
            except yaml.MarkedYAMLError as error:
                mark, message = self._fault(error)
                self.faults.append((mark.line + 1, self.column(mark.line, mark.column) + 1, message))
                here = error.problem_mark or mark
                place = (here.line, here.column)
                if place <= last or len(self.faults) >= MOST or not self._mend(error, mark, compose):
                    raise
                last = place

    def _characters(self) -> None:
        """Marks the characters that YAML does not allow."""
        for number, line in enumerate(self.lines):
            for bad in Reader.NON_PRINTABLE.finditer(line):
                self.faults.append(
                    (number + 1, bad.start() + 1, f"the character {bad.group()!a} is not allowed in YAML")
                )
            self.lines[number] = Reader.NON_PRINTABLE.sub(UNREAD, line)

    def _fault(self, error: yaml.MarkedYAMLError) -> tuple[Any, str]:
        """The mark of a mistake, and its words."""
        problem, mark, start = error.problem or "", error.problem_mark, error.context_mark
        if isinstance(error, TooDeep):
            return mark, problem
        if start and ("end of stream" in problem or problem.startswith("could not find")):
            mark = start
        assert mark is not None
        for beginning, message in _SYNTAX.items():
            if problem.startswith(beginning):
                line = start.line + 1 if start else mark.line + 1
                character = self.lines[mark.line][mark.column : mark.column + 1]
                return mark, message.format(start=line, character=character)
        return mark, f"not valid YAML: {problem}"

    def _mend(self, error: yaml.MarkedYAMLError, mark: Any, compose: Callable[[str], Any]) -> bool:
        """Changes the text at one mistake. Says whether there is a way to."""
        problem, line, start = error.problem or "", self.lines[mark.line], error.context_mark
        if problem.startswith("found character '\\t'"):
            self._indent(mark.line, compose) if not line[: mark.column].strip() else self._put(mark, " ")
        elif problem.startswith("mapping values are not") and _KEY.fullmatch(line[: mark.column]) and mark.line:
            self._indent(mark.line, compose, before=True)
        elif problem.startswith("expected the node content"):
            self._put(mark, " " if line[mark.column : mark.column + 1] == "," else UNREAD)
        elif problem.startswith(("mapping values are not", "found character")):
            self._put(mark, UNREAD)
        elif problem.startswith("could not find expected ':'"):
            self.lines[mark.line] = f"{line}: {UNREAD}"
        elif problem.startswith("found unexpected end of stream"):
            self.guessed += line
            self._put(mark, UNREAD)
        elif problem.startswith("expected ',' or") and start is not None:
            self._close(start, mark)
        elif problem.startswith("expected <block end>"):
            self._indent(mark.line, compose)
        elif problem.startswith("but found another document"):
            del self.lines[mark.line :]
        else:
            return False
        return True

    def _close(self, start: Any, mark: Any) -> None:
        """Closes what is open in a list or mapping at the end of the line before a mistake; one that is on the line
        where the bracket stands is marked."""
        last = mark.line - 1
        while last > start.line and not self.lines[last].strip():
            last -= 1
        if start.line == mark.line:
            self._put(mark, UNREAD)
            return
        text = "\n".join([self.lines[start.line][start.column :], *self.lines[start.line + 1 : last + 1]])
        first = self.lines[start.line][: start.column]
        self.guessed += text
        self.lines[last] += _closers(first + text)

    def _put(self, mark: Any, character: str) -> None:
        line = self.lines[mark.line]
        self.lines[mark.line] = line[: mark.column] + character + line[mark.column + 1 :]

    def _indent(self, number: int, compose: Callable[[str], Any], *, before: bool = False) -> None:
        """Moves a line, and those that belong to it, to where the text can be read furthest.

        With `before` the line before may be the one that stands wrong, or hold no key.
        """
        lines, moved = list(self.lines), dict(self._moved)
        width = _width(lines[number])
        members = [number, *self._below(number)]
        widths = {_width(line) for line in lines[:number] if line.strip()}
        ways = [(members, each - width) for each in sorted({*widths, width, *(each + 2 for each in widths)})]
        previous = next((i for i in range(number - 1, -1, -1) if lines[i].strip()), None)
        if before and previous is not None and ":" not in lines[previous]:
            ways = [([previous], _BLANK)]
        elif before and previous is not None:
            ways.append(([previous], width - _width(lines[previous])))
        best: tuple[int, bool, int, int] | None = None
        for i, (group, columns) in enumerate(ways):
            self._move(group, columns)
            rank = (_reached(self.text, compose), self._opens(number), -abs(columns), i)
            self.lines, self._moved = list(lines), dict(moved)
            best = rank if best is None else max(best, rank)
        assert best is not None
        group, columns = ways[best[3]]
        self.guessed += "".join(lines[i] for i in group)
        self._move(group, columns)

    def _below(self, number: int) -> list[int]:
        """The lines that belong to one, since they stand further to the right."""
        members = []
        for i in range(number + 1, len(self.lines)):
            if self.lines[i].strip() and _width(self.lines[i]) <= _width(self.lines[number]):
                break
            members.append(i)
        return members

    def _opens(self, number: int) -> bool:
        """Whether a line that ends with a colon stands to the left of the line below it; true of other lines."""
        following = next((line for line in self.lines[number + 1 :] if line.strip()), "")
        return not self.lines[number].rstrip().endswith(":") or _width(following) > _width(self.lines[number])

    def _move(self, group: list[int], columns: int) -> None:
        for i in group:
            if columns == _BLANK:
                self.lines[i] = ""
            else:
                self._shift(i, columns)

    def _shift(self, number: int, columns: int) -> None:
        """Moves the text of a line, whose tabs become spaces."""
        line = self.lines[number]
        text = line.lstrip(" \t")
        indent = max(_width(line) + columns, 0)
        self._moved[number] = self._moved.get(number, 0) + indent - (len(line) - len(text))
        self.lines[number] = " " * indent + text


def _closers(text: str) -> str:
    """The brackets that close what is open at the end of a text."""
    closers, quote = "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{":
            closers = {"[": "]", "{": "}"}[character] + closers
        elif closers and character == closers[0]:
            closers = closers[1:]
    return closers


def _width(line: str) -> int:
    """The columns before the text of a line, a tab going to the next multiple of 8."""
    return len(line.expandtabs(8)) - len(line.expandtabs(8).lstrip(" "))


def _reached(text: str, compose: Callable[[str], Any]) -> int:
    """The line of the first mistake; the number of all lines where there is none."""
    try:
        compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return mark.line if mark else 0
    return text.count("\n") + 1
