"""Tiny methods whose output is known in closed form, a registry that knows them, and fixtures of both."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from translate.console import PlainConsole
from translate.contracts import Config, DataSpec, Direction, Method, Step, TestTime, Update
from translate.errors import ConfigError
from translate.inference.program import Program
from translate.inference.translator import Translator


class Identity(nn.Module):
    """A 1 x 1 convolution that starts as the identity, and insists on sizes that are multiples of four."""

    multiple = 4

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(self.mix.weight)

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-2] % 4 == 0 and x.shape[-1] % 4 == 0
        return self.mix(x)


class TinyConfig(Config):
    channels: int = 3


class Tiny(Method[TinyConfig]):
    name = "tiny"
    data = "paired"
    players = {"G": ("gen",), "D": ("critic",)}
    losses = {"l1": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": Identity(self.config.channels), "critic": nn.Linear(2, 2)}

    def step(self, nets: Any, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        yield Update("G", {"l1": (nets.gen(batch["input"]) - batch["target"]).abs().mean()})

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


class Shop:
    """A registry of test methods."""

    def __init__(self, *methods: type[Method[Any]]) -> None:
        self.methods = {m.name: m for m in methods}

    def get(self, kind: str, name: str) -> type[Any]:
        if name not in self.methods:
            raise ConfigError(f"there is no method {name!r}")
        return self.methods[name]

    def build(self, use: Any, **kwargs: Any) -> Any:
        raise AssertionError("these methods build their networks themselves")

    def provider(self, kind: str, name: str) -> dict[str, str]:
        return {"distribution": "tiny-dist", "version": "1.2", "module": "tiny_module"}


def spec(channels: int = 3, kind: str = "paired") -> DataSpec:
    return DataSpec(kind, {"input": channels, "target": channels}, (32, 32))


@pytest.fixture
def shop() -> type[Shop]:
    return Shop


@pytest.fixture
def tiny() -> type[Tiny]:
    return Tiny


@pytest.fixture
def make() -> Callable[..., Translator]:
    """make(method class, nets, channels=3, test_time=..., seed=...) -> Translator on the CPU."""

    def translator(
        kind: type[Tiny] = Tiny,
        nets: Mapping[str, nn.Module] | None = None,
        channels: int = 3,
        test_time: TestTime | None = None,
        **options: Any,
    ) -> Translator:
        method = kind(TinyConfig(channels=channels), spec(channels), {"l1": 1.0})
        if test_time:
            method.test_time = test_time
        if nets is None:
            nets = {"gen": Identity(channels)}
        return Translator(method, nets, {}, **options)

    return translator


@pytest.fixture
def told() -> PlainConsole:
    """A console whose lines can be read: `told._stream.getvalue()`."""
    return PlainConsole(io.StringIO(), io.StringIO())


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def lively() -> Callable[..., nn.Module]:
    """lively(network class, **options): activations of many sizes, running averages that are not 0 and 1."""

    def build(cls: Any, **options: Any) -> nn.Module:
        torch.manual_seed(3)
        net = cls(cls.Config(**options), in_channels=3, out_channels=3)
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.normal_(layer.bias)
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
        return net

    return build


@pytest.fixture
def batches_in_fp32(monkeypatch):
    """Lets images in float32 share batches on a CPU, too, as they do on other devices."""
    monkeypatch.setattr(Program, "joins", lambda program, route: True)
