"""Finds mistakes in the options of a training, as far as they show before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

from translate.contracts import (
    ComponentKind,
    Components,
    Config,
    DatasetFacts,
    Direction,
    Method,
    ModelFacts,
    Problem,
    Route,
    Schedule,
    Sides,
)
from translate.contracts.direction import called
from translate.data.exemplars import unplayed
from translate.data.loading.resolution import reduced_by
from translate.errors import ConfigError, TranslateError
from translate.inference.degradation import degrades, real_input
from translate.inference.directions import resolve
from translate.metrics import Outputs, metric_problems
from translate.models.origin import origin_of
from translate.plugins.options import KeyProblem, files, unreadable
from translate.text import suggest
from translate.training.config import ExtraLoss, Steps, TrainConfig
from translate.training.critics.library import library_change
from translate.training.critics.players import critic_players
from translate.training.extra_losses import binding_problems
from translate.training.init_weights import named_networks, pairing
from translate.training.length import length_notes, schedule_notes, schedules, validates_only_at_the_end
from translate.training.validating.validation import split_for
from translate.training.weights.check import part_problems

Place = tuple[str | int, ...]


def problems(
    config: TrainConfig, registry: Components, data: DatasetFacts | None, init: ModelFacts | None
) -> Iterator[Problem]:
    """All mistakes in the options. `data` and `init` are the promises of the needed stages, None where unknown."""
    try:
        method = registry.get("methods", config.method)
    except TranslateError as error:
        yield Problem(("with", "method"), str(error))
        yield from _problems_of_any(config, registry, data, init)
        return
    if not method.players:
        other = "train with another method, and start from such a model with `init`"
        yield Problem(("with", "method"), f"{config.method} is for inference alone; {other}")
        yield from _problems_of_any(config, registry, data, init)
        return
    yield from _method_problems(config, registry, method, directions(config, method, data))
    yield from part_problems(config, registry, method, data)
    yield from _init_problems(config, method, init)
    yield from data_problems(config, registry, method, data)
    yield from _extra_loss_problems(config, registry, method)


def _problems_of_any(
    config: TrainConfig, registry: Components, data: DatasetFacts | None, init: ModelFacts | None
) -> Iterator[Problem]:
    """Mistakes that show without the method: in files, in extra losses, and in what data and validation need."""
    yield from _unreadable_files(config, registry)
    for i, entry in enumerate(config.extra_losses):
        yield from _extra_loss_options(i, entry, registry)
    yield from _origin_problems(config, init)
    yield from _split_problems(config, data)
    yield from _watched_problems(config, registry)


def _unreadable_files(config: TrainConfig, registry: Components) -> Iterator[Problem]:
    for place, path in paths(config, registry).items():
        if fault := unreadable(path):
            yield Problem(("with", *place), fault)


def component_configs(config: TrainConfig, registry: Components) -> Iterator[tuple[Place, Config]]:
    """The options of the method and of extra losses, with their places; none where they are wrong, which `problems`
    reports."""
    parts: list[tuple[ComponentKind, str, Any, Place]] = [("methods", config.method, config.options, ("options",))]
    for i, entry in enumerate(config.extra_losses):
        parts.append(("losses", entry.uses, entry.options, ("extra_losses", i, "options")))
    for kind, name, options, place in parts:
        try:
            yield place, registry.get(kind, name).Config.model_validate(options)
        except (TranslateError, ValueError):
            continue


def paths(config: TrainConfig, registry: Components) -> dict[Place, FilePath]:
    """The files and folders that options of the components name, by place: of the method, of extra losses, of metrics
    and of all others. The model to start from is none of them."""
    named: dict[Place, FilePath] = {}
    parts: list[tuple[Place, Any]] = [*component_configs(config, registry)]
    for name, field in TrainConfig.model_fields.items():
        if name != "init":
            parts.append(((field.alias or name,), getattr(config, name)))
    for place, options in parts:
        with suppress(TranslateError):
            named |= files(options, registry, place)
    return named


def watched(config: TrainConfig, registry: Components) -> Iterator[tuple[Place, str]]:
    """The metrics by which a training decides something, with their places."""
    for metric in config.keep.metrics():
        yield ("keep", "best"), metric
    if config.stop is not None:
        yield ("stop", "metric"), config.stop.metric
    for place, use in schedules(config):
        with suppress(TranslateError):  # which is told where it stands
            schedule: Schedule[Any] = registry.build(use)
            if schedule.watches:
                yield (*place, "metric"), schedule.watches


def notes(config: TrainConfig, registry: Components, data: DatasetFacts | None = None) -> Iterator[str]:
    """Remarks on options that are odd, but not wrong. `data` has the counts of images, where they are known."""
    images = max(data.counts["train"].values()) if data is not None and data.counts.get("train") else None
    if images is not None:
        yield from length_notes(config, images)
    yield from schedule_notes(config, registry, images)
    if validates_only_at_the_end(config):
        every = config.validation.every
        said = f"{every.steps:,} steps is past {config.steps:,} steps" if isinstance(every, Steps) else ""
        yield f"validate.every {said or f'{every:g} is past {config.epochs} epochs'}: only the last step validates"


def directions(config: TrainConfig, method: type[Method[Any]], data: DatasetFacts | None) -> Mapping[str, Direction]:
    """The directions under these options for this data; those of the class where the options are wrong."""
    try:
        options = method.Config.model_validate(config.options)
        suits = data is not None and not Sides.of(method.data).mismatch(data.sides)
        spec = data.spec() if data and suits else None
        return called(method.directions_with(options, spec), spec)
    except (TranslateError, ValueError):
        return method.directions


def _method_problems(
    config: TrainConfig, registry: Components, method: type[Method[Any]], directions: Mapping[str, Direction]
) -> Iterator[Problem]:
    """Options of the method, and names of its losses, directions and players."""
    name = config.method
    for wrong in registry.check("methods", name, config.options)[1]:
        yield type(wrong)(("with", "options", *wrong.path), wrong.message)
    yield from _unreadable_files(config, registry)
    for loss in config.losses:
        if loss not in method.losses:
            yield KeyProblem(("with", "losses", loss), _unknown(f"{name} has no loss", loss, method.losses))
    for i, direction in enumerate(config.validation.directions):
        if direction not in directions:
            message = _unknown(f"{name} has no direction", direction, directions)
            yield Problem(("with", "validate", "directions", i), message)
    for player in config.players:
        if player not in method.players:
            yield KeyProblem(("with", "players", player), _unknown(f"{name} has no player", player, method.players))
    if config.critic_augment is not None and not critic_players(method):
        yield KeyProblem(("with", "critic_augment"), f"{name} has no player that only judges: nothing to augment for")
    for i, use in enumerate(config.critic_augment.transforms if config.critic_augment else ()):
        if registry.check(use.kind, use.uses, use.options)[1]:
            continue  # told with all other options
        try:
            library_change(use, registry)
        except ConfigError as error:
            yield Problem(("with", "critic_augment", "transforms", i), str(error))


def _init_problems(config: TrainConfig, method: type[Method[Any]], parent: ModelFacts | None) -> Iterator[Problem]:
    """Two models to start from, or none although networks are named, or no networks in common."""
    yield from _origin_problems(config, parent)
    init = config.init
    if (init.bundle is None) == (parent is None):
        return
    try:
        if init.bundle is not None:
            origin = origin_of(init.bundle)
            theirs, further = origin.used, origin.further
        else:
            assert parent is not None
            theirs, further = parent.nets, parent.training
        pairing(named_networks(method), method.directions, theirs, init.networks, further, every=init.critics)
    except TranslateError as error:
        yield Problem(("with", "init"), str(error))


def _origin_problems(config: TrainConfig, parent: ModelFacts | None) -> Iterator[Problem]:
    """Two models to start from, or none although networks are named."""
    init = config.init
    if init.bundle is not None and parent is not None:
        yield Problem(("with", "init"), "`needs: {init: ...}` names a model to start from as well; keep one")
    if init.networks and init.bundle is None and parent is None:
        yield Problem(("with", "init"), "there is no model to start from: `needs: {init: STAGE}` or `bundle: PATH`")


def data_problems(
    config: TrainConfig, registry: Components, method: type[Method[Any]], data: DatasetFacts | None
) -> Iterator[Problem]:
    """Data that the method does not train on, and metrics or splits that validation cannot use."""
    declared = Sides.of(method.data)
    yield from _split_problems(config, data)
    yield from _watched_problems(config, registry)
    if data is None:
        return
    if why := declared.mismatch(data.sides):
        message = f"{config.method} trains on {declared.in_words()}, and here is {data.data.in_words()}: {why}"
        if method.real_input and data.kind == "paired":
            message += "; real pairs of low and high resolution have it with `enlarge: false` beside `scale`"
        yield Problem(("with", "method"), message)
        return
    yield from _real_input_problems(config, method, data)
    validation = config.validation
    metrics = [use.uses for use in validation.metrics]
    split = split_for(data.splits, validation.split)
    if split is None:
        return
    scored = validation.directions or tuple(method.directions)[:1]
    known = directions(config, method, data)
    routes = [resolve(name, known[name], declared, data.sides) for name in scored if name in known]
    for route in routes if metrics else ():
        if (lacking := unplayed(data.sides, route)) and not degrades(declared, route):
            message = f"{route.name} takes {lacking[0]!r}, which no side of the data is: it cannot be scored here"
            yield Problem(("with", "validate", "directions" if validation.directions else "metrics"), message)
            return
    outputs = {route.output for route in routes}
    form = next((form for output, form in (("labels", "labels"), ("class", "classes")) if output in outputs), "images")
    of_metrics = {
        place: path for place, path in paths(config, registry).items() if place[:2] == ("validate", "metrics")
    }
    # That is said already, and a metric cannot be built without its files.
    unbuilt = {place[2] for place, path in of_metrics.items() if unreadable(path)}
    reasons = (_unpaired(route, data, split) for route in routes)
    about = Outputs(form, context=True, unpaired=next(filter(None, reasons), ""))
    built = [i for i in range(len(metrics)) if i not in unbuilt]
    for i, message in metric_problems([validation.metrics[i] for i in built], data, split, registry, about):
        yield Problem(("with", "validate", "metrics", built[i]), message)


def _real_input_problems(config: TrainConfig, method: type[Method[Any]], data: DatasetFacts) -> Iterator[Problem]:
    """Real inputs of another size than the method takes, and changes on the device, which would part them from their
    targets."""
    known = directions(config, method, data)
    routes = [resolve(name, each, Sides.of(method.data), data.sides) for name, each in known.items()]
    for route in routes:
        if (side := real_input(method, route, data.sides)) is None:
            continue
        have = reduced_by(data.sides[side])
        if have != route.scale:
            message = f"{config.method} enlarges {route.scale} times, and side {side!r} is {have} times smaller"
            yield Problem(("with", "options"), f"{message}; set `options: {{scale: {have}}}`, if it has that")
        if have > 1 and config.device_augment:
            message = f"images of side {side!r} are {have} times smaller than the others; use `augment` for them"
            yield Problem(("with", "device_augment"), message)


def _split_problems(config: TrainConfig, data: DatasetFacts | None) -> Iterator[Problem]:
    """Splits of the data that are not there."""
    if data is None:
        return
    if "train" not in data.splits:
        yield Problem(("needs", "data"), f"the data has no split 'train'; it has {', '.join(data.splits)}")
    validation = config.validation
    if (validation.metrics or validation.split) and split_for(data.splits, validation.split) is None:
        missing = validation.split or "val or test"
        message = f"no split to validate on: the data has {', '.join(data.splits)}, not {missing}"
        yield Problem(("with", "validate", "split") if validation.split else ("with", "validate"), message)


def _watched_problems(config: TrainConfig, registry: Components) -> Iterator[Problem]:
    """Metrics by which something is decided, and that nobody computes."""
    metrics = [use.uses for use in config.validation.metrics]
    for place, metric in watched(config, registry):
        if metric not in metrics:
            yield Problem(("with", *place), _unknown("validate.metrics does not name", metric, metrics))


def _unpaired(route: Route, data: DatasetFacts, split: str) -> str:
    """The reason why outputs of a direction have no partner in a split of the data; empty where each has one."""
    if route.source is None:
        return f"{route.name} makes images from nothing: none belongs to an image of the data"
    if split in data.pairs or route.target in data.sides.group_of(route.source):
        return ""
    return f"split {split!r} of this data has none"


def _extra_loss_problems(config: TrainConfig, registry: Components, method: type[Method[Any]]) -> Iterator[Problem]:
    """Extra losses for players that are not there, of unknown names or options, or bound to views that do not exist."""
    for i, entry in enumerate(config.extra_losses):
        at = ("with", "extra_losses", i)
        if entry.player not in method.players:
            message = _unknown(f"{config.method} has no player", entry.player, method.players)
            yield Problem((*at, "player"), message)
        wrong = list(_extra_loss_options(i, entry, registry))
        yield from wrong
        if any(problem.path[-1] == "uses" for problem in wrong):
            continue
        for p in binding_problems(method, config.method, entry, registry.get("losses", entry.uses)):
            yield type(p)((*at, *p.path), p.message)


def _extra_loss_options(i: int, entry: ExtraLoss, registry: Components) -> Iterator[Problem]:
    """An extra loss of an unknown name, or its wrong options."""
    at = ("with", "extra_losses", i)
    try:
        wrong = registry.check("losses", entry.uses, entry.options)[1]
    except TranslateError as error:
        yield Problem((*at, "uses"), str(error))
        return
    for p in wrong:
        yield type(p)((*at, "options", *p.path), p.message)


def _unknown(what: str, name: str, choices: Iterable[str]) -> str:
    """`cyclegan has no loss 'cyle'; did you mean 'cycle'?`"""
    names = list(choices)
    return f"{what} {name!r}" + (suggest(name, names) or f"; there are {', '.join(names) or 'none'}")
