"""Runs a command in a pseudo-terminal and shows what a person would have seen.

    python tests/tools/terminal.py 80 translate run pipelines/maps_cyclegan.yaml -p quick

prints the last screen, and how the bar looked on the way. The screen is a small emulator: text, wrapping, cursor moves
and erasing, which is all that consoles here use.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\x1b[=>78]")
TERM = "xterm-256color"


@dataclass
class Screen:
    """A terminal of so many columns, with everything that has scrolled off still there."""

    columns: int
    lines: list[list[str]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    wrapped: int = 0
    """How often a line was longer than the terminal."""

    def feed(self, text: str) -> None:
        position = 0
        while position < len(text):
            match = _SEQUENCE.match(text, position)
            if match:
                if match[2]:
                    self._control(match[1], match[2])
                position = match.end()
                continue
            self._character(text[position])
            position += 1

    def text(self) -> list[str]:
        return ["".join(line).rstrip() for line in self.lines]

    def _character(self, character: str) -> None:
        if character == "\n":
            self._to(self.row + 1)
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(self.column - 1, 0)
        elif character == "\t":
            self.column = (self.column // 8 + 1) * 8
        elif unicodedata.category(character) not in ("Cc", "Mn"):
            if self.column >= self.columns:
                self.wrapped += 1
                self._to(self.row + 1)
                self.column = 0
            line = self.lines[self.row]
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = character
            self.column += 1

    def _to(self, row: int) -> None:
        self.row = max(row, 0)
        while len(self.lines) <= self.row:
            self.lines.append([])

    def _control(self, parameters: str, name: str) -> None:
        count = int(parameters) if parameters.isdigit() else 0
        if name == "A":
            self._to(self.row - max(count, 1))
        elif name == "B":
            self._to(self.row + max(count, 1))
        elif name == "C":
            self.column += max(count, 1)
        elif name == "D":
            self.column = max(self.column - max(count, 1), 0)
        elif name == "G":
            self.column = max(count, 1) - 1
        elif name == "K":
            line = self.lines[self.row]
            if count == 0:
                del line[self.column :]
            elif count == 2:
                line.clear()


@dataclass(frozen=True)
class Recording:
    """What a command has shown: the last screen, and screens from the way, with the time since its start."""

    columns: int
    code: int
    screen: list[str]
    frames: list[tuple[float, list[str]]]
    wrapped: int


def record(
    command: Sequence[str], columns: int, env: Mapping[str, str] | None = None, every: float = 0.2, limit: float = 300
) -> Recording:
    """Runs a command in a pseudo-terminal of so many columns; it is killed after `limit` seconds."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), {**os.environ, "TERM": TERM, **(env or {})})
    set_columns(master, columns)

    def end() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return watch(master, columns, end, lambda: os.kill(pid, 9), every, limit)


def set_columns(terminal: int, columns: int) -> None:
    """Sets the size of a pseudo-terminal."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))


def watch(
    master: int, columns: int, end: Callable[[], int], kill: Callable[[], None], every: float = 0.2, limit: float = 300
) -> Recording:
    """Reads what programs write into a pseudo-terminal until none has it open. `end` waits for an exit code."""
    screen, frames, start, last = Screen(columns), [], time.monotonic(), 0.0
    rest = b""
    while True:
        now = time.monotonic() - start
        if now > limit:
            kill()
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                data = rest + os.read(master, 65536)
            except OSError:  # the other end was closed
                break
            if not data:
                break
            text = data.decode("utf-8", "ignore")
            rest = b""
            screen.feed(text)
        if now - last >= every:
            frames.append((now, screen.text()))
            last = now
    code = end()
    frames.append((time.monotonic() - start, screen.text()))
    return Recording(columns, code, screen.text(), frames, screen.wrapped)


def main() -> None:
    recording = record(sys.argv[2:], int(sys.argv[1]))
    shown: list[str] = []
    for seconds, lines in recording.frames[:: max(len(recording.frames) // 12, 1)]:
        bar = [line for line in lines[-6:] if line]
        if bar != shown:
            print(f"--- after {seconds:.1f} s")
            print("\n".join(bar))
            shown = bar
    print(f"=== {recording.columns} columns, exit code {recording.code}, {recording.wrapped} lines were too long")
    print("\n".join(recording.screen))


if __name__ == "__main__":
    main()
