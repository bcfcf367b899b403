"""A plugin that implements every hook of `translate`, and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    AdversarialLoss,
    Build,
    Config,
    DeviceTransform,
    Direction,
    LossTerm,
    Method,
    Metric,
    Need,
    Nets,
    Network,
    NetworkUse,
    NoOptions,
    ObjectiveConfig,
    Optimizer,
    OptimizerConfig,
    Record,
    Schedule,
    ScheduleConfig,
    Source,
    SourceFacts,
    Stage,
    StageContext,
    Step,
    Transform,
    Update,
    hookimpl,
)

translate_contract = ">=1,<2"
TOLD: list[tuple[str, dict[str, Any]]] = []
SEEDS: list[int] = []


class Shift(Network[NoOptions]):
    """One convolution."""

    name = "shift"

    def __init__(self, config: NoOptions, *, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels=in_channels, out_channels=out_channels)
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        moved: Tensor = self.layer(images)
        return moved


class PlainConfig(Config):
    generator: NetworkUse = NetworkUse(uses="acme/shift")


class Plain(Method[PlainConfig]):
    """One network and an L1 loss."""

    name = "acme"
    data = "paired"
    players = {"G": ("gen",)}
    losses = {"l1": 1.0}
    views = {"G": ("input", "output", "target")}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        return {"gen": build(self.config.generator, in_channels=3, out_channels=3)}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        fake = nets.gen(batch["input"])
        views = {"input": batch["input"], "output": fake, "target": batch["target"]}
        yield Update("G", {"l1": F.l1_loss(fake.float(), batch["target"])}, views)

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: str) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


class Seven(LossTerm[NoOptions]):
    """Seven, whatever it sees."""

    name = "seven"

    def forward(self, output: Tensor) -> Tensor:
        return 0 * output.sum() + 7


class SofterConfig(ObjectiveConfig):
    """Options of `softer`."""

    slope: float = 0.1
    """What a score counts."""


class Softer(AdversarialLoss[SofterConfig]):
    """Scores count linearly, and little."""

    name = "softer"

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        return self.config.slope * (b.mean() - a.mean())

    def generator(self, a: Tensor, b: Tensor) -> Tensor:
        return -self.config.slope * b.mean()


class SignDescent(torch.optim.Optimizer):
    """Steps of the size of the rate, smaller with each: the count is a plain number, the norm a tensor of no shape."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        group = self.param_groups[0]
        group["rounds"] = group.get("rounds", 0) + 1
        for param in group["params"]:
            if param.grad is not None:
                state = self.state[param]
                state["times"] = state.get("times", 0) + 1
                state["seen"] = state.get("seen", torch.zeros((), dtype=torch.int64)) + 1
                size = group["lr"] / (state["times"] * int(state["seen"]) * group["rounds"])
                param.sub_(size * param.grad.sign())


