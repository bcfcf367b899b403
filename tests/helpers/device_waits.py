"""The waits of a method's training steps, with torch's device `meta` or the processor in the place of a GPU."""

from __future__ import annotations

from typing import Any
from unittest import mock

import torch
from fake_gpu import DEVICE, Waits, fake_gpu, one_hot

from translate import Method
from translate.errors import TranslateError
from translate.plugins import Registry
from translate.testing.harness import MethodHarness
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

CPU = torch.device("cpu")
SIZES = (32, 64, 128)
"""Sides of the images of a batch, of which the first that a method can take is taken."""
TURNS = 6
"""Steps within which all players have played."""


def trained_methods(registry: Registry) -> list[type[Method[Any]]]:
    """The built-in methods that are trained."""
    registry.load_all()
    classes = [registry.get("methods", name) for name in registry.names("methods")]
    return [cls for cls in classes if cls.players]


def harness_of(cls: type[Method[Any]], registry: Registry, device: torch.device = DEVICE) -> MethodHarness:
    with device:
        return MethodHarness(cls, registry=registry, options=cls.small)


def engine_of(harness: MethodHarness, precision: str = "fp16", device: torch.device = DEVICE, **options: Any) -> Engine:
    """An engine whose networks lie on the device."""
    with device:
        method = harness.method()
        nets = harness.built(method)
    for net in nets.values():
        net.to(device).train()
    config = TrainConfig.model_validate({"method": harness.name, **options})
    length = Length.of(config, 1)
    players = make_players(harness.name, method.players, nets, config, harness.registry, length, fused=False)
    engine = Engine(method, nets, players, device=str(device), precision=precision, seed=1, merge=True)  # type: ignore[arg-type]
    engine.index = 1  # some methods look at their networks in the first step
    return engine


def waits_of(harness: MethodHarness, device: torch.device = DEVICE) -> set[str]:
    """The waits of a method's steps that come again in the next step.

    Optimizers do not step: they are the same for all methods.
    """
    precision = "fp16" if device == DEVICE else "fp32"
    engine = engine_of(harness, precision, device)
    batch = {side: values.to(device) for side, values in harness.batch(0).items()}
    with Waits(device) as waits, mock.patch("translate.training.engine.step_where"):
        for _ in range(2):
            waits.places.clear()
            for _ in range(TURNS):
                engine.step([batch], 0)
                if all(player.done for player in engine.players.values()):
                    break
            if not waits.places:
                break
    assert all(player.done for player in engine.players.values())
    return set(waits.places)


def waits_at_some_size(cls: type[Method[Any]], registry: Registry, device: torch.device = DEVICE) -> set[str]:
    """The same at the first size of images that the method can take."""
    harness = harness_of(cls, registry, device)
    for size in SIZES[:-1]:
        harness.size = size
        try:
            return waits_of(harness, device)
        except (TranslateError, RuntimeError, ValueError):  # in many ways networks say that an image is too small
            continue
    harness.size = SIZES[-1]
    return waits_of(harness, device)


def waits_of_reads(registry: Registry) -> dict[str, set[str]]:
    """Numbers that built-in methods read, by method; the processor plays the GPU."""
    with mock.patch("torch.nn.functional.one_hot", one_hot):
        return {cls.name: waits_at_some_size(cls, registry, CPU) for cls in trained_methods(registry)}


def waits_of_all(registry: Registry) -> dict[str, set[str]]:
    """Numbers that built-in methods read and copies that they make, by method; the device `meta` plays the GPU."""
    with fake_gpu():
        return {cls.name: waits_at_some_size(cls, registry) for cls in trained_methods(registry)}
