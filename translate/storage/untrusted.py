"""Checkpoints that somebody else pickled: a pickle is a program, so another process reads it, with limits."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import ConfigError, DataError
from translate.storage import unpickle

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 2 << 30
"""The largest file that is read: the largest generator of the reference implementation takes a tenth of it."""
SECONDS = 60
"""Of processor time."""
PATIENCE = 600
"""Seconds on the clock, for machines with much else to do."""
_OVERRIDES = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save` by name, on the CPU: of a state dict, or the only one within a mapping.

    Nothing in the file is executed. Reading happens in a child process whose memory is bounded by the file's size and
    whose time by `SECONDS`; tensors come back as safetensors. Errors: ConfigError (no such file), DataError naming the
    reason (too large, asks for code, damaged, a bomb, no named tensors).
    """
    import safetensors
    import safetensors.torch

    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path}: refused: {size:,} bytes are more than the {MAX_BYTES:,} that are read")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "tensors.safetensors")
        _run(path, target)
        try:
            tensors: dict[str, Tensor] = safetensors.torch.load(target.read_bytes())
        except (OSError, safetensors.SafetensorError) as error:
            raise DataError(f"{path}: refused: reading it left no tensors ({error})") from None
    return tensors


def _run(path: Path, target: Path) -> None:
    """Starts the reader, without this process's switches of torch and without modules from the working directory."""
    command = [sys.executable, "-P", unpickle.__file__, str(path.resolve()), str(target), str(SECONDS)]
    env = {name: value for name, value in os.environ.items() if name not in _OVERRIDES}
    env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(command, env=env, stdin=nothing, capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: refused: reading it takes longer than {PATIENCE} s") from None
    if done.returncode == unpickle.REFUSED:
        raise DataError(f"{path}: refused: {done.stdout.decode('utf-8', 'replace')}")
    if done.returncode < 0:
        raise DataError(f"{path}: refused: reading it was stopped for its use of time or memory ({-done.returncode})")
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{path}: refused: reading it failed with code {done.returncode}: {last[:300]}")
