"""Checkpoints on disk: a directory `checkpoints/<step>`, tensors in safetensors, the rest in JSON, a manifest last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from translate.errors import StageError
from translate.storage.atomic import sha256_file
from translate.storage.tensor_files import load_tensors

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

FORMAT = 1
FOLDER = "checkpoints"
"""The folder of the checkpoints, inside that of their training."""
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "MANIFEST.json"


@dataclass(frozen=True)
class Reached:
    """How far an interrupted training came: the `step` of its newest checkpoint, of `total` where that is known."""

    step: int
    total: int | None

    def __str__(self) -> str:
        return f"step {self.step:,}" if self.total is None else f"step {self.step:,} of {self.total:,}"


def name_of(step: int) -> str:
    return f"{step:09d}"


def steps(folder: Path) -> list[int]:
    """Steps of the complete checkpoints in `folder`, ascending."""
    complete = [path for path in folder.glob("*") if path.name.isdigit() and (path / MANIFEST).is_file()]
    return sorted(int(path.name) for path in complete)


def reached(folder: Path) -> Reached | None:
    """How far the newest complete checkpoint in `folder` is, None without one. It reads no tensors, and no torch."""
    complete = steps(folder)
    if not complete:
        return None
    try:
        total = read_state(folder / name_of(complete[-1])).get("total")  # early versions did not write it
    except StageError:
        total = None
    return Reached(complete[-1], total if isinstance(total, int) else None)


def read_state(folder: Path) -> dict[str, Any]:
    """The state of one checkpoint directory, without its tensors. Errors: StageError when it is damaged."""
    try:
        state = json.loads((folder / STATE).read_bytes())
        if hashes(folder)[STATE] != sha256_file(folder / STATE) or not isinstance(state, dict):
            raise ValueError(f"{STATE} is not what was saved")
    except (OSError, ValueError, KeyError) as error:
        raise StageError(
            f"checkpoint {folder} cannot be read: {error}; delete the folder to go on from the one before it"
        ) from error
    return state


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a checkpoint directory by name, as it was saved. Errors: OSError, ValueError."""
    manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))
    return manifest


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of one checkpoint directory. Errors: StageError when it is damaged."""
    try:
        for file, expected in hashes(folder).items():
            if sha256_file(folder / file) != expected:
                raise StageError(f"checkpoint {folder} is damaged: {file} is not what was saved; delete the folder")
        state = json.loads((folder / STATE).read_text("utf-8"))
        tensors = load_tensors(folder / TENSORS)
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
