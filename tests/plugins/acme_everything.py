"""A plugin that implements every hook of `translate`, and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    Direction,
    LossTerm,
    Method,
    Metric,
    Need,
    Nets,
    Network,
    NetworkUse,
    NoOptions,
    Record,
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
def translate_metrics() -> Iterator[type[Metric[Any]]]:
    yield Count


@hookimpl
def translate_sources() -> list[type[Source[Any]]]:
    return [Flat]


@hookimpl
def translate_transforms() -> list[type[Transform[Any]]]:
    return [Negative]


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
