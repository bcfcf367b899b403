"""The `train` stage: prepared data and a method in, a bundle out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from translate.contracts import (
    Artifact,
    ComponentKind,
    DatasetFacts,
    Frames,
    Image,
    ModelFacts,
    Need,
    Problem,
    Side,
    Sides,
    Stage,
    StageContext,
)
from translate.data.dataset import Dataset
from translate.device import precision_problem
from translate.distributed.world import world
from translate.errors import ConfigError
from translate.inference.directions import depends_on_data, routes_with
from translate.models.bundle import FOLDER, write_bundle, write_unfinished
from translate.models.origin import origin_of
from translate.plugins.options import unreadable, used
from translate.storage import checkpoint
from translate.training.build import build_trainer, check_resumable
from translate.training.check import component_configs, notes, paths, problems
from translate.training.config import FastConfig, TrainConfig
from translate.training.init_weights import named_networks
from translate.training.replay.stepper import step_problem
from translate.training.saving.changes import NEUTRAL, continuable

# The imports inside of methods bring torch. Commands that list stages, or plan a pipeline that is up to date, do not
# wait for it.


class TrainStage(Stage[TrainConfig]):
    """Trains a method on a prepared dataset; its folder is a bundle that `convert` and `infer` load."""

    name = "train"
    needs: ClassVar[Mapping[str, Need]] = {"data": Need("dataset"), "init": Need("model", optional=True)}
    produces = "model"
    distributed = True
    neutral = NEUTRAL
    continuable: ClassVar[Mapping[str, Literal["free", "schedule"]]] = continuable()

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        yield "methods", self.config.method
        for entry in self.config.extra_losses:
            yield "losses", entry.uses
        for _, config in component_configs(self.config, self.registry):
            yield from ((use.kind, use.uses) for use in used(config))

    def inputs(self) -> Iterable[Path]:
        for path in paths(self.config, self.registry).values():
            if not unreadable(path):
                yield path
        init = self.config.init
        if init.bundle is not None:
            origin = origin_of(init.bundle)
            yield from origin.paths(origin.further if init.critics else [*init.networks.values()])

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        data, init = DatasetFacts.of(parents, "data"), ModelFacts.of(parents, "init")
        return problems(self.config, self.registry, data, init)

    def defaults(self) -> Mapping[str, Any]:
        c = self.config
        options, _ = self.registry.check("methods", c.method, c.options)
        extra = [
            {**entry.model_dump(), "options": self.registry.check("losses", entry.uses, entry.options)[0]}
            for entry in c.extra_losses
        ]
        losses = {**self.registry.get("methods", c.method).losses, **c.losses}
        return {"options": options, "losses": losses, "extra_losses": extra}

    def notes(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
        return notes(self.config, self.registry, DatasetFacts.of(parents, "data"))

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        method = self.registry.get("methods", self.config.method)
        options = method.Config.model_validate(self.config.options)
        data = DatasetFacts.of(parents, "data")
        spec = data.spec() if data else None
        facts = ModelFacts(self.config.method, method.data, routes_with(method, options, spec))
        if self.config.keep.critics:
            facts = replace(facts, training=tuple(net for net in named_networks(method) if net not in facts.nets))
        if depends_on_data(method):
            facts = replace(facts, options=self.config.options, types=_values(facts.data, data) if data else None)
        return facts.to_json()

    def check_takeover(self, folder: Path, inputs: Mapping[str, Artifact]) -> None:
        """Refuses a training without a checkpoint, and one that has done more steps than are asked for now."""
        method = self.registry.get("methods", self.config.method)
        check_resumable(folder, self.config, Dataset(inputs["data"].path), method)

    def check_device(self, device: str) -> None:
        """Errors: ConfigError where the device does not compute in the `precision`, or in the way of `fast`."""
        if problem := precision_problem(self.config.precision, device):
            raise ConfigError(f"precision: {self.config.precision}: {problem}")
        fast = self.config.fast
        if isinstance(fast, FastConfig) and (problem := step_problem(fast.step, device)):
            raise ConfigError(f"fast: {{step: {fast.step}}}: {problem}")

    def run(self, context: StageContext) -> dict[str, Any]:
        return self.train(context, Dataset(context.inputs["data"].path))

    def train(self, context: StageContext, dataset: Dataset) -> dict[str, Any]:
        """The work of the stage on a dataset, whose facts and hash `context.inputs` have as well."""
        trainer = build_trainer(context, self.config, self.registry, dataset)
        provider = self.registry.provider("methods", self.config.method)
        origin = {
            "data": context.inputs["data"].hash,
            "fingerprint": context.fingerprint,
            "pipeline": context.pipeline,
            **({"handling": dict(dataset.facts.handling)} if dataset.facts.handling else {}),
        }
        if not world().leads:  # rank 0 writes
            trainer.run()
            return {}
        # From here on the training's checkpoints can be used, also those of one that is interrupted.
        (context.folder / checkpoint.FOLDER).mkdir(exist_ok=True)
        write_unfinished(
            context.folder / FOLDER,
            method=trainer.method,
            method_name=self.config.method,
            nets=trainer.engine.nets,
            provider=provider,
            info={"weights": None, "step": None, "ema": self.config.ema is not None, **origin},
        )
        trainer.run()
        trained = trainer.result()
        context.tracker.tags({"kept": f"step {trained.step}, the {trained.weights} weights"})
        info = {
            "weights": trained.weights,
            "step": trained.step,
            "ema": trained.ema,
            "metrics": trained.metrics,
            "training": trainer.facts(trained),
            **origin,
        }
        grids = [context.folder / "samples" / d / f"{trained.step:09d}.png" for d in trainer.method.directions]
        write_bundle(
            context.folder / FOLDER,
            method=trainer.method,
            method_name=self.config.method,
            nets={**trainer.engine.nets, **trained.nets},
            provider=provider,
            info=info,
            samples=[grid for grid in grids if grid.is_file()],
            further=trainer.further() if self.config.keep.critics else (),
        )
        context.tracker.model(context.folder / FOLDER)
        return self.promise({name: artifact.facts for name, artifact in context.inputs.items()})


def _values(sides: Sides, data: DatasetFacts) -> dict[str, Side]:
    """The sides of a method that are no images, as the data has them: with names of classes, and sizes."""
    types = {name: data.sides[name] for name in sides if name in data.sides}
    return {name: side for name, side in types.items() if not isinstance(side, Image | Frames)}
