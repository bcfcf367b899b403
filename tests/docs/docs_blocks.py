"""The code blocks of a page, and what they hold.

A block belongs to a file, or holds commands with what they print:

    ```python title="a.py"        the whole file
    ```console                    lines of `$ COMMAND`, each with its output; `...` stands for anything

A mark on the line before it, which no page shows, says more:

    <!-- add -->                  the text is appended to the file
    <!-- same -->                 an earlier command wrote this text there
    <!-- fails -->                the last command does not exit with 0
    <!-- fragment: REASON -->     the block cannot run
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(
    r"(?:^ *<!-- (?:fragment: (?P<reason>.*?)|(?P<mode>\w+)) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>.*?)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it belongs to, how, where it stands, and why it is a fragment."""

    language: str
    title: str | None
    mode: str | None
    text: str
    line: int
    reason: str | None = None

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command with what the page says that it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    return [
        Block(
            fence["language"],
            fence["title"],
            fence["mode"],
            textwrap.dedent(fence["text"]),
            page.count("\n", 0, fence.start("language")) + 1,
            fence["reason"],
        )
        for fence in FENCE.finditer(page)
    ]


def pattern(expected: str) -> str:
    """A regular expression for an output: `...` is anything on its line, and any lines where it stands alone."""
    lines = []
    for line in expected.splitlines():
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(re.escape(part) for part in line.split("...")) + r"[ ]*\n")
    return "".join(lines)
