"""Finds the checkpoints of a training and reads them, once they are what was saved."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from translate.errors import StageError
from translate.storage.checkpoint.faults import MANIFEST, STATE, TENSORS, of_files, of_state
from translate.storage.tensor_files import SafetensorError, load_tensors

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

FORMAT = 1
FOLDER = "checkpoints"
"""The folder of the checkpoints, inside that of their training."""
DAMAGED = "damaged"
"""The folder beside the checkpoints to which a training moves damaged ones."""
_NAME = re.compile(r"[0-9]{9,}")


class DamagedCheckpointError(StageError):
    """A checkpoint that is not what was saved; the message names the file and says what is wrong with it."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"checkpoint {folder} is damaged: {reason}")
        self.folder, self.reason = folder, reason


@dataclass(frozen=True)
class Reached:
    """How far an interrupted training came: the `step` of its newest checkpoint, of `total` where that is known."""

    step: int
    total: int | None

    def __str__(self) -> str:
        return f"step {self.step:,}" if self.total is None else f"step {self.step:,} of {self.total:,}"


@dataclass(frozen=True)
class Newest:
    """The newest checkpoint that is whole, None without one, and those after it with what is wrong with each."""

    folder: Path | None
    damaged: Mapping[Path, str]

    def __str__(self) -> str:
        """What is wrong with the damaged ones, in one line; empty without any."""
        return "; ".join(f"{folder.name} is damaged: {reason}" for folder, reason in self.damaged.items())


def name_of(step: int) -> str:
    return f"{step:09d}"


def folders(folder: Path) -> list[Path]:
    """The folders in `folder` that have the name of a checkpoint, by their steps."""
    names = {int(path.name): path for path in folder.glob("*") if _NAME.fullmatch(path.name) and path.is_dir()}
    return [path for step, path in sorted(names.items()) if path.name == name_of(step)]


def steps(folder: Path) -> list[int]:
    """Steps of the complete checkpoints in `folder`, ascending. They may be damaged, but for the manifest."""
    return [int(path.name) for path in folders(folder) if (path / MANIFEST).is_file()]


def damage(folder: Path, *, quick: bool = False) -> str | None:
    """What is wrong with a checkpoint's folder, in words that name the file; None where it is what was saved.

    `quick` reads no tensors: it compares their file with the length that its header asks for. One of another format is
    not damaged. Errors: StageError where a file cannot be read for a reason that may pass, such as its permissions.
    """
    try:
        reason = of_files(folder, quick=quick)
        if reason is None:
            state = json.loads((folder / STATE).read_bytes())
            step = int(folder.name) if _NAME.fullmatch(folder.name) else None
            reason = of_state(state, FORMAT, step)
    except OSError as error:
        raise StageError(f"checkpoint {folder} cannot be read: {error}") from error
    return reason


def newest(folder: Path, *, quick: bool = False) -> Newest:
    """The newest checkpoint in `folder` that is whole, as `damage` says, and the damaged ones after it."""
    damaged: dict[Path, str] = {}
    for path in reversed(folders(folder)):
        reason = damage(path, quick=quick)
        if reason is None:
            return Newest(path, damaged)
        damaged[path] = reason
    return Newest(None, damaged)


def reached(folder: Path) -> Reached | None:
    """How far the newest whole checkpoint in `folder` is, None without one. It reads no tensors, and no torch."""
    try:
        last = newest(folder, quick=True).folder
    except StageError:  # nobody may read it: whoever goes on from there is told
        complete = steps(folder)
        return Reached(complete[-1], None) if complete else None
    if last is None:
        return None
    total = json.loads((last / STATE).read_bytes()).get("total")  # early versions did not write it
    return Reached(int(last.name), total if isinstance(total, int) else None)


def read_state(folder: Path) -> dict[str, Any]:
    """The state of one checkpoint directory, without its tensors.

    Errors: DamagedCheckpointError, and StageError as `damage` or for one of another format.
    """
    reason = damage(folder, quick=True)
    if reason is not None:
        raise DamagedCheckpointError(folder, reason)
    return _state(folder)


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a checkpoint directory by name, as it was saved. Errors: OSError, ValueError."""
    manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))
    return manifest


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of one checkpoint directory. Errors: as `read_state`."""
    reason = damage(folder)
    if reason is not None:
        raise DamagedCheckpointError(folder, reason)
    state = _state(folder)
    try:
        return load_tensors(folder / TENSORS), state
    except (OSError, ValueError, SafetensorError) as error:
        raise DamagedCheckpointError(folder, f"{TENSORS} cannot be read: {error}") from error


def _state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / STATE).read_bytes())
    if state["format"] != FORMAT:
        raise StageError(f"checkpoint {folder} has format {state['format']}; this version reads format {FORMAT}")
    return state


def state_under(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The entries whose names start with `prefix`, by the rest of their names: a network's state dict, for one."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
