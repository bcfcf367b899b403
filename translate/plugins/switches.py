"""Switches for one command or a whole process: plugins that are off, and lines about hook calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

OFF = "TRANSLATE_PLUGINS_OFF"
"""The environment variable that names plugins to leave out, separated by commas or spaces."""
ON = "TRANSLATE_PLUGINS"
"""The environment variable that names plugins to import although nothing else names them, likewise."""


@dataclass(frozen=True)
class Switches:
    """`off`: names given with `--no-plugin`; `on`: those given with `--plugin`, which every registry loads at once;
    `trace` gets a line for every import of a plugin and every hook call."""

    off: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    trace: Callable[[str], None] | None = None

    def __bool__(self) -> bool:
        """Says whether any of them is set."""
        return bool(self.off or self.on) or self.trace is not None


_SWITCHES: ContextVar[Switches] = ContextVar("switches")


@contextmanager
def switched(
    off: Iterable[str] = (), trace: Callable[[str], None] | None = None, *, on: Iterable[str] = ()
) -> Iterator[None]:
    """Registries that are made inside leave out the plugins in `off`, load those in `on`, and report to `trace`."""
    token = _SWITCHES.set(Switches(frozenset(off), frozenset(on), trace))
    try:
        yield
    finally:
        _SWITCHES.reset(token)


def switches() -> Switches:
    """The switches of this command."""
    return _SWITCHES.get(Switches())


def off_by_environment() -> frozenset[str]:
    """The names in `TRANSLATE_PLUGINS_OFF`; those that are not installed mean nothing."""
    return _listed(OFF)


def on_by_environment() -> frozenset[str]:
    """The names in `TRANSLATE_PLUGINS`; those that are not installed mean nothing."""
    return _listed(ON)


def _listed(variable: str) -> frozenset[str]:
    return frozenset(os.environ.get(variable, "").replace(",", " ").split())
