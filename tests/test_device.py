"""Devices by name, and what is said of one that is not here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from translate import device
from translate.distributed.place import Place
from translate.errors import ConfigError


def mps(monkeypatch: pytest.MonkeyPatch, *, built: bool, available: bool) -> None:
    fake = SimpleNamespace(is_built=lambda: built, is_available=lambda: available)
    monkeypatch.setattr(torch.backends, "mps", fake)


def here(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Makes the machine one that has these GPUs."""
    for kind in ("cuda", "xpu"):
        library = getattr(torch, kind)
        monkeypatch.setattr(library, "is_available", lambda kind=kind: kind in kinds)
        monkeypatch.setattr(library, "device_count", lambda kind=kind: int(kind in kinds))
    mps(monkeypatch, built=True, available="mps" in kinds)


def test_auto_is_the_first_gpu_that_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    for kinds, name in (
        (("mps", "xpu", "cuda"), "cuda"),
        (("mps", "xpu"), "xpu"),
        (("mps",), "mps"),
        ((), "cpu"),
    ):
        here(monkeypatch, *kinds)
        assert device.resolve("auto") == name
        assert device.resolve("cpu") == "cpu"


def test_several_processes_do_not_share_one_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, "mps")
    two = Place(0, 2, 0, 2)
    assert device.resolve("auto", two) == "cpu"
    with pytest.raises(ConfigError, match="--device mps is one device, and 2 processes run"):
        device.resolve("mps", two)


def test_xpu_is_a_device_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, "xpu")
    assert device.resolve("xpu") == device.resolve("xpu:0")[:3] == "xpu"
    with pytest.raises(ConfigError, match=r"device 'xpu:1' is not here: torch \S+ sees 1 XPU devices"):
        device.resolve("xpu:1")


def test_auto_precision_is_what_the_hardware_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    for capability, name in (((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((7, 0), "fp16"), ((6, 1), "fp32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, capability=capability: capability)
        assert device.precision("auto", "cuda:0") == name
    for converts, name in ((True, "bf16"), (False, "fp32")):
        facts = SimpleNamespace(has_bfloat16_conversions=converts, has_fp64=converts)
        monkeypatch.setattr(torch.xpu, "get_device_properties", lambda _, facts=facts: facts)
        assert device.precision("auto", "xpu") == name
        assert device.wide_type("xpu:0") == (torch.float64 if converts else torch.float32)


def test_sums_are_in_float32_where_there_is_no_float64() -> None:
    assert device.wide_type("mps") == torch.float32
    assert device.wide_type("cpu") == device.wide_type("cuda:1") == torch.float64


def test_a_precision_that_the_device_has_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch counts it as supported on GPUs that emulate it, too, and asks the current one
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: (7, 5) if name == "cuda:0" else (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    assert device.precision_problem("bf16", "cuda:1") == ""
    assert device.precision_problem("bf16", "cuda:0").startswith("Tesla T4 does not compute in bf16")
    assert device.precision_problem("fp16", "cuda:0") == device.precision_problem("bf16", "cpu") == ""
    for newer in (True, False):
        fake = SimpleNamespace(is_macos_or_newer=lambda *version, newer=newer: newer)
        monkeypatch.setattr(torch.backends, "mps", fake)
        problem = device.precision_problem("bf16", "mps")
        assert problem == ("" if newer else "Metal computes in bf16 from macOS 14 on: use fp16 or fp32")


def test_a_number_of_a_gpu_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.resolve("cuda:1") == "cuda:1"
    with pytest.raises(
        ConfigError, match=r"device 'cuda:2' is not here: torch \S+ sees 2 CUDA devices; use --device cpu"
    ):
        device.resolve("cuda:2")


def test_mps_is_a_device_where_it_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    mps(monkeypatch, built=True, available=True)
    assert device.resolve("mps") == "mps"
    assert device.precision("auto", "mps") == "fp32", "nothing else was tried there"
    assert device.precision("bf16", "mps") == "bf16"
    mps(monkeypatch, built=True, available=False)
    with pytest.raises(
        ConfigError, match="device 'mps' is not here: it needs macOS on an Apple chip; use --device cpu"
    ):
        device.resolve("mps")
    mps(monkeypatch, built=False, available=False)
    with pytest.raises(ConfigError, match="this torch was built without it"):
        device.resolve("mps")


@pytest.mark.parametrize(("name", "what"), [("gpu", "does not exist"), ("xla", "is not supported"), ("", "not exist")])
def test_other_names_are_refused_with_those_there_are(name: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"{what}; use auto, cpu, cuda, cuda:N, xpu, xpu:N or mps"):
        device.resolve(name)


def test_free_memory_is_within_the_machine_and_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < device.free_memory() < 1 << 50
    monkeypatch.setattr(device, "_left_in_container", lambda: 1000.0)
    assert device.free_memory() == 1000
    monkeypatch.setattr(device, "_left_in_container", lambda: -5.0)
    assert device.free_memory() == 0


def test_memory_of_an_apple_chip_is_what_torch_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 1 << 33)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 1 << 32)
    assert device.total_memory("mps") == 1 << 33
    assert device.free_memory("mps") == 1 << 32
