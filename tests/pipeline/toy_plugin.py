"""A plugin with stages that take no time, for the tests of the pipeline, the plugins and the command line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from translate import Config, ConfigError, Need, NoOptions, Problem, Stage, StageContext, Transform, hookimpl
from translate.contracts import TransformUse

EVENTS: list[tuple[str, str]] = []


class BlurConfig(Config):
    radius: PositiveInt = 2


class Blur(Transform[BlurConfig]):
    name = "blur"

    def __call__(self, images: dict[str, Any], seed: int) -> dict[str, Any]:
        return images


class MakeConfig(Config):
    text: str = "hello"
    size: int = Field(default=3, gt=0, le=100)
    source: Path | None = None
    transforms: tuple[TransformUse, ...] = ()
    workers: int = 1


class Make(Stage[MakeConfig]):
    """Writes a text as often as `size` says."""

    name = "make"
    produces = "dataset"
    neutral = frozenset({"workers"})

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        if self.config.text == "bad":
            yield Problem(("with", "text"), "is a bad word")

    def notes(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        if self.config.size > 50:
            yield f"size {self.config.size} is large"

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {"text": self.config.text}

    def inputs(self) -> Iterable[Path]:
        return [self.config.source] if self.config.source else []

    def run(self, context: StageContext) -> dict[str, Any]:
        (context.folder / "out").mkdir(exist_ok=True)
        (context.folder / "out" / "text.txt").write_text(self.config.text * self.config.size)
        return {"length": len(self.config.text) * self.config.size}


class OptimizerConfig(Config):
    uses: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=2e-4, gt=0)
    momentum: float = 0.0


class FitConfig(Config):
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: PositiveInt = 3
    fast: Literal["off", "auto"] = "auto"
    fail: Literal["no", "crash", "config", "stop", "facts", "hand"] = "no"
    nested: dict[str, PositiveInt] = {}


class Fit(Stage[FitConfig]):
    """Counts epochs into a file; what it finds in its folder it goes on from."""

    name = "fit"
    needs: ClassVar[Mapping[str, Need]] = {"data": Need("dataset"), "init": Need("model", optional=True)}
    produces = "model"
    continuable: ClassVar[Mapping[str, str]] = {"epochs": "schedule", "optimizer.lr": "free"}

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {"learnt": parents["data"]["text"]}

    def run(self, context: StageContext) -> dict[str, Any]:
        log = context.folder / "log.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        if context.previous:
            lines.append(f"continued {(context.previous / 'log.txt').read_text().count('epoch')}")
        for epoch in range(len(lines), self.config.epochs):
            lines.append(f"epoch {epoch} {context.inputs['data'].facts['length']}")
            log.write_text("\n".join(lines))
            context.tracker.metrics({"loss": 1.0 / (epoch + 1)}, epoch)
            context.emit("step_finished", step=epoch, metrics={"loss": 1.0})
            if epoch == 1 and not Path("mended").exists():
                self._fail()
        return {"bad": float("nan")} if self.config.fail == "facts" else {}

    def _fail(self) -> None:
        if self.config.fail == "crash":
            raise RuntimeError("out of luck")
        if self.config.fail == "config":
            raise ConfigError("device 'cuda' is not here")
        if self.config.fail == "stop":
            os.kill(os.getpid(), signal.SIGTERM)
        if self.config.fail == "hand":
            raise KeyboardInterrupt


class Free(Stage[NoOptions]):
    """Needs nothing, takes no options."""

    name = "free"
    produces = "scores"

    def run(self, context: StageContext) -> dict[str, Any]:
        return {}


class Broken(Stage[NoOptions]):
    """Breaks when it is checked."""

    name = "broken"
    produces = "scores"

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        raise ZeroDivisionError("by zero")

    def run(self, context: StageContext) -> dict[str, Any]:
        return {}


@hookimpl
def translate_stages() -> list[type[Stage[Any]]]:
    return [Make, Fit, Free, Broken]


@hookimpl
def translate_transforms() -> list[type[Transform[Any]]]:
    return [Blur]


@hookimpl
def translate_run_started(pipeline: str, stages: list[str]) -> None:
    EVENTS.append(("run_started", f"{pipeline}: {' '.join(stages)}"))


@hookimpl
def translate_stage_started(stage: str, folder: Path) -> None:
    EVENTS.append(("stage_started", f"{stage} {folder.suffix}"))


@hookimpl
def translate_stage_finished(stage: str, facts: Mapping[str, Any]) -> None:
    EVENTS.append(("stage_finished", f"{stage} {sorted(facts)}"))


@hookimpl
def translate_step_finished(stage: str, step: int, metrics: Mapping[str, float]) -> None:
    EVENTS.append(("step_finished", f"{stage} {step} {metrics['loss']}"))


@hookimpl
def translate_run_finished(status: str) -> None:
    EVENTS.append(("run_finished", status))
