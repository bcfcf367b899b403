"""Reading images of strangers."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from translate.data.image import Header, Image, Limits, probe, read


class GuardedReader:
    """Reads images within limits; a context."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def probe(self, path: Path) -> Header:
        """The header of an image file. Errors: DataError."""
        return probe(path, limits=self._limits)

    def read(self, path: Path) -> Image:
        """The image in a file. Errors: DataError."""
        return read(path, limits=self._limits)
