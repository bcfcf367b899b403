"""The ways in which a device gets the work of a step: TF32, compiled networks, and what a device cannot do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from test_training_replay import Small, run
from training_batches import random_batches

from translate import Update
from translate.distributed.world import World
from translate.errors import ConfigError, StageError
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig
from translate.training.fast.choice import Choice
from translate.training.fast.tuner import ways
from translate.training.fast.variant import Variant
from translate.training.numerics.tf32 import tf32
from translate.training.replay.compiled import Compiled
from translate.training.replay.stepper import shortfall


def switches() -> list[Any]:
    """Of torch, the older and the newer ones."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    newer = [products.fp32_precision, convolutions.conv.fp32_precision]
    return [products.allow_tf32, convolutions.allow_tf32, *newer]


def test_tf32_is_switched_and_put_back() -> None:
    before = switches()
    for on, word in ((True, "tf32"), (False, "ieee")):
        with pytest.raises(ZeroDivisionError), tf32(on):
            assert switches()[:3] == [on, on, word]
            1 / 0  # noqa: B018
        assert switches()[:2] == before[:2]
        assert (switches()[2] == "tf32") == (before[2] == "tf32")


def test_switches_of_others_are_left_alone() -> None:
    products = torch.backends.cuda.matmul
    products.fp32_precision = "tf32"
    try:
        with tf32(False):
            assert products.fp32_precision == "tf32"
    finally:
        products.fp32_precision = "none"
        torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.parametrize(
    ("options", "device", "on"),
    [
        ({}, "cuda:0", True),
        ({"precision": "bf16"}, "cuda:0", True),
        ({"precision": "fp32"}, "cuda:0", False),
        ({"precision": "fp32", "fast": {"tf32": True}}, "cuda:0", True),
        ({"fast": {"tf32": False}}, "cuda:0", False),
        ({"fast": "off"}, "cuda:0", False),
        ({}, "cpu", False),
    ],
)
def test_tf32_is_on_unless_float32_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], device: str, on: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    assert Choice.of(TrainConfig(method="pix2pix", **options), device).variant.tf32 is on


def test_the_search_of_convolutions_is_switched_and_put_back(train: Any) -> None:
    seen: list[bool] = []

    def emit(event: str, **facts: Any) -> None:
        seen.append(torch.backends.cudnn.benchmark)

    for fast in ("off", {}):
        before = torch.backends.cudnn.benchmark
        train(str(fast), max_steps=1, fast=fast, emit=emit)
        assert torch.backends.cudnn.benchmark is before
    assert {*seen} == {False, True} and seen[0] is False


def test_a_way_that_the_device_has_not_is_refused() -> None:
    def stage(step: str) -> TrainStage:
        return TrainStage(TrainConfig(method="pix2pix", fast={"step": step}), Registry())  # type: ignore[arg-type]

    with pytest.raises(
        ConfigError, match=r"fast: \{step: graph\}: only CUDA records steps, not cpu: use `step: eager`"
    ):
        stage("graph").check_device("cpu")
    with pytest.raises(ConfigError, match="not for mps"):
        stage("compile").check_device("mps")
    stage("graph").check_device("cuda:0")
    stage("compile").check_device("cpu")
    stage("eager").check_device("mps")


class Compiler:
    """A compiler that makes no kernels, and at some call breaks."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.calls, self.breaks_at = 0, breaks_at

    def __call__(self, graph: Any, inputs: Any) -> Any:
        def call(*args: Any) -> Any:
            self.calls += 1
            if self.calls == self.breaks_at:
                raise RuntimeError("the compiler is at its end\nand more")
            return graph(*args)

        return call


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, while it looks at tensors
def test_compiled_networks_compute_the_same(make_engine: Any, one_thread: None) -> None:
    plain, compiled = make_engine(Small), make_engine(Small)
    compiler = Compiler()
    compiled.stepper = Compiled(compiled, backend=compiler)
    batches = random_batches(("input", "target"), 5)
    assert run(compiled, batches) == run(plain, batches)
    assert compiled.stepper.failed == shortfall(compiled.stepper) == ""
    assert compiler.calls == 3 * 5
    assert [*compiled.nets.gen.state_dict()] == [*plain.nets.gen.state_dict()]


class Drawing(Small):
    """The same with draws of Python and of numpy."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield from super().step(nets, {**batch, "input": batch["input"] * random.random() + np.random.rand()}, step)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("cls", [Small, Drawing])
def test_what_cannot_be_compiled_goes_on_from_the_same_state(make_engine: Any, one_thread: None, cls: Any) -> None:
    """The second player of the second step breaks: the first one has moved, and draws were made."""
    plain, compiled = make_engine(cls), make_engine(cls)
    compiler = Compiler(breaks_at=6)
    compiled.stepper = Compiled(compiled, backend=compiler)
    batches = random_batches(("input", "target"), 5)
    assert run(compiled, batches) == run(plain, batches)
    assert compiler.calls == 6
    told = "steps are computed as they come and not compiled, since the compiler is at its end"
    assert [shortfall(compiled.stepper) for _ in range(2)] == [told, ""]
    for a, b in zip(plain.nets.gen.parameters(), compiled.nets.gen.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_compiled_in_one_process_alone_is_an_error(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.compiler.reset()  # torch compiles one function a few times alone
    engine = make_engine(Small)
    engine.stepper = Compiled(engine, backend=Compiler(breaks_at=1))
    monkeypatch.setattr(World, "all_failed", lambda self, work: False)
    with pytest.raises(StageError, match=r"failed in one process alone \(the compiler is at its end\)"):
        engine.step(random_batches(("input", "target"), 1), 0)


def test_a_trial_takes_other_ways_on_cuda_alone() -> None:
    plain = Variant("bf16", merge=True)
    assert [other.step for other in ways(plain, torch.device("cuda"), 10.0)] == ["graph"]
    assert [other.step for other in ways(plain, torch.device("cuda"), 1000.0)] == ["graph", "compile"]
    assert [*ways(plain, torch.device("cpu"), 1000.0)] == [*ways(plain, torch.device("mps"), 1000.0)] == []