class Sign(Optimizer[OptimizerConfig]):
    """Steps against the sign of the gradient."""

    name = "sign"

    def build(self, params: Sequence[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        return SignDescent(params, self.config.lr)


class WarmupConfig(ScheduleConfig):
    """Options of `warmup`."""

    over: int = 4
    """How long the rate rises."""


class Warmup(Schedule[WarmupConfig]):
    """A line up from 1/over."""

    name = "warmup"

    def factor(self, position: int, total: int) -> float:
        return min(1.0, (position + 1) / self.config.over)


class Count(Metric[NoOptions]):
    """How many images there are."""

    name = "count"
    better = "higher"

    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> float:
        return float(len(outputs))


class Flat(Source[NoOptions]):
    """Pictures of one colour: the input dark, the target bright."""

    name = "flat"

    def facts(self) -> SourceFacts:
        return SourceFacts("paired", ("train", "val"), frozenset({"train", "val"}))

    def records(self, split: str) -> Iterator[Record]:
        for number in range(3 if split == "train" else 2):
            for side, value in (("input", 50), ("target", 200)):
                picture = np.full((16, 16, 3), value, np.uint8)
                yield Record(f"{number}", side, f"flat {number}", lambda picture=picture: picture)  # type: ignore[misc]


class Negative(Transform[NoOptions]):
    """255 minus the value."""

    name = "negative"

    def __call__(self, images: dict[str, Any], seed: int) -> dict[str, Any]:
        return {side: 255 - pixels for side, pixels in images.items()}


class Darker(DeviceTransform[NoOptions]):
    """Images at half their brightness."""

    name = "darker"

    def __call__(self, batch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        SEEDS.append(seed)
        return {side: values * 0.5 - 0.5 if values.ndim == 4 else values for side, values in batch.items()}


class Weigh(Stage[NoOptions]):
    """Writes how many parameters the model's file has bytes for."""

    name = "weigh"
    needs: ClassVar[Mapping[str, Need]] = {"model": Need("model")}
    produces = "scores"

    def run(self, context: StageContext) -> dict[str, Any]:
        file = context.inputs["model"].path / "translator" / "model.safetensors"
        return {"bytes": file.stat().st_size}


class Notebook:
    """A tracker that keeps metrics in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[str, float], int]] = []

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self.rows.append((dict(values), step))

    def params(self, values: Mapping[str, Any]) -> None: ...
    def image(self, key: str, image: Any, step: int) -> None: ...
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def file(self, path: Path, folder: str = "") -> None: ...
    def tags(self, values: Mapping[str, str]) -> None: ...
    def dataset(self, name: str, digest: str, facts: Mapping[str, Any], context: str) -> None: ...
    def model(self, folder: Path) -> None: ...
    def flush(self) -> None: ...


NOTEBOOK = Notebook()


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [Plain]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [Shift]


@hookimpl
def translate_losses() -> dict[str, type[LossTerm[Any]]]:
    return {"lucky": Seven}


@hookimpl
def translate_objectives() -> list[type[AdversarialLoss[Any]]]:
    return [Softer]


@hookimpl
def translate_optimizers() -> list[type[Optimizer[Any]]]:
    return [Sign]


@hookimpl
def translate_schedules() -> list[type[Schedule[Any]]]:
    return [Warmup]


@hookimpl
def translate_metrics() -> Iterator[type[Metric[Any]]]:
    yield Count


@hookimpl
def translate_sources() -> list[type[Source[Any]]]:
    return [Flat]


@hookimpl
def translate_transforms() -> list[type[Transform[Any]]]:
    return [Negative]


@hookimpl
def translate_device_transforms() -> list[type[DeviceTransform[Any]]]:
    return [Darker]


@hookimpl
def translate_stages() -> list[type[Stage[Any]]]:
    return [Weigh]


@hookimpl
def translate_tracker(pipeline: str, folder: Path) -> Notebook:
    TOLD.append(("tracker", {"pipeline": pipeline, "folder": folder}))
    return NOTEBOOK


@hookimpl
def translate_run_started(pipeline: str, folder: Path, stages: list[str]) -> None:
    TOLD.append(("run_started", {"pipeline": pipeline, "folder": folder, "stages": stages}))


@hookimpl
def translate_run_finished(pipeline: str, folder: Path, status: str) -> None:
    TOLD.append(("run_finished", {"pipeline": pipeline, "folder": folder, "status": status}))


@hookimpl
def translate_stage_started(pipeline: str, stage: str, folder: Path) -> None:
    there = folder.is_dir()
    TOLD.append(("stage_started", {"pipeline": pipeline, "stage": stage, "folder": folder, "there": there}))


@hookimpl
def translate_stage_finished(pipeline: str, stage: str, folder: Path, facts: Mapping[str, Any]) -> None:
    whole = (folder / "MANIFEST.json").is_file()
    TOLD.append(("stage_finished", {"pipeline": pipeline, "stage": stage, "facts": dict(facts), "whole": whole}))


@hookimpl
def translate_step_finished(pipeline: str, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    TOLD.append(("step_finished", {"pipeline": pipeline, "stage": stage, "step": step, "metrics": dict(metrics)}))


@hookimpl
def translate_checkpoint_saved(pipeline: str, stage: str, step: int, folder: Path) -> None:
    whole = (folder / "MANIFEST.json").is_file()
    TOLD.append(("checkpoint_saved", {"pipeline": pipeline, "stage": stage, "step": step, "whole": whole}))
