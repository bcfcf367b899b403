"""Checkpoints on disk: a directory `checkpoints/<step>`, tensors in safetensors, the rest in JSON, a manifest last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors.torch import load_file

from translate.errors import StageError
from translate.storage.atomic import sha256_file

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

FORMAT = 1
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "MANIFEST.json"


def name_of(step: int) -> str:
    return f"{step:09d}"


def steps(folder: Path) -> list[int]:
    """Steps of the complete checkpoints in `folder`, ascending."""
    complete = [path for path in folder.glob("*") if path.name.isdigit() and (path / MANIFEST).is_file()]
    return sorted(int(path.name) for path in complete)


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of one checkpoint directory. Errors: StageError when it is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        for file, expected in manifest.items():
            if sha256_file(folder / file) != expected:
                raise StageError(f"checkpoint {folder} is damaged: {file} is not what was saved; delete the folder")
        state = json.loads((folder / STATE).read_text("utf-8"))
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, KeyError) as error:
        raise StageError(
            f"checkpoint {folder} cannot be read: {error}; delete the folder to go on from the one before it"
        ) from error
    if state["format"] != FORMAT:
        raise StageError(f"checkpoint {folder} has format {state['format']}; this version reads format {FORMAT}")
    return tensors, state


def state_under(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The entries whose names start with `prefix`, by the rest of their names: a network's state dict, for one."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
