"""Every error that a user of `translate` can meet. All of them print as one message, never as a traceback."""

from __future__ import annotations

import errno


class TranslateError(Exception):
    """The base of all errors that the user, not the programmer, has to mend.

    `exit_code` is what the command line ends with: 2 for a mistake in what was asked, 1 for work that failed.
    """

    exit_code = 1


class ConfigError(TranslateError):
    """A pipeline file, an option or a command line that asks for something that does not exist or cannot be."""

    exit_code = 2


class PluginError(TranslateError):
    """A plugin that cannot be imported, registered or used; the message names its distribution."""


class ContractError(TranslateError):
    """A method, stage, loss or metric that breaks the contract of `translate.contracts`; the message names it."""


class DataError(TranslateError):
    """An image or a dataset that cannot be read, paired or written; the message names the file."""


class DamagedError(DataError):
    """An image file that is not whole, or contradicts itself: another copy of it may be good."""


class UnsupportedError(DataError):
    """An image file that may be good and is not read here; the message names what it is, and the way out."""


class UnwritableError(DataError):
    """A file that the system does not let be written; the message names it and says why."""


class StageError(TranslateError):
    """A pipeline stage that failed; the message names the stage and the cause."""


class Stopped(SystemExit):
    """A run that was asked to stop and leaves everything in order. `code` is what the process ends with.

    Not an error: whoever turns a plugin's SystemExit into an error lets this one pass. `told`: the user has been told.
    `signal`: the number of the signal that asked, where that is known.
    """

    def __init__(self, code: int, *, told: bool = False, signal: int | None = None) -> None:
        super().__init__(code)
        self.told, self.signal = told, signal


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""errno values of a disk, or a share of it, that is full."""


def in_words(error: BaseException) -> str:
    """An error as one message: that of a user as it is, one of the system by file and cause, others with their type."""
    if isinstance(error, TranslateError):
        return str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        hint = "; make room there, and give the same command again" if error.errno in FULL else ""
        return f"{error.filename}: {error.strerror}{hint}"
    return f"{type(error).__name__}: {error}"
