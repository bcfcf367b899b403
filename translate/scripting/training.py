"""`translate.train`: a training by a call, on data, methods and networks that Python holds."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from translate.console import console as make_console
from translate.contracts import Artifact, Components, Console, Method, Side, Sides, StageContext, Tracker, effect_of
from translate.data.dataset import Dataset
from translate.device import resolve as resolve_device
from translate.errors import ConfigError, Stopped, TranslateError
from translate.inference.translator import Translator
from translate.models.bundle import FOLDER, read_facts
from translate.models.load import load
from translate.models.own import OwnComponents, own_name, own_use
from translate.plugins import Registry, validate
from translate.plugins.options import resolve
from translate.redact import masked
from translate.scripting.callbacks import emitter
from translate.scripting.dataset import PythonDataset
from translate.scripting.items import Indexed, Items
from translate.stages.train import TrainStage
from translate.storage import checkpoint, litter
from translate.storage.atomic import digest, write_json
from translate.storage.filesystem import shortcomings
from translate.storage.lock import Lock
from translate.storage.pointer import follow
from translate.training.build import check_resumable
from translate.training.config import TrainConfig

Data = str | PathLike[str] | Indexed | Mapping[str, Indexed]
"""The folder of a prepared dataset; items by number, which map sides to tensors; or such items for each side."""

RECORD = "training.json"
"""The file of a training's folder that says what it was asked for."""
RUNS = Path("runs")


class NoTracker:
    """Records nothing: a callback, or a tracker of one's own, gets the numbers."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def train(
    method: str | type[Method[Any]],
    data: Data,
    *,
    validation_data: Indexed | Mapping[str, Indexed] | None = None,
    sides: Mapping[str, Side] | None = None,
    out: str | PathLike[str] | None = None,
    callback: Any = None,
    tracker: Tracker | None = None,
    console: Console | None = None,
    device: str = "auto",
    seed: int = 0,
    **options: Any,
) -> Translator:
    """Trains a method on data that Python holds, without a pipeline file, and returns the trained model.

        model = translate.train("pix2pix", pairs, epochs=20, batch_size=4, options={"generator": "unet_128"})

    `method` is a name, or a class. `data` has `len()` and items by number, each a mapping of the method's sides to
    tensors: images C x H x W of one size, float in [-1, 1] or uint8 in 0 to 255; label maps H x W of whole numbers;
    classes by index or name; vectors of n numbers. It may also be a mapping of sides to such data, or the folder of a
    prepared dataset. `validation_data` is likewise. `sides` says which classes there are:
    `{"label": translate.Labels(("road", "sky"))}`.

    `options` are those of a `train` stage: `epochs`, `losses`, `optimizer`, `options` of the method, ... Where an
    option of the method names a network, it may be an `nn.Module`, which is copied with its weights.

    `out` is the folder of the training, by default the first free `runs/METHOD-N`. In the folder of an earlier call it
    goes on where that stopped, also with what `run --continue` may change, such as more `epochs`. `callback` is an
    object with methods named as events: `step_finished(step, metrics)`, `validated(step, scores, folder)`,
    `checkpoint_saved(step, folder)`, `stage_started(folder)`, `stage_finished(folder, facts)`.

    The result lies in `model.folder`. Errors: ConfigError (options, a folder of another training), DataError that
    names item and side; KeyboardInterrupt after a save.
    """
    options, networks = _networks({"workers": 0, **options})
    own = method if isinstance(method, type) else None
    components = OwnComponents(Registry(), own, networks)
    name = _name(method, components)
    stage = TrainStage(_config({**options, "method": name}), components, seed)
    emit, console = emitter(callback), console or make_console()
    declared = Sides.of(components.get("methods", name).data)
    dataset = _dataset(data, validation_data, declared, sides or {}, console)
    device = resolve_device(device)
    stage.check_device(device)
    _check(stage, dataset)
    folder = _folder(name) if out is None else Path(out)
    with Lock(folder / ".lock"):
        _train(stage, dataset, folder, device, tracker or NoTracker(), console, emit)
    return load(folder, device, components, networks=networks)


def _train(
    stage: TrainStage,
    dataset: Dataset,
    folder: Path,
    device: str,
    tracker: Tracker,
    console: Console,
    emit: Callable[..., None],
) -> None:
    """The work in a folder that is locked, as far as it is left. Errors: as `train`."""
    recipe = _recipe(stage, dataset)
    if not _is_left(folder, recipe, stage, dataset):
        console.say(f"{folder} holds this training, and it is done")
        return
    context = StageContext(
        pipeline=folder.name,
        stage="train",
        folder=folder,
        inputs={"data": Artifact("dataset", dataset.folder, dataset.facts.to_json(), digest(recipe["data"]))},
        seed=stage.seed,
        device=device,
        tracker=tracker,
        console=console,
        registry=stage.registry,
        emit=emit,
        fingerprint=digest(recipe),
    )
    _run(stage, context, dataset, recipe)
    console.say(f"the model lies in {folder}")


def _run(stage: TrainStage, context: StageContext, dataset: Dataset, recipe: Mapping[str, Any]) -> None:
    """The work, from nothing or from the last checkpoint. Errors: KeyboardInterrupt where Ctrl-C stopped it."""
    litter.clear(context.folder, below=True)
    write_json(context.folder / RECORD, {"recipe": recipe, "finished": False})
    for note in shortcomings(context.folder):
        context.console.say(f"note: {note}")
    context.emit("stage_started", folder=context.folder)
    try:
        facts = stage.train(context, dataset)
    except Stopped as stopped:
        if stopped.signal == signal.SIGINT:  # Ctrl-C, or the button of a notebook
            raise KeyboardInterrupt from None
        raise
    write_json(context.folder / RECORD, {"recipe": recipe, "finished": True})
    context.emit("stage_finished", folder=context.folder, facts=facts)


def _name(method: str | type[Method[Any]], registry: Components) -> str:
    """The name of a method in options and bundles. Errors: ConfigError."""
    if isinstance(method, str):
        return method
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise ConfigError(f"method: a name or a class of translate.Method, not {method!r}")
    try:
        installed = bool(method.name) and registry.get("methods", method.name) is method
    except TranslateError:
        installed = False
    return method.name if installed else own_name(method)


def _networks(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, nn.Module]]:
    """The options, in which names stand for the networks of one's own, and these by the option that names them."""
    networks: dict[str, nn.Module] = {}
    of_method = options.get("options", {})
    if not isinstance(of_method, Mapping):
        return options, networks
    named = dict(of_method)
    for option, value in of_method.items():
        if isinstance(value, nn.Module):
            networks[option] = value
            named[option] = own_use(option, value)
    return {**options, "options": named}, networks


