"""Which device to compute on, and what it does well."""

from __future__ import annotations

from typing import Literal

from translate.errors import ConfigError

Precision = Literal["fp32", "bf16"]


def resolve(name: str = "auto") -> str:
    """`auto` becomes `cuda` where a GPU is usable, else `cpu`; other names are checked. Errors: ConfigError."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} does not exist; use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= (device.index or 0):
            raise ConfigError(
                f"device {name!r} is not here: torch {torch.__version__} sees {count} CUDA devices; use --device cpu"
            )
    elif device.type != "cpu":
        raise ConfigError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    return name


def precision(choice: Literal["auto", "fp32", "bf16"], device: str) -> Precision:
    """`auto` becomes bf16 where the hardware multiplies it: CUDA from compute capability 8, CPUs with AVX512-BF16."""
    import torch

    if choice != "auto":
        return choice
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def cores() -> int:
    """Processor cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory(device: str) -> int:
    """Bytes that a GPU has."""
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def free_memory(device: str = "cpu") -> int:
    """Bytes that may still be taken: of a GPU, or of main memory within the limit of the container."""
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    import os
    from pathlib import Path

    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text("ascii"))  # ValueError for "max"
        free = min(free, limit - int((group / "memory.current").read_text("ascii")))
    except (OSError, ValueError, StopIteration):
        pass
    return max(free, 0)
