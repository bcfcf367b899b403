"""Checkpoints that somebody else pickled: a pickle is a program, so another process reads it, with limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import ConfigError, DataError
from translate.storage import unpickle
from translate.storage.file_kind import WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 2 << 30
"""The largest file that is read: the largest generator of the reference implementation takes a tenth of it."""
SECONDS = 60
"""Of processor time."""
PATIENCE = 600
"""Seconds on the clock, for machines with much else to do."""
_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from translate.storage.unpickle import main; sys.exit(main(*sys.argv[2:]))"
)
_OVERRIDES = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the only network in a file by name, on the CPU; see `read_networks`."""
    networks = read_networks(path)
    if len(networks) > 1:
        raise DataError(
            f"{path}: refused: it holds several networks ({', '.join(networks)}); save the one to read by itself"
        )
    return next(iter(networks.values()))


def read_networks(path: Path) -> dict[str, dict[str, Tensor]]:
    """The named tensors of every network in a file, on the CPU, by the path of keys that leads to it, such as
    `params_ema` (empty where the file itself is one state dict). It is a file of `torch.save`, of Lightning, of
    safetensors, or TorchScript, whatever its suffix.

    Nothing in the file is executed. Reading happens in a child process whose memory is bounded by the file's size and
    whose time by `SECONDS`; tensors come back as safetensors. Errors: ConfigError (no such file), DataError naming the
    reason (what it is instead, too large, asks for code, damaged, a bomb, no named tensors).
    """
    import safetensors

    if path.is_dir():
        raise ConfigError(f"{path}: this is a folder; name the file of weights in it{_files_in(path)}")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path}: refused: {size:,} bytes are more than the {MAX_BYTES:,} that are read")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "tensors.safetensors")
        _run(path, target)
        networks: dict[str, dict[str, Tensor]] = {}
        try:
            with safetensors.safe_open(target, "pt") as file:
                names = json.loads(file.metadata()["networks"])
                for key in file.keys():  # noqa: SIM118 (no mapping)
                    number, _, name = key.partition("/")
                    networks.setdefault(names[int(number)], {})[name] = file.get_tensor(key)
        except (OSError, safetensors.SafetensorError) as error:
            raise DataError(f"{path}: refused: reading it left no tensors ({error})") from None
    return {name: networks[name] for name in names}


def _files_in(folder: Path) -> str:
    """The files in a folder that may hold weights, in words."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in WEIGHTS)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f": {', '.join(names[:5])}{more}" if names else ", of which there is none"


def _run(path: Path, target: Path) -> None:
    """Starts the reader, without this process's switches of torch and without modules from the working directory."""
    package = str(Path(unpickle.__file__).parents[2])
    command = [sys.executable, "-P", "-c", _START, package, str(path.resolve()), str(target), str(SECONDS)]
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
