from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from duel import data, train
from torch import nn

from translate.contracts import DataSpec, Method
from translate.plugins import Registry
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.critics.augment import CriticAugment
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

__all__ = ["data", "train"]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(registry: Registry) -> MakeEngine:
    """An engine for a method class on 3-channel data of 32 x 32, without a dataset."""

    def make(
        cls: type[Method[Any]],
        options: Mapping[str, Any] | None = None,
        *,
        channels: int = 3,
        size: int = 32,
        fast: bool = False,
        precision: Any = "fp32",
        weights: Mapping[str, float] | None = None,
        nets: Mapping[str, nn.Module] | None = None,
        **config: Any,
    ) -> Engine:
        sides = {"paired": ("input", "target"), "unpaired": ("a", "b")}[cls.data]
        spec = DataSpec(cls.data, dict.fromkeys(sides, channels), (size, size))
        method = cls(cls.Config.model_validate(dict(options or {})), spec, {**cls.losses, **(weights or {})})
        train = TrainConfig.model_validate({"method": cls.name, **config})
        torch.manual_seed(0)
        modules = copy.deepcopy(dict(nets)) if nets else build_networks(method, registry)
        for module in modules.values():
            module.train()
        players = make_players(cls.name, method.players, modules, train, registry, Length.of(train, 1), fused=fast)
        changes = train.critic_augment
        augment = CriticAugment(changes, method, modules, "cpu", 7) if changes and changes.acts() else None
        return Engine(
            method, modules, players, device="cpu", precision=precision, seed=7, merge=fast, critic_augment=augment
        )

    return make
