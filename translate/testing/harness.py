"""Builds a method with the registry, and trains it with the engine on tiny batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic_core import PydanticUndefined
from torch import Tensor, nn

from translate.contracts import Components, Config, DataSpec, Method, NetworkUse
from translate.errors import ConfigError
from translate.plugins import Registry
from translate.plugins.options import ready
from translate.seeding import derive
from translate.testing.batches import tiny_batch, tiny_spec
from translate.testing.component import configured, smallest
from translate.testing.instrumented_engine import InstrumentedEngine
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.length import Length
from translate.training.players import make_players

SEED = 7
SMALL: Sequence[Mapping[str, int]] = (
    {"filters": 4, "blocks": 1, "levels": 3, "layers": 1, "growth": 2},
    {"filters": 4},
)
"""Options that make networks small, where the method's options leave them alone: the first that the method can use."""


class RegistryWithOverride:
    """A registry in which one name stands for the class under test, whether it is installed or not."""

    def __init__(self, registry: Components, kind: str, name: str, cls: type[Any]) -> None:
        self._registry, self._override, self._cls = registry, (kind, name), cls

    def get(self, kind: str, name: str) -> type[Any]:
        if (kind, name) == self._override:
            return self._cls
        return self._registry.get(kind, name)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


class MethodHarness:
    """Builds and trains a method for its checks. `size` grows to what the networks of its directions need."""

    def __init__(
        self,
        cls: type[Method[Any]],
        *,
        options: Mapping[str, Any] | None = None,
        size: int = 32,
        losses: Mapping[str, float] | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.cls, self.losses = cls, dict(losses or {})
        self.registry = registry or Registry()
        self.name = cls.name or cls.__name__
        self.size = size
        self.options = dict(options or {})
        for small in SMALL:
            networks = _small(cls.Config, self.registry, {**small, "crop": size})
            if not {*networks} <= {*self.options} and self._builds({**networks, **self.options}):
                break

    def _builds(self, options: dict[str, Any]) -> bool:
        """Takes these options if the networks can be built with them; returns whether it did."""
        before, self.options = self.options, options
        try:
            self.built(self.method())
        except Exception:  # the checks report what goes wrong without small networks
            self.options = before
            return False
        return True

    def fit(self) -> None:
        """Raises the size to the smallest that all directions and networks accept, as far as they say so (`multiple`,
        ConfigError)."""
        method = self.method()
        nets = self.built(method)
        used = {n for d in method.directions.values() for n in d.nets}
        of_nets = [m for n in used if isinstance(m := getattr(nets[n], "multiple", 1), int)]
        least = math.lcm(*of_nets, *(d.multiple or 1 for d in method.directions.values()))
        self.size = smallest(-(-self.size // least) * least, self._attempt if method.players else lambda size: None)

    def _attempt(self, size: int) -> None:
        self.size = size
        self.play(self.engine(), 1)

    @property
    def spec(self) -> DataSpec:
        return tiny_spec(self.cls.data, size=self.size)

    def batch(self, number: int) -> dict[str, Tensor]:
        return tiny_batch(self.cls.data, size=self.size, seed=number)

    def config(self) -> Config:
        return configured(self.cls, self.options)

    def method(self) -> Method[Any]:
        """A new instance, as training makes it. Errors: ConfigError for losses outside of the vocabulary."""
        if unknown := sorted({*self.losses} - {*self.cls.losses}):
            raise ConfigError(f"`losses` names {unknown[0]!r}, which is not in the vocabulary of {self.name}")
        config = ready(self.config(), self.registry.build)
        return self.cls(config, self.spec, {**self.cls.losses, **self.losses})

    def built(self, method: Method[Any], seed: int = SEED) -> dict[str, nn.Module]:
        """The method's networks by the real builder, initialised from `seed`."""
        torch.manual_seed(derive(seed, "networks"))
        return build_networks(method, self.registry)

    def engine(self, *, precision: Any = "fp32", seed: int = SEED, checking: bool = False) -> InstrumentedEngine:
        """A training that has not begun: `seed` decides the first weights, and nothing else."""
        method = self.method()
        nets = self.built(method, seed)
        for net in nets.values():
            net.train()
        config = TrainConfig(method=self.name, fast="off")
        players = make_players(
            self.name, method.players, nets, config, self.registry, Length.of(config, 1), fused=False
        )
        return InstrumentedEngine(
            method, nets, players, device="cpu", precision=precision, seed=SEED, checking=checking
        )

    def play(self, engine: InstrumentedEngine, steps: int) -> None:
        for _ in range(steps):
            engine.step([self.batch(engine.index)], engine.index // 2)


def _small(config: type[Config], registry: Registry, wanted: Mapping[str, int]) -> dict[str, NetworkUse]:
    """The networks that are options of a method by default, with those of the wanted options that they know."""
    networks = {}
    for name, field in config.model_fields.items():
        use = field.default
        if use is PydanticUndefined or not isinstance(use, NetworkUse):
            continue
        fields = registry.get("networks", use.uses).Config.model_fields
        numbers = {key for key in wanted if key in fields and isinstance(fields[key].default, int)}
        options = {key: wanted[key] for key in numbers if key not in use.options}
        networks[field.alias or name] = NetworkUse(uses=use.uses, options={**use.options, **options})
    return networks
