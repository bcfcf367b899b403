"""Builds a training from its options: method, networks, players, engine, loader, validator, and where it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from translate.contracts import Components, DeviceTransform, Method, StageContext, Transform
from translate.data.dataset import Dataset
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Samples
from translate.device import wide_type
from translate.distributed.world import world
from translate.errors import ConfigError, ContractError, StageError
from translate.inference.degradation import sides_of_batch
from translate.models.origin import origin_of
from translate.networks import count_parameters, network_builder
from translate.seeding import derive
from translate.threads import cores
from translate.training.config import TrainConfig
from translate.training.critics.augment import CriticAugment
from translate.training.critics.library import library_change
from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.extra_losses import bind
from translate.training.fast.choice import Choice
from translate.training.health.looker import Looker
from translate.training.init_weights import initialise
from translate.training.length import Length, length_notes, schedule_notes
from translate.training.players import make_players
from translate.training.saving import checkpoint
from translate.training.saving.damaged import newest_whole
from translate.training.saving.room import room_for
from translate.training.saving.state import TrainingState
from translate.training.trainer import Trainer
from translate.training.validating.best import Watched
from translate.training.validating.validation import Validator, split_for
from translate.training.weights.parts import bound, freeze


def build_trainer(context: StageContext, config: TrainConfig, registry: Components, dataset: Dataset) -> Trainer:
    """Everything that a training on a dataset needs, with its state at the step from which it goes on.

    Errors: ConfigError (images that the networks cannot take), ContractError (a method that breaks the contract),
    DataError, StageError (nothing to continue from, weights that do not fit).
    """
    augment = [registry.build(use) for use in config.augment]
    device_augment: list[DeviceTransform[Any]] = [registry.build(use) for use in config.device_augment]
    method = build_method(config, registry, dataset, augment, device_augment)
    sides = sides_of_batch(method, dataset.types)
    together = world()
    part = (together.rank, together.size)
    samples = Samples(dataset, "train", augment, config.batch_size, derive(context.seed, "loader"), sides, part)
    length = Length.of(config, samples.steps_per_epoch)
    engine = build_engine(context, config, registry, method, length)
    validator = _validator(context, config, registry, dataset, engine)
    _describe(context, config, registry, dataset, engine, length)
    used = {net for direction in method.directions.values() for net in direction.nets}
    watched = _watched(config, registry, validator, engine)
    rates = {name: watched[p.schedule.watches] for name, p in engine.players.items() if p.schedule.watches in watched}
    state = TrainingState(engine, Averages(engine, used, config.ema), rates)
    start(state, context, config, length)
    if together.shared:
        meet(state)
    room_for(context.folder, state, length, config.keep, context.console)
    loader = _loader(context, config, samples, first_batch=state.step * config.accumulate)
    return Trainer(
        context,
        config,
        state,
        loader,
        length,
        validator=validator,
        best=[watched[metric] for metric in config.keep.metrics() if metric in watched],
        stop=watched.get(config.stop.metric) if config.stop else None,
        device_augment=device_augment,
        looker=Looker(validator or Validator(engine, dataset, "train", config.validation, ())),
    )


def build_method(
    config: TrainConfig,
    registry: Components,
    dataset: Dataset,
    augment: list[Transform[Any]],
    device_augment: Sequence[DeviceTransform[Any]] = (),
) -> Method[Any]:
    """The method with its options and loss weights, told what the dataset holds once it is augmented."""
    kind = registry.get("methods", config.method)
    options = registry.config("methods", config.method, config.options)
    size = dataset.batch_size_of(augment)
    for transform in device_augment:
        size = transform.size(size)
    spec = dataset.spec(size)
    method: Method[Any] = kind(options, spec, {**kind.losses, **config.losses})
    return method


def build_networks(method: Method[Any], registry: Components) -> dict[str, nn.Module]:
    """The method's networks. Errors: ContractError when a direction names a network that is not there."""
    nets = method.networks(network_builder(registry))
    for name, direction in method.directions.items():
        for net in direction.nets:
            if net not in nets:
                there = f"networks() returns {', '.join(nets)}"
                raise ContractError(f"method {type(method).name}: direction {name} names network {net!r}; {there}")
    return nets


