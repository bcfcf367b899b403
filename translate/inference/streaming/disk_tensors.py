"""Tensors on disk, of which strips are written and read."""

from __future__ import annotations

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
"""Bytes that have to stay free on the disk."""


class Scratch:
    """A temporary folder of tensors N x C x H x W, one file each, which goes away when the block ends, however it does.

    Files are read and written strip by strip, at their places, not mapped: then no page of them counts as memory of the
    process, and a full disk is an error and not a killed process (a write to a map cannot fail any other way).
    """

    def __init__(self, need: int, folder: Path | None = None) -> None:
        """`need`: the bytes of all tensors that are there at once. `folder`: default: that of temporary files (TMPDIR).

        Errors: ConfigError where the disk has less room.
        """
        parent = Path(folder or tempfile.gettempdir())
        free = shutil.disk_usage(parent).free
        if need and need + SPARE > free:
            raise ConfigError(
                f"an image this large needs {_gigabytes(need)} of scratch in {parent}, where {_gigabytes(free)} are "
                f"free; make room, or let TMPDIR name a folder on a larger disk"
            )
        self.used = self.most = self._made = 0
        self._parent, self._files = parent, dict[object, _File]()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="translate-", dir=self._parent, ignore_cleanup_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for key in list(self._files):
            self.free(key)
        self._folder.cleanup()

    def add(self, key: object, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Makes room for a tensor."""
        self._made += 1
        file = _File(Path(self._folder.name) / str(self._made), shape, dtype)
        self._files[key] = file
        self.used += file.size
        self.most = max(self.most, self.used)

    def write(self, key: object, first: int, strip: Tensor) -> None:
        """Puts the rows from `first` on in their place. Errors: ConfigError where the disk is full."""
        try:
            self._files[key].write(first, strip)
        except OSError as error:
            raise ConfigError(f"the scratch in {self._parent} cannot be written: {error.strerror or error}") from None

    def read(self, key: object, first: int, last: int) -> Tensor:
        """The rows from `first` to before `last`."""
        return self._files[key].read(first, last)

    def free(self, key: object) -> None:
        """Gives the room of a tensor back."""
        file = self._files.pop(key)
        self.used -= file.size
        file.close()


class _File:
    """A tensor as its bytes, in the order in which memory holds them."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self.planes, self.row = torch.Size(shape[:-2]).numel(), shape[-1] * dtype.itemsize
        self.plane = shape[-2] * self.row
        self.size = self.planes * self.plane
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        path.unlink()  # the room comes back however the process ends

    def write(self, first: int, strip: Tensor) -> None:
        values = strip.detach().to("cpu", self.dtype).contiguous()
        data = values.view(torch.uint8).reshape(self.planes, -1).numpy()
        for plane in range(self.planes):
            part, at = memoryview(data[plane]), plane * self.plane + first * self.row
            while part:
                done = os.pwrite(self._file, part, at)
                part, at = part[done:], at + done

    def read(self, first: int, last: int) -> Tensor:
        values = torch.empty((*self.shape[:-2], last - first, self.shape[-1]), dtype=self.dtype)
        data = values.view(torch.uint8).reshape(self.planes, -1).numpy()
        for plane in range(self.planes):
            part, at = memoryview(data[plane]), plane * self.plane + first * self.row
            while part:
                done = os.preadv(self._file, [part], at)
                assert done, f"{self.path.name} ends before row {last}"
                part, at = part[done:], at + done
        return values

    def close(self) -> None:
        os.close(self._file)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
