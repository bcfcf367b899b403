"""Consoles: rich on a terminal and in notebooks, plain lines elsewhere, nothing on stdout where JSON is wanted."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from translate.console.plain import PlainConsole, in_notebook
from translate.console.quiet import QuietConsole
from translate.console.terminal import TerminalConsole
from translate.streams import lenient

if TYPE_CHECKING:
    from translate.contracts import Console

__all__ = ["PlainConsole", "QuietConsole", "TerminalConsole", "console", "in_notebook"]


def console(*, json: bool = False, stream: IO[str] | None = None) -> Console:
    """The console for this process: messages, tables and progress on stdout (`json`: on stderr), warnings on stderr."""
    stream = stream or (sys.stderr if json else sys.stdout)
    if stream is sys.stdout and in_notebook():
        return TerminalConsole(stream)
    stream = lenient(stream)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalConsole(stream)
    return PlainConsole(stream)
