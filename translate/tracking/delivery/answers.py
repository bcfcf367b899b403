"""What an error of MLflow's client means for a record: never, later, or another run."""

from __future__ import annotations

import json
from types import TracebackType

from translate.tracking.in_words import in_words
from translate.tracking.store_uri import BusyError, UnreachableError

REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED", "FEATURE_DISABLED"}
)
"""Answers about one record, which sending it again would not change. All others mean: later."""
_NO_ANSWER = "API request to"
"""How MLflow's client begins an error that is not the tracking server's own: of the network, of a proxy, no JSON."""


class RefusedError(Exception):
    """The store will never take this record."""


class GoneError(UnreachableError):
    """The store answers, but has no such run or experiment any more: a new one is opened, and gets everything."""


class translated:  # noqa: N801 (a context manager, used like a function)
    """Turns what MLflow raises into `RefusedError`, `GoneError`, `BusyError` or `UnreachableError`."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, UnreachableError | RefusedError):
            raise meaning(error) from error


def meaning(error: Exception) -> Exception:
    """The error that says what an error of MLflow's client means."""
    text = in_words(error)
    code = getattr(error, "error_code", None)
    # A proxy in front of a server that restarts answers 400, 404 or 501 with a page of its own, and some pages are
    # garbage. None of that is a word about the record.
    if str(error).startswith(_NO_ANSWER) or isinstance(error, json.JSONDecodeError | UnicodeError):
        return UnreachableError(text)
    if code in REFUSALS or isinstance(error, TypeError | ValueError):
        return RefusedError(text)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return GoneError(text)
    if isinstance(error, ModuleNotFoundError):
        text += f" (pip install {error.name})"
    return (BusyError if "database is locked" in str(error) else UnreachableError)(text)
