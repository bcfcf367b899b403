"""Golden losses: the first five steps of every method, so that a refactoring that changes results does not go unseen.

Raise the method's `revision` where a change is meant, and write the new numbers with

    python -m pytest tests/methods --renew-golden
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from methods_cases import CASES, Case

from translate.plugins import Registry
from translate.seeding import derive
from translate.testing.harness import MethodHarness
from translate.testing.instrumented_engine import InstrumentedEngine

FILE = Path(__file__).with_name("golden.json")
STEPS = 5
GOLDEN = [name for name, case in CASES.items() if case.golden and name != "single-network"]
Curves = dict[str, list[float]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_of(case: Case, registry: Registry) -> tuple[MethodHarness, InstrumentedEngine]:
    """A training with weights by counter, large enough to make pictures that losses tell apart."""
    cls = registry.get("methods", case.method)
    harness = MethodHarness(cls, options=case.options, losses=case.losses, size=case.size, registry=registry)
    engine = harness.engine()
    for name, net in engine.nets.items():
        for key, weight in net.named_parameters():
            if weight.requires_grad and weight.ndim > 1:
                with torch.no_grad():
                    weight.copy_(noise(weight, name, key) / weight[0].numel() ** 0.5)
    return harness, engine


def noise(like: torch.Tensor, *parts: str) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(derive(0, *parts)))


def curves(harness: MethodHarness, engine: InstrumentedEngine) -> Curves:
    """Every value of every loss within the first steps, in the order of the updates."""
    harness.play(engine, STEPS)
    found: Curves = {}
    for _, player, loss, value in engine.values:
        found.setdefault(f"{player}/{loss}", []).append(float(f"{value:.6g}"))
    return found


def differences(found: Mapping[str, list[float]], expected: Mapping[str, list[float]]) -> list[str]:
    """What differs by more than processors do."""
    if {k: len(v) for k, v in found.items()} != {k: len(v) for k, v in expected.items()}:
        return [f"losses {sorted(found)} with {STEPS} steps, expected {sorted(expected)}"]
    return [
        f"{name}: {found[name]}, expected {values}"
        for name, values in expected.items()
        if not all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6) for a, b in zip(found[name], values, strict=True))
    ]


@pytest.fixture(scope="module")
def golden(request: pytest.FixtureRequest, registry: Registry, one_thread: None) -> dict[str, Curves]:
    if request.config.getoption("--renew-golden"):
        found = {name: curves(*engine_of(CASES[name], registry)) for name in GOLDEN}
        rows = [f"{json.dumps(name)}: {json.dumps(losses)}" for name, losses in found.items()]
        FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    kept: dict[str, Curves] = json.loads(FILE.read_text())
    return kept


@pytest.mark.parametrize("name", GOLDEN)
def test_losses_of_five_steps(name: str, golden: dict[str, Curves], registry: Registry) -> None:
    assert not differences(curves(*engine_of(CASES[name], registry)), golden[name])


@pytest.mark.parametrize("name", GOLDEN)
def test_a_change_of_weights_shows(name: str, golden: dict[str, Curves], registry: Registry) -> None:
    """A tenth of noise on the first convolution of the network that translates."""
    harness, engine = engine_of(CASES[name], registry)
    net = engine.nets[next(iter(engine.method.directions.values())).nets[0]]
    with torch.no_grad():
        first = next(p for p in net.parameters() if p.ndim == 4)
        first.add_(noise(first, "change") * 0.1 * first.std())
    assert differences(curves(harness, engine), golden[name])


def test_every_case_is_kept(golden: dict[str, Curves]) -> None:
    assert set(golden) == set(GOLDEN)
