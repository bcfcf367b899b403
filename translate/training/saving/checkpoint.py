"""Checkpoints: a directory `checkpoints/<step>`, every tensor in safetensors, the rest in JSON, a manifest last.

No pickle. The directory is written beside its final name and renamed, so that a checkpoint either is whole or is not.
What it holds is said by `saving.registry`.
"""

from __future__ import annotations

import copy
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.errors import StageError
from translate.storage.atomic import replace_dir, sha256_file, write_json
from translate.storage.checkpoint import (
    FOLDER,
    FORMAT,
    MANIFEST,
    STATE,
    TENSORS,
    name_of,
    reached,
    read,
    state_under,
    steps,
)
from translate.storage.tensor_files import save_tensors
from translate.training.saving.registry import put_back, taken
from translate.training.saving.state import TrainingState

__all__ = [
    "FOLDER",
    "Snapshot",
    "name_of",
    "prune",
    "reached",
    "read",
    "restore",
    "save",
    "snapshot",
    "steps",
    "verify",
    "write",
]

_OURS = re.compile(r"\.?\d{9,}(\..+)?")
_WHOLE = ("format", "total", "processes")
"""Entries of the JSON that are about the checkpoint itself."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a training after `step` steps, in copies that no later step changes.

    `values` are plain, by names such as `updates/G`; `processes` train together.
    """

    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    processes: int = 1


def snapshot(state: TrainingState) -> Snapshot | None:
    """Copies the state to the memory of the CPU. Of several processes rank 0 has that of all, and the others None."""
    world, ranks = state.engine.world, {}
    if world.shared:
        parts = world.collect({key: _copy(value) for key, value in taken(state, own=True)})
        if not world.leads:
            return None
        for rank, part in enumerate(parts[1:], 1):
            # of the others, what differs: pools of past images, running averages of batch norms
            ranks.update({f"rank/{rank}/{k}": v for k, v in part.items() if not _same(v, parts[0].get(k))})
    everything = {**{key: _copy(value) for key, value in taken(state)}, **ranks}
    tensors = {key: value for key, value in everything.items() if isinstance(value, Tensor)}
    values = {key: value for key, value in everything.items() if key not in tensors}
    return Snapshot(state.step, tensors, values, world.size)


def write(folder: Path, shot: Snapshot, total: int | None = None, wanted: Callable[[], bool] = lambda: True) -> Path:
    """Writes a snapshot and reads it back; returns the new directory. `total` is the step at which the training ends;
    it is for reading alone (`translate plan`). What is not `wanted` in the end gets no name of a checkpoint.

    Errors: OSError; StageError where what was read is not what was written. Nothing of it stays then.
    """
    final = folder / name_of(shot.step)
    partial = folder / f"{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_tensors(dict(shot.tensors), partial / TENSORS)
        about = {"format": FORMAT, "total": total, **({"processes": shot.processes} if shot.processes > 1 else {})}
        write_json(partial / STATE, {**about, **_nested(shot.values)})
        write_json(partial / MANIFEST, {file: sha256_file(partial / file) for file in (TENSORS, STATE)})
        verify(partial, shot)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if wanted():
        replace_dir(partial, final)  # a checkpoint of the same step goes when this one is there
    return final


def verify(folder: Path, shot: Snapshot) -> None:
    """Reads a checkpoint back. Errors: StageError where it is not what was to be written."""
    tensors, _ = read(folder)
    if tensors.keys() != shot.tensors.keys():
        raise StageError(f"checkpoint {folder} has other tensors than were written")
    for name, value in shot.tensors.items():
        # numpy, since torch would begin threads of its own beside those of the training
        if not np.array_equal(_bytes(value), _bytes(tensors[name])):
            raise StageError(f"checkpoint {folder}: tensor {name} is not what was written")


def _bytes(value: Tensor) -> np.ndarray[Any, Any]:
    octets: np.ndarray[Any, Any] = value.reshape(-1).view(torch.uint8).numpy()
    return octets


def save(folder: Path, state: TrainingState, total: int | None = None) -> Path:
    """Writes the whole state of a training as a checkpoint, at once; rank 0 does. Returns the directory."""
    shot = snapshot(state)
    return folder / name_of(state.step) if shot is None else write(folder, shot, total)


def restore(folder: Path, state: TrainingState, places: Collection[str] | None = None) -> None:
    """Takes over all that a checkpoint holds, or what it holds in some places of the registry.

    Errors: StageError for one that is damaged, does not fit, or is of another number of processes.
    """
    tensors, entries = read(folder)
    world = state.engine.world
    _check_processes(folder, entries.get("processes", 1), world.size)
    values = {**tensors, **_flat(entries)}
    if world.rank:
        values |= state_under(values, f"rank/{world.rank}/")
    try:
        put_back(state, values, places)
    except StageError as error:
        raise StageError(f"checkpoint {folder}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StageError(
            f"checkpoint {folder}: what {STATE} and {TENSORS} hold does not fit this training: "
            f"{type(error).__name__}: {error}"
        ) from error


def _copy(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    # safetensors refuses tensors that share memory or have gaps (tied weights, channels-last)
    dense = value.detach().cpu().contiguous()
    return dense.clone() if dense.data_ptr() == value.data_ptr() else dense


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values in sections of the JSON, `updates/G` as `G` of `updates`."""
    entries: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.partition("/")
        if name:
            entries.setdefault(section, {})[name] = value
        else:
            entries[section] = value
    return entries


def _flat(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of `_nested`."""
    values: dict[str, Any] = {}
    for section, entry in entries.items():
        if isinstance(entry, dict):
            values.update({f"{section}/{name}": value for name, value in entry.items()})
        elif section not in _WHOLE:
            values[section] = entry
    return values


def _same(value: Any, other: Any) -> bool:
    if not isinstance(value, Tensor) or not isinstance(other, Tensor):
        return type(value) is type(other) and bool(value == other)
    return value.dtype == other.dtype and value.shape == other.shape and bool((value == other).all())


def _check_processes(folder: Path, saved: int, now: int) -> None:
    if saved != now:
        raise StageError(
            f"checkpoint {folder} is of a training on {_devices(saved)}, and this one is on {_devices(now)}: each has "
            f"its own part of the images. Run it with `--devices {saved}`, which goes on exactly, or start anew from "
            f"its weights with `init: {folder}`"
        )


def _devices(count: int) -> str:
    return f"{count} devices" if count > 1 else "one device"


def prune(folder: Path, keep: Iterable[int]) -> None:
    """Removes all checkpoints but those of the steps in `keep`, and what interrupted saves and removals left. What
    cannot be removed is tried again after the next save."""
    names = {name_of(step) for step in keep}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in names:
            with suppress(OSError):
                _remove(path)


def _remove(path: Path) -> None:
    """Removes a folder, under another name first: half of a checkpoint must not look like a damaged one, nor get its
    name back."""
    hidden = path.name.startswith(".")
    shutil.rmtree(path if hidden else path.rename(path.with_name(f".{path.name}.{secrets.token_hex(4)}.gone")))
