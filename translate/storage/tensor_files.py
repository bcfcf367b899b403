"""Files of tensors (safetensors), in folders of any name."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from translate.storage.filesystem import naming, sync

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SafetensorError", "fault", "load_tensors", "save_tensors", "tensor_names"]

_LONGEST_HEADER = 100_000_000
"""The longest header that the library reads, in bytes."""


def load_tensors(path: Path, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name; with `names` those alone. Errors: OSError, safetensors.SafetensorError."""
    library = _library()
    if names is not None and _is_utf8(path):
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in names}
    if names is not None:
        return {name: value for name, value in load_tensors(path).items() if name in names}
    tensors: dict[str, Tensor] = library.load_file(path) if _is_utf8(path) else library.load(path.read_bytes())
    return tensors


def tensor_names(path: Path) -> list[str]:
    """The names of the tensors of a file, without reading them. Errors: OSError, ValueError for another kind of
    file."""
    return [name for name in _header(path)[0] if name != "__metadata__"]


def fault(path: Path) -> str | None:
    """What is wrong with a file of tensors as far as its header tells, without reading them. Errors: OSError."""
    try:
        header, start = _header(path)
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        expected = start + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return "is no file of tensors"
    size = path.stat().st_size
    return None if size == expected else f"has {size:,} bytes, and should have {expected:,}"


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a file, and where the tensors begin. Errors: OSError, ValueError for another kind of file."""
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        if size > _LONGEST_HEADER:
            raise ValueError("this is no file of tensors")
        header: dict[str, Any] = json.loads(file.read(size))
    return header, 8 + size


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes contiguous tensors that share no memory, so that they last through a power cut. Errors: OSError."""
    library = _library()
    with naming(path):
        try:
            if _is_utf8(path):
                library.save_file(dict(tensors), path)
            else:
                path.write_bytes(library.save(dict(tensors)))
        except SafetensorError as error:
            raise _as_os_error(error) from error
        with path.open("r+b") as file:  # Windows flushes no file that is open for reading alone
            sync(file)


def _as_os_error(error: SafetensorError) -> OSError:
    """The error of the system behind one of the library, whose text has its number: `... (os error 28)`."""
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error))


def _library() -> Any:
    import safetensors.torch  # late: it imports torch

    return safetensors.torch


def _is_utf8(path: Path) -> bool:
    """True for a path that safetensors can open, which knows names in UTF-8 alone."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True
