from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from latent_games import SEED, SMALL, Make

from translate.plugins import Registry
from translate.testing import tiny_spec
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def game(registry: Registry) -> Make:
    """An engine for a game on images of 16 x 16 of four classes, without a dataset."""

    def make(name: str, options: Mapping[str, Any] | None = None, weights: Mapping[str, float] | None = None) -> Engine:
        cls = registry.get("methods", name)
        config = cls.Config.model_validate({**SMALL, **(options or {})})
        method = cls(config, tiny_spec(cls.data, size=16), {**cls.losses, **(weights or {})})
        torch.manual_seed(0)
        nets = build_networks(method, registry)
        for net in nets.values():
            net.train()
        train = TrainConfig(method=name)
        players = make_players(name, method.players, nets, train, registry, Length.of(train, 1), fused=False)
        return Engine(method, nets, players, device="cpu", precision="fp32", seed=SEED, merge=False)

    return make