def check_size(method: Method[Any], nets: dict[str, nn.Module]) -> None:
    """Errors: ConfigError where training images have a size that a network of a direction cannot give back."""
    height, width = method.spec.size
    for net in sorted({n for d in method.directions.values() for n in d.nets}):
        multiple = getattr(nets[net], "multiple", 1)
        if height % multiple or width % multiple:
            raise ConfigError(
                f"training images are {width} x {height} pixels, and network {net} of {type(method).name} needs "
                f"multiples of {multiple}: resize or crop them under `augment`, or choose another network"
            )


def build_engine(
    context: StageContext,
    config: TrainConfig,
    registry: Components,
    method: Method[Any],
    length: Length,
) -> Engine:
    """Networks on the device, initialised from the seed, their players, and the engine that trains them.

    Schedules run over `length`. Errors: ConfigError for a part of a network that is named and not there.
    """
    device, choice = context.device, Choice.of(config, context.device)
    # networks draw their first weights from torch's global generator, on the CPU, so that devices start alike
    torch.manual_seed(derive(context.seed, "networks"))
    nets = build_networks(method, registry)
    check_size(method, nets)
    bound(nets, config.spectral_norm)
    for net in nets.values():
        if wide_type(device) == torch.float32:
            net.float()  # a buffer in float64 cannot lie there
        net.to(device).train()
    freeze(nets, config.freeze)
    # after the move: optimizers hold on to the parameters that they are given
    players = make_players(config.method, method.players, nets, config, registry, length, choice.variant.fused)
    seed, together = derive(context.seed, "training"), world()
    together.use(device)
    changes, critic_augment = config.critic_augment, None
    if changes and changes.acts():  # without any change the hooks are left out
        transforms = [library_change(use, registry, method.spec.size) for use in changes.transforms]
        critic_augment = CriticAugment(changes, method, nets, device, seed, together, transforms)
    return Engine(
        method,
        nets,
        players,
        device=device,
        choice=choice,
        seed=seed,
        extra=bind(config.extra_losses, registry, device, method.weights),
        critic_augment=critic_augment,
        world=together,
    )


def start(state: TrainingState, context: StageContext, config: TrainConfig, length: Length) -> None:
    """Resumes this folder's training, else continues an earlier one, else begins from `init` or from nothing."""
    say = context.console.say
    _start(state, context, config, length)
    if note := state.engine.choice.note():
        say(f"note: {note}")


def _start(state: TrainingState, context: StageContext, config: TrainConfig, length: Length) -> None:
    say = context.console.say
    last = newest_whole(context.folder / checkpoint.FOLDER, state.engine.world, context.console)
    if last is not None:
        checkpoint.restore(last, state)
        say(f"resuming at step {state.step:,}")
        # `--continue` may have changed the metric of the interrupted start that this folder was.
        state.history.watch(config.keep.metrics())
    elif context.previous is not None:
        _continue(state, context, context.previous, length)
        say(f"continuing from step {state.step:,} of {context.previous.name}")
    else:
        folder = config.init.bundle or (context.inputs["init"].path if "init" in context.inputs else None)
        if folder is not None:
            origin = origin_of(folder)
            if origin.passed_over:
                context.console.warn(f"{folder.name}: {origin.passed_over}; the one before is taken")
            names = initialise(state.engine.nets, state.engine.method, origin, config.init)
            say(f"starting from {folder.name}: {', '.join(names)}")


def meet(state: TrainingState) -> None:
    """Lets all processes start from the weights of rank 0. Errors: StageError where they are not at one step."""
    steps = state.engine.world.gather(state.step)
    if len({*steps}) > 1:
        reached = ", ".join(f"{step:,}" for step in steps)
        raise StageError(
            f"the processes go on from different steps ({reached}): the folder `runs` has to be one for all machines"
        )
    # they are equal already, unless machines or versions differ; buffers are each process's own
    nets = [*state.engine.nets.values(), *state.averages.nets.values()]
    state.engine.world.hand_out(param for net in nets for param in net.parameters())


