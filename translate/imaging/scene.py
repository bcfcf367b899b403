"""Opens image files of which a band of rows can be decoded without the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from translate.errors import DataError
from translate.imaging.files import open_regular
from translate.imaging.formats.codec import HEAD, Parts
from translate.imaging.formats.table import codec_of


class SceneFile:
    """An open file whose rows are read from its `parts`. `name` is what errors call it, `size` its (height, width)."""

    def __init__(self, file: BinaryIO, parts: Parts, name: str) -> None:
        self._file, self.parts, self.name = file, parts, name
        self.size = parts.size

    def close(self) -> None:
        """Closes the file, of which no part can be read any more."""
        self._file.close()


def open_scene(path: Path) -> SceneFile | None:
    """A file whose rows can be read apart from each other: tiled and stripped TIFF, and NPY.

    None for all others, for what cannot be opened, and for what is damaged: `read` tells what is wrong with it.
    """
    try:
        file = open_regular(path)
    except (DataError, OSError):
        return None
    try:
        codec = codec_of(file.read(HEAD), str(path))
        parts = codec.parts(file, os.fstat(file.fileno()).st_size, str(path))
    except Exception:  # headers of damaged files raise nearly anything
        parts = None
    if parts is None:
        file.close()
        return None
    return SceneFile(file, parts, str(path))
