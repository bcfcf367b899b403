"""A program of its own: reads one pickled checkpoint and writes its tensors as safetensors, executing nothing of it.

`untrusted.read_tensors` starts it. It sets its own limits on memory and processor time, opens SOURCE with torch's
unpickler of weights, which knows tensors and plain containers and refuses every other name, and writes TARGET. A
refusal is one line on stdout and exit code 3.
"""

from __future__ import annotations

import contextlib
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REFUSED = 3
SLACK = 1 << 20
"""Bytes of headers, names and padding that a file may hold beside its tensors, at most."""
ROOM = 1 << 30
"""Bytes of memory on top of three copies of the file: torch's own working space."""


class RefusedError(Exception):
    """Why a file is not taken; the text goes to the user."""


def main(source: Path, target: Path, seconds: int) -> int:
    """Exit code 0 and TARGET written, or 3 and a reason on stdout."""
    import safetensors.torch
    import torch

    torch.set_num_threads(1)
    _limit(3 * source.stat().st_size + ROOM, seconds)
    try:
        safetensors.torch.save_file(read(source), target)
    except RefusedError as refusal:
        return _refuse(str(refusal))
    except MemoryError:
        return _refuse("reading it takes more memory than a file of its size may")
    return 0


def read(source: Path) -> dict[str, Any]:
    """Names to tensors, within whatever limits the process has. Errors: RefusedError, MemoryError."""
    _check_archive(source)
    return _tensors(_load(source), 2 * source.stat().st_size + SLACK)


def _refuse(reason: str) -> int:
    sys.stdout.write(" ".join(reason.split())[:500])
    return REFUSED


def _limit(memory: int, seconds: int) -> None:
    """Bounds what this process may take from here on, where the system can: address space, time, no core dump."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock and the checks of sizes remain
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _check_archive(source: Path) -> None:
    """A file of torch.save is a zip archive that stores plainly: its entries together are smaller than itself."""
    with source.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":  # the format before torch 1.6: no archive
            return
        try:
            with zipfile.ZipFile(file) as archive:
                claimed = sum(entry.file_size for entry in archive.infolist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise RefusedError(f"it is a damaged or truncated archive ({error})") from None
    if claimed > source.stat().st_size:
        raise RefusedError(
            f"its entries unpack to {claimed:,} bytes, more than the file holds: no file of torch.save does"
        )


def _load(source: Path) -> Any:
    """The one place where a pickle is opened. `weights_only` builds tensors and containers and calls nothing else."""
    import torch

    try:
        with source.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251 (limited child, weights only)
    except MemoryError:
        raise
    except Exception as error:
        raise _explained(error) from None


def _explained(error: Exception) -> Exception:
    """What went wrong, without torch's advice to open the file all the same."""
    text = str(error)
    if name := re.search(r"GLOBAL (\S+)", text):
        return RefusedError(f"it asks for {name[1]}, which weights do not need; it was not looked up or run")
    if "allocate memory" in text:
        return MemoryError()
    detail = text.rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    first = re.split(r"In PyTorch \d|\n|[ .(\d)]*The weights_only", detail)[0].strip()
    return RefusedError(f"it is truncated, damaged or no file of torch.save ({first})")


def _tensors(content: Any, most: int) -> dict[str, Any]:
    """Names to plain tensors: `content` itself, or the only value of it that is such a mapping."""
    import torch

    state = content if _is_state(content) else None
    if state is None and isinstance(content, Mapping):
        inner = [value for value in content.values() if _is_state(value)]
        state = inner[0] if len(inner) == 1 else None
        if len(inner) > 1:
            names = ", ".join(str(key) for key, value in content.items() if _is_state(value))
            raise RefusedError(f"it holds several networks ({names}); save the one to import by itself")
    if state is None:
        raise RefusedError(f"it holds a {type(content).__name__}, not the named tensors of one network")
    claimed = 0
    for name, value in state.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise RefusedError(f"tensor {name} is not plain numbers")
        claimed += value.numel() * value.element_size()
    if claimed > most:
        raise RefusedError(f"its tensors claim {claimed:,} bytes, far more than the file holds")
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def _is_state(value: Any) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in value.items())
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
