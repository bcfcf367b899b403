"""Devices to compute on, and what each of them does well."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from translate.distributed.place import ALONE, Place
from translate.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]

CHOICES = "auto, cpu, cuda, cuda:N, xpu, xpu:N or mps"

TENSOR_CORES, BF16_CORES = 7, 8
"""The compute capabilities of CUDA from which on a GPU multiplies fp16 (Volta, Turing) and bf16 (Ampere) fast."""

_MACOS_BF16 = (14, 0)
"""The macOS from which on Metal computes in bf16."""


def resolve(name: str = "auto", place: Place = ALONE) -> str:
    """`auto` becomes the first of `cuda`, `xpu` and `mps` that is usable, else `cpu`; other names are checked.

    Of several processes on a machine each has a GPU of its own: the one of its number. Errors: ConfigError.
    """
    if place.shared:
        return _own(name, place)
    if name == "auto":
        return next(kind for kind in ("cuda", "xpu", "mps", "cpu") if not _problem(torch.device(kind)))
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
    if kind == "mps" and name == "auto":  # there is one, whatever the number of processes
        kind = "cpu"
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
    if device.type in ("cuda", "xpu"):
        library = torch.cuda if device.type == "cuda" else torch.xpu
        count = library.device_count() if library.is_available() else 0
        if count > (device.index or 0):
            return ""
        return f"is not here: torch {torch.__version__} sees {count} {device.type.upper()} devices; use --device cpu"
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


def precision(choice: Literal["auto", "fp32", "bf16", "fp16"], device: str) -> Precision:
    """`auto` becomes the half precision that the hardware multiplies, else fp32.

    That is bf16 on CUDA from compute capability 8, on XPU devices that convert it, and on CPUs with AVX512-BF16; fp16
    on CUDA devices of capability 7 (V100, T4).
    """
    if choice != "auto":
        return choice
    if device.startswith("cuda"):
        capability = torch.cuda.get_device_capability(device)[0]
        if capability >= BF16_CORES:
            return "bf16"
        return "fp16" if capability >= TENSOR_CORES else "fp32"
    if device.startswith("xpu"):
        return "bf16" if torch.xpu.get_device_properties(device).has_bfloat16_conversions else "fp32"
    if device.startswith("cpu"):
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    return "fp32"


def precision_problem(choice: Literal["auto", "fp32", "bf16", "fp16"], device: str) -> str:
    """The reason why a device cannot train in a precision, as a sentence; empty where it can."""
    # not `is_bf16_supported`, which counts GPUs that emulate it
    if choice == "bf16" and device.startswith("cuda") and torch.cuda.get_device_capability(device)[0] < BF16_CORES:
        name = torch.cuda.get_device_name(device)
        return f"{name} does not compute in bf16, which takes compute capability 8 (Ampere): use fp16, or `auto`"
    if choice == "bf16" and device == "mps" and not torch.backends.mps.is_macos_or_newer(*_MACOS_BF16):
        return "Metal computes in bf16 from macOS 14 on: use fp16 or fp32"
    return ""


def kind_of(device: torch.device) -> str:
    """The kind of a device: what decides which kernels it takes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return f"cpu {torch.backends.cpu.get_cpu_capability()}{' amx' if amx else ''}"


def wide_type(device: torch.device | str) -> torch.dtype:
    """The widest floating point type of a device, for sums: float64, but float32 where the hardware has none (`mps`,
    and many XPU devices)."""
    device = torch.device(device)
    if device.type == "mps":
        return torch.float32
    if device.type == "xpu" and not torch.xpu.get_device_properties(device).has_fp64:
        return torch.float32
    return torch.float64


def total_memory(device: str) -> int:
    """Bytes that a GPU has."""
    if device.startswith("mps"):
        return int(torch.mps.recommended_max_memory())
    library = torch.xpu if device.startswith("xpu") else torch.cuda
    return int(library.get_device_properties(device).total_memory)


def free_memory(device: str = "cpu") -> int:
    """Bytes that may still be taken: of a GPU, or of main memory within the limit of the container."""
    if device.startswith(("cuda", "xpu")):
        library = torch.xpu if device.startswith("xpu") else torch.cuda
        free, _ = library.mem_get_info(device)
        # What torch holds in its cache and does not use can be taken as well.
        return int(free + library.memory_reserved(device) - library.memory_allocated(device))
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
