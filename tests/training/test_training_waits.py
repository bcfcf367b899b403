"""Between two log steps nothing waits for the GPU: each wait would leave it idle until the next work is queued.

`python tests/benchmarks/waits.py` looks for copies in built-in methods as well, which takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from device_waits import CPU, engine_of, harness_of, waits_at_some_size, waits_of, waits_of_reads
from fake_gpu import DEVICE, Waits, fake_gpu
from torch import Tensor, nn
from translate_inpainting import Inpainting
from translate_segmentation import Colours

from translate import Direction, Method, NoOptions, Update
from translate.contracts import Image
from translate.data.loading.samples import Batch, to_device
from translate.distributed.place import Place
from translate.distributed.world import World
from translate.plugins import Registry
from translate.testing.harness import MethodHarness
from translate.training.config import CriticAugmentConfig, EmaConfig
from translate.training.critics.augment import CriticAugment
from translate.training.ema import Averages


class Reading(Method[NoOptions]):
    """A game that waits: it reads a number, indexes by a mask, and copies from the processor."""

    name, data = "reading", "paired"
    players = {"G": ("gen",)}
    losses = {"l1": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Conv2d(3, 3, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        output = nets.gen(batch["input"])
        if output.mean() > 0:
            output = output * torch.tensor(2.0).to(output.device)
        output = output * torch.tensor([2.0], device=output.device) + output.new_tensor(1.0)
        yield Update("G", {"l1": output.mean()})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


def test_no_built_in_method_reads_a_number(registry: Registry) -> None:
    waits = waits_of_reads(registry)
    assert len(waits) >= 26
    assert {name: places for name, places in waits.items() if places} == {}


def test_a_method_that_waits_is_noticed(registry: Registry) -> None:
    with fake_gpu():
        waits = waits_of(harness_of(Reading, registry))
    assert len(waits) == 4
    assert any("if output.mean() > 0:" in place for place in waits)
    assert any("torch.tensor(2.0).to(output.device)" in place for place in waits)
    assert sum("torch.tensor([2.0], device=output.device)" in place for place in waits) == 2
    (place,) = waits_of(harness_of(Reading, registry, CPU), CPU)
    assert "if output.mean() > 0:" in place


class Silent(Reading):
    """The same without its waits, twice in a step."""

    players = {"G": ("gen",), "D": ("disc",)}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)), "disc": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"l1": nets.gen(batch["input"]).mean()})
        yield Update("D", {"l1": nets.disc(batch["target"]).mean()})


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "torch/NAdam"])
def test_updates_averages_and_meters_wait_for_nothing(registry: Registry, precision: str, optimizer: str) -> None:
    with fake_gpu(), Waits() as waits:
        harness = harness_of(Silent, registry)
        engine = engine_of(harness, precision, optimizer={"uses": optimizer, "lr": 1e-3}, clip=1.0)
        averages = Averages(engine, ["gen"], EmaConfig(decay=0.9))
        batch = {side: values.to(DEVICE) for side, values in harness.batch(0).items()}
        for done in range(3):
            engine.step([batch, batch], 0)  # gradient accumulation
            averages.update()
            if not done:
                # optimizers make their state in the first step, which cannot be put back
                waits.places.clear()
        assert waits.places == []
        assert averages._moves["gen"] == 3
        engine.read_meters()
        assert len(waits.places) == 1, "one transfer for all"


def test_masks_from_files_are_copied_once(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate_inpainting.load_masks", lambda folder, size: torch.ones(2, 1, *size))
    options = {**Inpainting.small, "mask": "files", "masks": str(tmp_path)}
    with fake_gpu():
        with DEVICE:
            harness = MethodHarness(Inpainting, registry=registry, options=options)
        engine = engine_of(harness)
        with Waits() as waits:
            for count in (1, 0):
                waits.places.clear()
                holes = engine.method.holes(torch.empty(4, 3, 34, 34, device=DEVICE), engine.rng)
                assert (len(waits.places), holes.shape) == (count, (4, 1, 34, 34))


def test_the_colours_of_classes_are_copied_once(registry: Registry) -> None:
    with fake_gpu():
        assert waits_at_some_size(Colours, registry) == set()


class FakeWorld(World):
    """One of two processes, whose sums are its own numbers."""

    def __init__(self) -> None:
        super().__init__(Place(0, 2, 0, 2))

    def _sum(self, value: Tensor) -> None:
        pass


def test_averaging_over_processes_waits_for_nothing() -> None:
    params = [nn.Parameter(torch.empty(3, device=DEVICE)) for _ in range(3)]
    with fake_gpu(), Waits() as waits:
        for param in params:
            param.grad = torch.empty_like(param)
        FakeWorld().average(params, torch.ones((), dtype=torch.bool, device=DEVICE))
        assert waits.places == []


def test_augmentation_of_critics_waits_for_nothing(registry: Registry) -> None:
    with fake_gpu(), Waits() as waits:
        engine = engine_of(harness_of(Silent, registry))
        critics = CriticAugment(CriticAugmentConfig(), engine.method, engine.nets, DEVICE, 1)
        waits.places.clear()
        for index in range(3):
            critics.begin(index, [2])
            with critics.turn(0):
                engine.nets.disc(torch.empty(2, 3, 32, 32, device=DEVICE))
        assert waits.places == []


def test_a_batch_travels_without_a_wait() -> None:
    batch = Batch(0, 0, {"a": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, {"a": ["1", "2"]})
    with Waits() as waits:
        images = to_device(batch, DEVICE, {"a": Image()})["a"]
    assert (images.device, images.dtype) == (DEVICE, torch.float32)
    assert waits.places == []
