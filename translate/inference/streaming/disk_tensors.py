"""Tensors that one pass over an image leaves on disk for a later one, written and read strip by strip."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from translate.errors import ConfigError

SPARE = 64 << 20
"""Bytes that have to stay free on the disk, for other programs."""


class DiskTensors:
    """A temporary folder of tensors N x C x H x W, one file each, which is gone once the `with` block has ended.

    Files are read and written strip by strip, at their places, not mapped: then no page of them counts as memory of the
    process, and a full disk is an error and not a killed process (a write to a map cannot fail any other way).
    `used` are the bytes of the tensors that are there now, `most` is the largest value that it had.
    """

    def __init__(self, need: int, folder: Path | None = None) -> None:
        """`need` is the most bytes that will be there at once; `folder` defaults to that of temporary files (TMPDIR).

        Errors: ConfigError where the disk has less room.
        """
        parent = Path(folder or tempfile.gettempdir())
        free = shutil.disk_usage(parent).free
        if need and need + SPARE > free:
            raise ConfigError(
                f"an image this large needs {_gigabytes(need)} of scratch in {parent}, where {_gigabytes(free)} are "
                f"free; make room, or let TMPDIR name a folder on a larger disk"
            )
        self.used = self.most = 0
        self._parent, self._files = parent, dict[object, _TensorFile]()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="translate-", dir=self._parent, ignore_cleanup_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # After an error in the middle of a pass some tensors are still there.
        for key in list(self._files):
            self.free(key)
        self._folder.cleanup()

    def add(self, key: object, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Makes a file for a tensor, which is written and read by its `key` from then on."""
        file = _TensorFile(Path(self._folder.name) / str(next(self._numbers)), shape, dtype)
        self._files[key] = file
        self.used += file.size
        self.most = max(self.most, self.used)

    def write(self, key: object, first: int, strip: Tensor) -> None:
        """Writes the rows of a tensor from row `first` on. Errors: ConfigError where the disk is full."""
        try:
            self._files[key].write(first, strip)
        except OSError as error:
            raise ConfigError(f"the scratch in {self._parent} cannot be written: {error.strerror or error}") from None

    def read(self, key: object, first: int, last: int) -> Tensor:
        """Returns the rows from `first` to before `last`, on the CPU."""
        return self._files[key].read(first, last)

    def free(self, key: object) -> None:
        """Gives the room of a tensor back."""
        file = self._files.pop(key)
        self.used -= file.size
        file.close()


class _TensorFile:
    """A file that holds the bytes of a tensor in the order of a contiguous one."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        # A plane is one channel of one image: its rows follow each other in the file.
        self.planes, self.row_bytes = torch.Size(shape[:-2]).numel(), shape[-1] * dtype.itemsize
        self.plane_bytes = shape[-2] * self.row_bytes
        self.size = self.planes * self.plane_bytes
        # Windows alone has these two flags: no translation of line ends, and deletion when the file is closed.
        flags = getattr(os, "O_BINARY", 0) | getattr(os, "O_TEMPORARY", 0)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        if not hasattr(os, "O_TEMPORARY"):
            # An open file without a name: the system frees it however the process ends.
            path.unlink()

    def write(self, first: int, strip: Tensor) -> None:
        # Sync point: on a GPU the copy waits for the strip. numpy has no bfloat16, so that bytes are written.
        values = strip.detach().to("cpu", self.dtype).contiguous()
        data = values.view(torch.uint8).reshape(self.planes, -1).numpy()
        for plane in range(self.planes):
            self._file.seek(plane * self.plane_bytes + first * self.row_bytes)
            rest = memoryview(data[plane])
            # The system may write less than it was given.
            while rest:
                rest = rest[self._file.write(rest) :]

    def read(self, first: int, last: int) -> Tensor:
        values = torch.empty((*self.shape[:-2], last - first, self.shape[-1]), dtype=self.dtype)
        data = values.view(torch.uint8).reshape(self.planes, -1).numpy()
        for plane in range(self.planes):
            self._file.seek(plane * self.plane_bytes + first * self.row_bytes)
            rest = memoryview(data[plane])
            # Straight into the tensor's memory, without a copy.
            while rest:
                count = self._file.readinto(rest)
                assert count, f"{self.path.name} ends before row {last}"
                rest = rest[count:]
        return values

    def close(self) -> None:
        self._file.close()


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
