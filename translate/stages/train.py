"""The `train` stage: prepared data and a method in, a bundle out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from translate.contracts import (
    ComponentKind,
    Components,
    Config,
    DatasetFacts,
    Method,
    ModelFacts,
    Need,
    NetworkUse,
    Problem,
    Stage,
    StageContext,
)
from translate.errors import ConfigError, ContractError, StageError, TranslateError
from translate.plugins.options import KeyProblem, files, used
from translate.seeding import derive
from translate.text import suggest
from translate.training.config import TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from translate.data.dataset import Dataset
    from translate.data.loader import Loader
    from translate.training.engine import Engine
    from translate.training.trainer import Trainer
    from translate.training.validation import Validator


class TrainStage(Stage[TrainConfig]):
    """Trains a method on a prepared dataset; its folder is a bundle that `convert` and `infer` load."""

    name = "train"
    needs: ClassVar[Mapping[str, Need]] = {"data": Need("dataset"), "init": Need("model", optional=True)}
    produces = "model"
    neutral = frozenset({"workers", "log_every", "checkpoint"})
    continuable: ClassVar[Mapping[str, str]] = {
        "epochs": "schedule",
        "max_steps": "schedule",
        "optimizer.lr": "schedule",
        "schedule": "schedule",
        "losses": "free",
        "extra_losses": "free",
        "validate": "free",
        "keep": "free",
        "clip": "free",
        "precision": "free",
        "fast": "free",
        "augment": "free",
    }

    # --------------------------------------------------------------------------------------------- before it runs

    def uses(self) -> Iterable[tuple[ComponentKind, str]]:
        yield "methods", self.config.method
        yield from (("losses", entry.uses) for entry in self.config.extra_losses)
        for _, config in self._configs():
            yield from ((use.kind, use.uses) for use in used(config))

    def inputs(self) -> Iterable[Path]:
        from translate.models.load import locate

        start = self.config.init.bundle
        return [path for path in self._paths().values() if path.exists()] + ([locate(start)] if start else [])

    def _configs(self) -> Iterable[tuple[tuple[str | int, ...], Config]]:
        """The options of the method and of extra losses, with their places; none where they are wrong, which `check`
        says."""
        c = self.config
        parts: list[tuple[ComponentKind, str, Any, tuple[str | int, ...]]]
        parts = [("methods", c.method, c.options, ("options",))]
        parts += [("losses", e.uses, e.options, ("extra_losses", i, "options")) for i, e in enumerate(c.extra_losses)]
        for kind, name, options, place in parts:
            try:
                yield place, self.registry.get(kind, name).Config.model_validate(options)
            except (TranslateError, ValueError):
                continue

    def _paths(self) -> dict[tuple[str | int, ...], Path]:
        """The files and folders that options name, by place."""
        found: dict[tuple[str | int, ...], Path] = {}
        for place, config in self._configs():
            with suppress(TranslateError):
                found |= files(config, self.registry, place)
        return found

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        try:
            method = self.registry.get("methods", self.config.method)
        except TranslateError as error:
            return [Problem(("with", "method"), str(error))]
        if not method.players:
            other = "train with another method, and start from such a model with `init`"
            return [Problem(("with", "method"), f"{self.config.method} is for inference alone; {other}")]
        return [
            *self._check_method(method),
            *self._check_init(method, ModelFacts.of(parents, "init")),
            *self._check_data(method, DatasetFacts.of(parents, "data")),
            *self._check_extra(method),
        ]

    def _check_method(self, method: type[Method[Any]]) -> Iterable[Problem]:
        c = self.config
        for wrong in self.registry.check("methods", c.method, c.options)[1]:
            yield type(wrong)(("with", "options", *wrong.path), wrong.message)
        for place, path in self._paths().items():
            if not path.exists():
                yield Problem(("with", *place), f"{path}: there is no such file or folder")
        for name in c.losses:
            if name not in method.losses:
                yield KeyProblem(("with", "losses", name), _unknown(f"{c.method} has no loss", name, method.losses))
        for i, name in enumerate(c.validation.directions):
            if name not in method.directions:
                message = _unknown(f"{c.method} has no direction", name, method.directions)
                yield Problem(("with", "validate", "directions", i), message)
        for name in c.players:
            if name not in method.players:
                yield KeyProblem(("with", "players", name), _unknown(f"{c.method} has no player", name, method.players))

    def _check_init(self, method: type[Method[Any]], parent: ModelFacts | None) -> Iterable[Problem]:
        from translate.training.init_weights import bundle_networks, named_networks, pairing

        init = self.config.init
        if init.bundle is not None and parent is not None:
            yield Problem(("with", "init"), "`needs: {init: ...}` names a model to start from as well; keep one")
        if init.networks and init.bundle is None and parent is None:
            yield Problem(("with", "init"), "there is no model to start from: `needs: {init: STAGE}` or `bundle: PATH`")
        if (init.bundle is None) == (parent is None):
            return
        try:
            theirs = bundle_networks(init.bundle) if init.bundle else (parent.nets if parent else ())
            pairing(named_networks(method), method.directions, theirs, init.networks)
        except TranslateError as error:
            yield Problem(("with", "init"), str(error))

    def _check_data(self, method: type[Method[Any]], data: DatasetFacts | None) -> Iterable[Problem]:
        from translate.metrics import metric_problems
        from translate.training.validation import split_for

        c = self.config
        if data and data.kind != method.data:
            message = f"{c.method} trains on {method.data} data, but the data here is {data.kind}"
            yield Problem(("with", "method"), message)
            return
        if data and "train" not in data.splits:
            yield Problem(("needs", "data"), f"the data has no split 'train'; it has {', '.join(data.splits)}")
        metrics = [use.uses for use in c.validation.metrics]
        if c.keep.best is not None and c.keep.best not in metrics:
            yield Problem(("with", "keep", "best"), _unknown("validate.metrics does not name", c.keep.best, metrics))
        split = split_for(data.splits, c.validation.split) if data else None
        if data and metrics and split is None:
            wanted = c.validation.split or "val or test"
            message = f"no split to validate on: the data has {', '.join(data.splits)}, not {wanted}"
            yield Problem(("with", "validate"), message)
        elif data and split is not None:
            scored = c.validation.directions or tuple(method.directions)[:1]
            labels = any(method.directions[name].output == "labels" for name in scored if name in method.directions)
            uses = c.validation.metrics
            for i, message in metric_problems(uses, data, split, self.registry, context=True, labels=labels):
                yield Problem(("with", "validate", "metrics", i), message)

    def _check_extra(self, method: type[Method[Any]]) -> Iterable[Problem]:
        from translate.training.extra_losses import binding_problems

        for i, entry in enumerate(self.config.extra_losses):
            at = ("with", "extra_losses", i)
            if entry.player not in method.players:
                yield Problem(
                    (*at, "player"), _unknown(f"{self.config.method} has no player", entry.player, method.players)
                )
            try:
                wrong = self.registry.check("losses", entry.uses, entry.options)[1]
                term = self.registry.get("losses", entry.uses)
            except TranslateError as error:
                yield Problem((*at, "uses"), str(error))
                continue
            yield from (type(p)((*at, "options", *p.path), p.message) for p in wrong)
            for p in binding_problems(method, self.config.method, entry, term):
                yield type(p)((*at, *p.path), p.message)

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
        c = self.config
        if (
            c.schedule.uses in ("linear-decay", "cosine")
            and c.schedule.unit == "epochs"
            and c.schedule.start >= c.epochs
        ):
            yield f"schedule.start {c.schedule.start} is past the last of {c.epochs} epochs: the rate never falls"
        if c.validation.every > c.epochs:
            yield f"validate.every {c.validation.every:g} is past {c.epochs} epochs: only the last step validates"

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        from translate.inference.directions import routes_with

        method = self.registry.get("methods", self.config.method)
        options = method.Config.model_validate(self.config.options)
        return ModelFacts(self.config.method, method.data, routes_with(method, options)).to_json()

    # ------------------------------------------------------------------------------------------------ the work

    def run(self, context: StageContext) -> dict[str, Any]:
        from translate.models.bundle import FOLDER, write_bundle

        trainer = self._trainer(context)
        self._start(trainer, context)
        trainer.run()
        nets, info = trainer.final()
        provider = self.registry.provider("methods", self.config.method)
        info |= {"data": context.inputs["data"].hash, "fingerprint": context.fingerprint, "pipeline": context.pipeline}
        grids = [context.folder / "samples" / d / f"{info['step']:09d}.png" for d in trainer.method.directions]
        write_bundle(
            context.folder / FOLDER,
            method=trainer.method,
            method_name=self.config.method,
            nets=nets,
            provider=provider,
            info=info,
            samples=[grid for grid in grids if grid.is_file()],
        )
        context.tracker.model(context.folder / FOLDER)
        return self.promise({})

    def _trainer(self, context: StageContext) -> Trainer:
        """Builds method, networks, players, loader and validator."""
        import torch

        from translate.data.dataset import Dataset
        from translate.device import precision
        from translate.training.engine import Engine
        from translate.training.extra_losses import bind
        from translate.training.players import make_players
        from translate.training.trainer import Trainer

        c, registry, device = self.config, self.registry, context.device
        dataset = Dataset(context.inputs["data"].path)
        augment = [registry.build(use) for use in c.augment]
        method_class = registry.get("methods", c.method)
        options = method_class.Config.model_validate(c.options)
        spec = dataset.spec(dataset.batch_size_of(augment))
        method: Method[Any] = method_class(options, spec, {**method_class.losses, **c.losses})

        fast = c.fast == "auto"
        exact = precision(c.precision if fast or c.precision != "auto" else "fp32", device)
        torch.backends.cudnn.benchmark = fast
        torch.manual_seed(derive(context.seed, "networks"))
        nets = build_networks(method, registry)
        check_size(method, nets)
        channels_last = fast and exact == "bf16" and device.startswith("cuda")  # on a CPU the norms lose what it gains
        for net in nets.values():
            net.to(device).train()
            if channels_last:
                net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        loader = self._loader(context, dataset, augment)
        whole = max(1, c.epochs * loader.steps_per_epoch // c.accumulate)
        total = min(whole, c.max_steps or whole)
        players = make_players(c.method, method.players, nets, c, whole, fused=fast)
        extra = bind(c.extra_losses, registry, device, method.weights)
        seed = derive(context.seed, "training")
        engine = Engine(method, nets, players, device=device, precision=exact, seed=seed, extra=extra, merge=fast)
        better = registry.get("metrics", c.keep.best).better if c.keep.best else None
        validator = self._validator(context, dataset, engine)
        self._describe(context, dataset, engine, total, whole / c.epochs)
        return Trainer(context, c, method, engine, loader, validator, total, better, channels_last)

    def _loader(self, context: StageContext, dataset: Dataset, augment: list[Any]) -> Loader:
        from translate.data.loader import Loader
        from translate.device import cores

        cuda = context.device.startswith("cuda")
        wanted = self.config.workers
        workers = wanted if wanted != "auto" else min(8, max(1, cores() - 1)) if cuda else 1
        return Loader(
            dataset, "train", augment, self.config.batch_size, derive(context.seed, "loader"), workers, pin=cuda
        )

    def _validator(self, context: StageContext, dataset: Dataset, engine: Engine) -> Validator | None:
        from translate.training.validation import Validator, split_for

        config = self.config.validation
        split = split_for(dataset.splits, config.split)
        if split is None:
            context.console.warn("no split 'val' or 'test': nothing to validate on, no sample grids")
            return None
        metrics = [self.registry.build(use, spec=engine.method.spec) for use in config.metrics]
        return Validator(engine, dataset, split, config, metrics)

    def _describe(self, context: StageContext, dataset: Dataset, engine: Engine, total: int, per_epoch: float) -> None:
        from translate.networks import count_parameters

        counts = ", ".join(f"{n} {count_parameters(net):,}" for n, net in engine.nets.items() if count_parameters(net))
        context.console.say(f"{self.config.method} on {context.device} in {engine.precision}: {counts} parameters")
        images = self.config.batch_size * self.config.accumulate
        context.console.say(f"{total:,} steps of {images} images, {round(per_epoch, 1):,g} steps an epoch")
        context.tracker.tags({"device": context.device, "precision": engine.precision})
        context.tracker.dataset(context.pipeline, context.inputs["data"].hash, dataset.facts.to_json(), "train")

    def _start(self, trainer: Trainer, context: StageContext) -> None:
        """Resumes this folder's training, else continues an earlier one, else begins from `init` or from nothing."""
        from translate.training import checkpoint
        from translate.training.init_weights import initialise

        step = trainer.resume()
        if step:
            context.console.say(f"resuming at step {step:,}")
        elif context.previous is not None:
            folder = Path(context.previous) / "checkpoints"
            known = checkpoint.steps(folder)
            if not known:
                raise StageError(f"nothing to continue from: {folder} holds no complete checkpoint")
            trainer.restore(folder / checkpoint.name_of(known[-1]))
            trainer.history.best = None  # that checkpoint stays behind in the earlier result
            done = trainer.engine.index
            if done >= trainer.total:
                raise StageError(
                    f"nothing is left to train: {context.previous.name} has done {done:,} steps, and {trainer.total:,} "
                    "are asked for; raise `epochs` (or `max_steps`), or run without --continue"
                )
            context.console.say(f"continuing from step {done:,} of {context.previous.name}")
        elif origin := self.config.init.bundle or (context.inputs["init"].path if "init" in context.inputs else None):
            directions, named = trainer.method.directions, self.config.init.networks
            names = initialise(trainer.engine.nets, directions, origin, named)
            context.console.say(f"starting from {origin.name}: {', '.join(names)}")
        trainer.loader.start = trainer.engine.index * self.config.accumulate


