"""Devices to compute on, and what each of them does well."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from translate.distributed.place import ALONE, Place
from translate.errors import ConfigError

Precision = Literal["fp32", "bf16"]

CHOICES = "auto, cpu, cuda, cuda:N or mps"


def resolve(name: str = "auto", place: Place = ALONE) -> str:
    """`auto` becomes `cuda` where such a GPU is usable, else `cpu`; other names are checked. Errors: ConfigError.

    Of several processes on a machine each has a GPU of its own: the one of its number.
    """
    if place.shared:
        return _own(name, place)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} does not exist; use {CHOICES}") from None
    problem = _problem(device)
    if problem:
        raise ConfigError(f"device {name!r} {problem}")
    return name


def _own(name: str, place: Place) -> str:
    """The device of one of several processes. Errors: ConfigError where there is none for it."""
    kind = resolve(name)
    if kind == "cpu":
        return kind
    if kind != "cuda":
        raise ConfigError(f"--device {name} is one device, and {place.size} processes run: use --device cuda or cpu")
    count = torch.cuda.device_count()
    if place.local_size > count:
        raise ConfigError(
            f"{place.local_size} processes run on this machine, which has {count} GPUs: start {count}, or use "
            "--device cpu"
        )
    torch.cuda.set_device(place.local)  # also for code that says `cuda` alone
    return f"cuda:{place.local}"


def _problem(device: torch.device) -> str:
    """The reason why a device cannot be used, as the rest of a sentence; empty for one that can."""
    if device.type == "cpu":
        return ""
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count > (device.index or 0):
            return ""
        return f"is not here: torch {torch.__version__} sees {count} CUDA devices; use --device cpu"
    if device.type == "mps":
        if torch.backends.mps.is_available():
            return ""
        reason = (
            "this torch was built without it"
            if not torch.backends.mps.is_built()
            else "it needs macOS on an Apple chip"
        )
        return f"is not here: {reason}; use --device cpu"
    return f"is not supported; use {CHOICES}"


def precision(choice: Literal["auto", "fp32", "bf16"], device: str) -> Precision:
    """`auto` becomes bf16 where the hardware multiplies it: CUDA from compute capability 8, CPUs with AVX512-BF16."""
    if choice != "auto":
        return choice
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    if device.startswith("cpu"):
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    return "fp32"


def total_memory(device: str) -> int:
    """Bytes that a GPU has."""
    if device.startswith("mps"):
        return int(torch.mps.recommended_max_memory())
    return int(torch.cuda.get_device_properties(device).total_memory)


def free_memory(device: str = "cpu") -> int:
    """Bytes that may still be taken: of a GPU, or of main memory within the limit of the container."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds in its cache and does not use can be taken as well.
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if device.startswith("mps"):
        return max(int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()), 0)
    return int(max(min(_available(), _left_in_container()), 0))


def _available() -> int:
    import psutil  # late: nothing else here needs it, nor the Unix modules that it imports on Unix

    return int(psutil.virtual_memory().available)


def _left_in_container() -> float:
    """Bytes below the limit of the control group (Linux, version 2); infinity where none is set."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text("ascii"))  # ValueError for "max"
        return limit - int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return float("inf")