def _continue(state: TrainingState, context: StageContext, previous: Path, length: Length) -> None:
    """Takes over the last checkpoint of an earlier result. Errors: StageError where that leaves nothing to do."""
    folder = previous / checkpoint.FOLDER
    last = newest_whole(folder, state.engine.world, context.console, own=False)
    if last is None:
        raise StageError(f"nothing to continue from: {folder} holds no complete checkpoint")
    checkpoint.restore(last, state)
    state.history.watch(())  # those checkpoints stay behind in the earlier result
    if state.step >= length.total:
        raise StageError(
            f"nothing is left to train: {previous.name} has done {state.step:,} steps, and {length.total:,} "
            "are asked for; raise `epochs` (or `max_steps`), or run without --continue"
        )


def check_resumable(folder: Path, config: TrainConfig, dataset: Dataset, method: type[Method[Any]]) -> None:
    """Errors: StageError where a training with these options cannot go on from the interrupted one in `folder`."""
    reached = checkpoint.reached(folder / checkpoint.FOLDER)
    if reached is None:
        raise StageError(f"nothing to continue from: {folder.name} holds no complete checkpoint")
    sides = sides_of_batch(method, dataset.types)
    samples = Samples(dataset, "train", [], config.batch_size, 0, sides, (0, world().size))
    total = Length.of(config, samples.steps_per_epoch).total
    if reached.step > total:
        raise StageError(
            f"nothing is left to train: {folder.name} has done {reached.step:,} steps, and {total:,} are asked for; "
            "raise `epochs` (or `max_steps`)"
        )


def _loader(context: StageContext, config: TrainConfig, samples: Samples, first_batch: int) -> Loader:
    gpu = not context.device.startswith("cpu")
    # `auto`: one core stays free for the process that feeds the GPU; on a CPU the training itself needs the others
    auto = min(8, max(1, cores() // world().place.local_size - 1)) if gpu else 1
    workers = auto if config.workers == "auto" else config.workers
    return Loader(samples, workers, first_batch, pin=context.device.startswith(("cuda", "xpu")))


def _validator(
    context: StageContext, config: TrainConfig, registry: Components, dataset: Dataset, engine: Engine
) -> Validator | None:
    split = split_for(dataset.splits, config.validation.split)
    if split is None:
        context.console.warn("no split 'val' or 'test': nothing to validate on, no sample grids")
        return None
    metrics = [registry.build(use, spec=engine.method.spec) for use in config.validation.metrics]
    return Validator(engine, dataset, split, config.validation, metrics)


def _watched(
    config: TrainConfig, registry: Components, validator: Validator | None, engine: Engine
) -> dict[str, Watched]:
    """The metrics by which something is decided: checkpoints that stay, the end of the training, learning rates."""
    if validator is None:
        return {}
    names = [*config.keep.metrics(), *(player.schedule.watches for player in engine.players.values())]
    names += [config.stop.metric] if config.stop else []
    return {
        name: Watched(name, validator.curves_of(name), registry.get("metrics", name).better)
        for name in dict.fromkeys(filter(None, names))
    }


def _describe(
    context: StageContext, config: TrainConfig, registry: Components, dataset: Dataset, engine: Engine, length: Length
) -> None:
    """Says what is about to be trained, and records it."""
    sizes = {name: count_parameters(net) for name, net in engine.nets.items()}
    counts = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
    shared = f", {world().size} processes" if world().shared else ""
    context.console.say(f"{config.method} on {context.device}{shared} in {engine.precision}: {counts} parameters")
    images = config.batch_size * config.accumulate * world().size
    per_epoch = round(length.whole / length.epochs, 1)
    context.console.say(f"{length.total:,} steps of {images} images, {per_epoch:,g} steps an epoch")
    counts_of_sides = dataset.facts.counts.get("train")
    if counts_of_sides:
        images_of_side = max(counts_of_sides.values())
        for note in (*length_notes(config, images_of_side), *schedule_notes(config, registry, images_of_side)):
            context.console.say(f"note: {note}")
    context.tracker.tags({"device": context.device, "precision": engine.precision})
    context.tracker.dataset(context.pipeline, context.inputs["data"].hash, dataset.facts.to_json(), "train")
