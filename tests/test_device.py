"""Devices by name, and what is said of one that is not here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from translate import device
from translate.errors import ConfigError


def mps(monkeypatch: pytest.MonkeyPatch, *, built: bool, available: bool) -> None:
    fake = SimpleNamespace(is_built=lambda: built, is_available=lambda: available)
    monkeypatch.setattr(torch.backends, "mps", fake)


def test_auto_is_a_gpu_where_one_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    for usable, name in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda usable=usable: usable)
        assert device.resolve("auto") == name
    assert device.resolve("cpu") == "cpu"


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
    with pytest.raises(ConfigError, match=rf"{what}; use auto, cpu, cuda, cuda:N or mps"):
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
