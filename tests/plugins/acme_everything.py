"""A plugin that implements every hook of `translate`, and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    AdversarialLoss,
    Build,
    Config,
    DataError,
    DecodedImage,
    DeviceTransform,
    Direction,
    DirectionCall,
    Draw,
    Exported,
    Exporter,
    ImageFormat,
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
    Translator,
    Update,
    hookimpl,
)

translate_contract = ">=2,<3"
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

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
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


class Pgm(ImageFormat):
    """Portable grey maps of 8 bits (P5)."""

    name = "pgm"
    suffixes = (".pgm",)
    signatures = (b"P5",)

    def read(self, data: bytes) -> np.ndarray[Any, Any]:
        _, size, top, body = data.split(b"\n", 3)
        width, height = map(int, size.split())
        if top != b"255" or len(body) != width * height:
            raise DataError("a PGM of 8 bits ends too early")
        return np.frombuffer(body, np.uint8).reshape(height, width, 1)

    def write(self, image: DecodedImage) -> bytes:
        array = image.array
        if array.shape[2] == 3 and array.dtype == np.uint8:
            array = array.mean(2, keepdims=True).astype(np.uint8)
        if array.shape[2] != 1 or array.dtype != np.uint8:
            raise DataError(f"PGM holds grey of 8 bits, not {array.shape} {array.dtype}")
        height, width, _ = array.shape
        return b"P5\n%d %d\n255\n" % (width, height) + array.tobytes()


class CountConfig(Config):
    """Options of `counts`."""

    title: str = "parameters"
    """The first line."""


class Counts(Exporter[CountConfig]):
    """How many parameters the networks of each direction have, as text."""

    name = "counts"
    suffix = ".txt"

    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterator[Exported]:
        for direction, file in files.items():
            nets = model.route(direction).nets
            count = sum(p.numel() for net in nets for p in model.nets[net].parameters())
            file.write_text(f"{self.config.title}\n{count}\n")
            yield Exported(direction, file, f"{count} parameters", ("it is a number",), {"count": count})


@click.command("greet", short_help="Say hello.")
@click.argument("who")
@click.option("--loud", is_flag=True)
def greet(who: str, loud: bool) -> None:
    """Say hello to WHO."""
    click.echo(f"hello {who}".upper() if loud else f"hello {who}")


@click.group("acme")
def own() -> None:
    """Commands of acme."""


@own.command()
def fail() -> None:
    """Fail."""
    raise DataError("no image here")


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
def translate_formats() -> list[type[ImageFormat]]:
    return [Pgm]


@hookimpl
def translate_exporters() -> list[type[Exporter[Any]]]:
    return [Counts]


@hookimpl
def translate_commands() -> list[click.Command]:
    return [greet, own]


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
def translate_validated(pipeline: str, stage: str, step: int, scores: Mapping[str, float], folder: Path) -> None:
    grids = sorted(str(path.relative_to(folder)) for path in folder.rglob(f"{step:09d}.png"))
    TOLD.append(("validated", {"stage": stage, "step": step, "scores": dict(scores), "grids": grids}))


@hookimpl
def translate_checkpoint_saved(pipeline: str, stage: str, step: int, folder: Path) -> None:
    whole = (folder / "MANIFEST.json").is_file()
    TOLD.append(("checkpoint_saved", {"pipeline": pipeline, "stage": stage, "step": step, "whole": whole}))
