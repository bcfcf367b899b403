"""What can be wrong with the files of a checkpoint, and with what its state says."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from translate.storage.atomic import sha256_file
from translate.storage.tensor_files import fault

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "MANIFEST.json"
DAMAGE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO, errno.EILSEQ})
"""errno values of a file that is lost. Others, such as too many open files, pass."""
_RESTED = 2.0
"""Seconds after which a change of a file would show in its time: file systems count coarsely."""


def of_files(folder: Path, *, quick: bool) -> str | None:
    """What is wrong with the files of a checkpoint's folder. Errors: OSError for what may pass."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        return _lost(MANIFEST, error)
    except (ValueError, RecursionError):
        return f"{MANIFEST} is no JSON"
    if not _is_manifest(manifest):
        return f"{MANIFEST} is no list of files with their hashes"
    for name in (TENSORS, STATE):
        if name not in manifest:
            return f"{MANIFEST} does not list {name}"
    for name, expected in sorted(manifest.items()):
        reason = _of_file(folder / name, expected, quick=quick and name != STATE)
        if reason is not None:
            return reason
    return None


def _is_manifest(content: Any) -> bool:
    """True for names of files, none of which leads elsewhere, with their hashes."""
    if not isinstance(content, dict):
        return False
    return all(isinstance(value, str) and Path(name).name == name for name, value in content.items())


def _of_file(path: Path, expected: str, *, quick: bool) -> str | None:
    try:
        size = path.stat().st_size
        if not size:
            return f"{path.name} is empty"
        if quick:
            reason = fault(path) if path.name == TENSORS else None
        else:
            reason = None if _hash(path) == expected else f"is not what {MANIFEST} says"
    except OSError as error:
        return _lost(path.name, error)
    return f"{path.name} {reason}" if reason else None


def _lost(name: str, error: OSError) -> str:
    """Says that a file cannot be read. Errors: the OSError itself where it may pass."""
    if error.errno not in DAMAGE:
        raise error
    return f"{name} is missing" if error.errno == errno.ENOENT else f"{name} cannot be read: {error.strerror}"


def _hash(path: Path) -> str:
    """The SHA-256 of a file, remembered for one that has rested, since tensors are large and asked for repeatedly."""
    facts = path.stat()
    if time.time() - max(facts.st_mtime, facts.st_ctime) < _RESTED:
        return sha256_file(path)
    return _remembered(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@lru_cache(maxsize=64)
def _remembered(path: Path, *identity: int) -> str:
    return sha256_file(path)


# ------------------------------------------------------------------------------------------------------ the state


def of_state(state: Any, known: int, step: int | None) -> str | None:
    """What is wrong with a state whose file is what was saved; `step` is that of its folder, None where it has another
    name. One of another format than the `known` one is left alone."""
    if not isinstance(state, dict) or not _is_count(state.get("format")):
        return f"{STATE} does not say its `format`"
    if state["format"] != known:
        return None
    for key, fits in _KEYS.items():
        if key not in state:
            return f"{STATE} has no `{key}`"
        if not fits(state[key]):
            return f"{STATE} has something else than it should under `{key}`"
    for key, fits in _FURTHER.items():
        if key in state and not fits(state[key]):
            return f"{STATE} has something else than it should under `{key}`"
    if step is not None and state["step"] != step:
        return f"{STATE} is of step {state['step']:,}, and the folder has the name of step {step:,}"
    return None


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_progress(value: Any) -> bool:
    """True for JSON whose entries about validations, where it has any, name their steps."""
    if not isinstance(value, dict):
        return False
    validations, others, best = value.get("validations", []), value.get("others", {}), value.get("best")
    if not isinstance(validations, list) or not isinstance(others, dict):
        return False
    entries = [*validations, *others.values(), *([] if best is None else [best])]
    return all(isinstance(entry, dict) and _is_count(entry.get("step")) for entry in entries)


_KEYS: Mapping[str, Callable[[Any], bool]] = {
    "step": _is_count,
    "updates": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "progress": _is_progress,
}
_FURTHER: Mapping[str, Callable[[Any], bool]] = {
    "total": lambda value: value is None or _is_count(value),
    "optimizers": lambda value: isinstance(value, dict),
    "processes": lambda value: _is_count(value) and value > 0,
}
"""Keys that not every training, or not every version, writes."""
