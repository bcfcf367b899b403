"""Keeps originals safe: nothing is written over an input, nor where a link leads out of OUTPUT."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from translate.conversion.plan import Plan
from translate.errors import ConfigError
from translate.storage.folders import is_below

Identity = tuple[int, int]
"""The device and the number of a file, by which two names of one file are told."""


@dataclass(frozen=True)
class Originals:
    """The inputs of a conversion, and the place of its outputs, as they are when it begins.

    `further` are files that were read as well, such as the exemplar of a direction.
    """

    work: Plan
    further: tuple[Path, ...] = ()

    @cached_property
    def _output(self) -> str:
        return os.path.realpath(self.work.output)

    @cached_property
    def _folders(self) -> list[str]:
        return [os.path.realpath(folder) for folder in self.work.folders]

    def refusal(self, target: Path) -> str:
        """Says why nothing may be written to a target, as links lead at this moment; empty where it may."""
        real = os.path.realpath(target)
        if not is_below(real, self._output):
            return f"its output {target} would lie in {real}, out of the output folder, where a link leads"
        if any(is_below(real, folder) for folder in self._folders):
            return f"its output {target} would lie in {real}, in the input folder"
        if name := self._input_at(target):
            return f"its output {target} would overwrite an input: it is the same file as {name}"
        return ""

    def check_own(self, path: Path) -> None:
        """Errors: ConfigError where a file that a conversion keeps beside its outputs is a link, or is an input."""
        try:
            status = path.lstat()
        except OSError:
            return
        if stat.S_ISLNK(status.st_mode):
            raise ConfigError(f"{path}: is a link, and a conversion keeps a file of its own there; move it away")
        if status.st_nlink > 1 and (name := self._input_at(path)):
            raise ConfigError(f"{path}: is the same file as the input {name}; give another OUTPUT")

    def _input_at(self, path: Path) -> str:
        """The input that is the same file as a path, by whatever link; empty for any other file, and for none."""
        identity = _identity(path)
        return self._inputs.get(identity, "") if identity else ""

    @cached_property
    def _inputs(self) -> dict[Identity, str]:
        """The names of inputs by identity: of all in a list; of a tree those that may have another name elsewhere."""
        inputs: dict[Identity, str] = {}
        for path in (*self.further, *self._with_other_names()):
            if identity := _identity(path):
                inputs.setdefault(identity, str(path))
        return inputs

    def _with_other_names(self) -> Iterator[Path]:
        """The files of items; in a tree, where outputs never lie, links and files of several names alone."""
        for item in self.work.items:
            for path in (item.source, *item.others.values()) if item is not None else ():
                if not (self.work.whole and self.work.folders) or _is_linked(path):
                    yield path


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_linked(path: Path) -> bool:
    """True for a link, and for a file that has several names."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1
