"""Files of tensors (safetensors), in folders of any name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Errors: OSError, safetensors.SafetensorError."""
    import safetensors.torch  # late: it imports torch

    tensors: dict[str, Tensor]
    tensors = safetensors.torch.load_file(path) if _is_utf8(path) else safetensors.torch.load(path.read_bytes())
    return tensors


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes contiguous tensors that share no memory. Errors: OSError."""
    import safetensors.torch  # late: it imports torch

    if _is_utf8(path):
        safetensors.torch.save_file(dict(tensors), path)
    else:
        path.write_bytes(safetensors.torch.save(dict(tensors)))


def _is_utf8(path: Path) -> bool:
    """True for a path that safetensors can open, which knows names in UTF-8 alone."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True