def _config(options: Mapping[str, Any]) -> TrainConfig:
    """Errors: ConfigError that lists everything wrong with the options."""
    config, wrong = validate(TrainConfig, options)
    if wrong:
        raise ConfigError("\n".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in wrong))
    assert isinstance(config, TrainConfig)
    return config


def _dataset(data: Data, validation_data: Any, declared: Sides, sides: Mapping[str, Side], console: Console) -> Dataset:
    """The data as a training draws from it. Errors: ConfigError, DataError."""
    if isinstance(data, str | PathLike):
        if validation_data is not None or sides:
            raise ConfigError(f"{data}: a prepared dataset has its own splits and classes; leave out the others")
        return Dataset(follow(Path(data)) or Path(data))
    splits = {"train": Items(data)}
    if validation_data is not None:
        splits["val"] = Items(validation_data, "validation data")
    dataset = PythonDataset(splits, declared, sides)
    for remark in dataset.looked_through():
        console.warn(remark)
    return dataset


def _check(stage: TrainStage, dataset: Dataset) -> None:
    """Errors: ConfigError that lists every mistake of the options, and data that the method does not train on."""
    problems = list(stage.check({"data": dataset.facts.to_json()}))
    if problems:
        raise ConfigError("\n".join(f"{_place(p.path)}: {p.message}" for p in problems))


def _place(path: Iterable[str | int]) -> str:
    """`options.generator`, `data`: a place as it is called here, where nothing stands `with` or `needs`."""
    return ".".join(str(part) for part in path if part not in ("with", "needs"))


def _recipe(stage: TrainStage, dataset: Dataset) -> dict[str, Any]:
    """Everything that decides the result, as JSON; of data that Python holds the number of items."""
    options, _ = resolve(stage.config, stage.registry)
    options = {name: value for name, value in {**options, **stage.defaults()}.items() if name not in stage.neutral}
    recipe: dict[str, Any] = masked(json.loads(json.dumps(options)))
    return {"with": recipe, "seed": stage.seed, "data": dataset.facts.to_json()}


def _is_left(folder: Path, recipe: Mapping[str, Any], stage: TrainStage, dataset: Dataset) -> bool:
    """Whether anything is left to do in a folder. Errors: ConfigError where it belongs to another training."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except FileNotFoundError:
        if left := sorted(path.name for path in folder.iterdir() if not path.name.startswith(".lock")):
            raise ConfigError(f"{folder} is not the folder of a training: it holds {left[0]}; name another") from None
        return True
    earlier = record["recipe"]
    changes = list(_changes(earlier, recipe))
    for place, before, after in changes:
        top, _, option = place.partition(".")
        if top != "with" or effect_of(stage.continuable, option) == "structural":
            what = option or place
            raise ConfigError(
                f"{folder} holds a training with other options: {what} was {before!r}, and is {after!r} now; "
                "name another folder, or delete it"
            )
    if not changes and record["finished"] and read_facts(folder / FOLDER, unfinished=True).finished:
        return False
    if checkpoint.reached(folder / checkpoint.FOLDER) is not None:
        method = stage.registry.get("methods", stage.config.method)
        check_resumable(folder, stage.config, dataset, method)
    return True


def _changes(before: Any, after: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """The dotted places at which two trees of JSON differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _changes(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield path, before, after


def _folder(name: str) -> Path:
    """The first folder `runs/METHOD-1`, `runs/METHOD-2`, ... that is free; it is made."""
    word = name.replace("/", "-").replace(":", "-")
    for number in count(1):
        folder = RUNS / f"{word}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError
