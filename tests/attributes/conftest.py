from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from translate.contracts import SIDES, DataSpec, Method, Nets
from translate.plugins import Registry
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

Make = Callable[..., Engine]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


@pytest.fixture
def game(registry: Registry) -> Make:
    """An engine for a method by name, on three channels of 64 x 64 pixels unless told otherwise."""

    def make(name: str, options: Mapping[str, Any] | None = None, *, size: int = 64, **config: Any) -> Engine:
        cls: type[Method[Any]] = registry.get("methods", name)
        spec = DataSpec(cls.data, dict.fromkeys(SIDES[cls.data], 3), (size, size))
        method = cls(cls.Config.model_validate(dict(options or {})), spec, dict(cls.losses))
        train = TrainConfig.model_validate({"method": name, **config})
        torch.manual_seed(0)
        nets = build_networks(method, registry)
        players = make_players(name, method.players, nets, train, registry, Length.of(train, 1), fused=False)
        return Engine(method, nets, players, device="cpu", precision="fp32", seed=7, merge=False)

    return make


@pytest.fixture
def pictures() -> Callable[..., torch.Tensor]:
    def draw(seed: int, count: int = 2, size: int = 64) -> torch.Tensor:
        return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    return draw


def plain_nets(engine: Engine) -> Nets:
    return engine.nets