def build_networks(method: Method[Any], registry: Components) -> dict[str, nn.Module]:
    """The method's networks. Errors: ContractError when a direction names a network that is not there."""

    def build(use: NetworkUse | str, *, in_channels: int, out_channels: int = 1, **defaults: Any) -> nn.Module:
        use = NetworkUse(uses=use) if isinstance(use, str) else use
        made: nn.Module = registry.build(use, in_channels=in_channels, out_channels=out_channels, **defaults)
        return made

    nets = method.networks(build)
    for name, direction in method.directions.items():
        for net in direction.nets:
            if net not in nets:
                there = f"networks() returns {', '.join(nets)}"
                raise ContractError(f"method {type(method).name}: direction {name} names network {net!r}; {there}")
    return nets


def check_size(method: Method[Any], nets: Mapping[str, nn.Module]) -> None:
    """Errors: ConfigError where training images have a size that a network of a direction cannot give back."""
    height, width = method.spec.size
    for net in sorted({n for d in method.directions.values() for n in d.nets}):
        multiple = getattr(nets[net], "multiple", 1)
        if height % multiple or width % multiple:
            raise ConfigError(
                f"training images are {width} x {height} pixels, and network {net} of {type(method).name} needs "
                f"multiples of {multiple}: resize or crop them under `augment`, or choose another network"
            )


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`cyclegan has no loss 'cyle'; did you mean 'cycle'?`"""
    names = list(known)
    return f"{what} {name!r}" + (suggest(name, names) or f"; there are {', '.join(names) or 'none'}")
