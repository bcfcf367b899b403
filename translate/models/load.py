"""Loading a trained model by its reference: a folder, a pointer, a pipeline file, an exported file, or a tracking
server's name."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from translate import device as devices
from translate.contracts import Components, Method
from translate.errors import ConfigError
from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.inference.streaming import Tile
from translate.inference.translator import Translator
from translate.models.bundle import FACTS, FOLDER, Bundle, read_bundle, read_facts
from translate.models.checkpoint_weights import Weights, describe_unfinished, read_weights
from translate.models.onnx.exported import SUFFIX, open_exported
from translate.models.own import NO_NETWORKS, OwnComponents
from translate.models.restore import restore_method, restore_networks
from translate.plugins import Registry
from translate.storage.file_kind import WEIGHTS
from translate.storage.run_folders import is_pipeline, profiles_that_ran, stage_folders

TRACKED = ("runs:/", "models:/")


@dataclass(frozen=True)
class LoadOptions:
    """Which model is loaded, and how it computes; see `load`."""

    ref: str | Path
    device: str = "auto"
    precision: str = "fp32"
    seed: int = 0
    weights: Weights | None = None
    runtime: Literal["torch", "onnx"] = "torch"
    tile: Tile = "auto"
    dropout: bool = True
    handling: Handling = DEFAULT

    @property
    def exported(self) -> bool:
        """True where an exported file is used, and not torch's networks."""
        return self.runtime == "onnx" or str(self.ref).endswith(SUFFIX)


def load(
    ref: str | Path,
    device: str = "auto",
    registry: Components | None = None,
    *,
    precision: str = "fp32",
    seed: int = 0,
    weights: Weights | None = None,
    runtime: Literal["torch", "onnx"] = "torch",
    tile: Tile = "auto",
    resolver: Callable[[str], Path] | None = None,
    tell: Callable[[str], None] | None = None,
    method: type[Method[Any]] | None = None,
    networks: Mapping[str, nn.Module] = NO_NETWORKS,
    handling: Handling = DEFAULT,
    **treatment: Any,
) -> Translator:
    """Loads a trained model: a bundle's folder, a train stage's folder, the pointer to one (`runs/NAME/train`), or a
    file that `translate models export` wrote.

        model = translate.load("runs/maps-cyclegan/train")
        street_map = model("photo.jpg")                 # see `Translator.__call__`: arrays, PIL images, tensors, lists
        photo = model(street_map, "b_to_a")             # another direction
        with_hat = other_model(face, exemplar=hat)      # a direction of two inputs

    The method comes from an installed plugin by its recorded name, never from the bundle. `seed` decides dropout where
    the method keeps it on; calls with equal images give equal results. `weights`: instead of the bundle's, those of the
    `best` or the `last` checkpoint, or the bundle's before averaging (`raw`); a training that was interrupted, or goes
    on, has checkpoints alone. `runtime="onnx"` takes what was exported
    beside the bundle (an exported file needs no plugin and no torch network). `resolver` finds the folder of a tracking
    server's reference (`runs:/<id>/translator`, `models:/<name>/<version>`). `tell` is told, instead of a Python
    warning, where an image larger than memory is translated in bands that only come near to the whole, and where the
    newest checkpoint is damaged and another one stands in. Of a model that
    `translate.train` made of a class or of networks of one's own, `method` is that class, and `networks` are modules of
    the same structure by the names of the options that they were given as: `networks={"generator": Mine()}`.
    `alpha`, `white`, `colour` and `metadata` say how images are treated, as the options of `translate convert` do, or
    all of them in one `handling`; so do keywords of a call, `model(image, alpha="ignore")`. Errors: ConfigError (no
    model there, a wrong option), DataError (damaged), PluginError (the plugin is missing, or builds other networks than
    the bundle holds).
    """
    components = registry or Registry()
    if method is not None or networks:
        components = OwnComponents(components, method, networks)
    options = LoadOptions(ref, device, precision, seed, weights, runtime, tile, handling=handling.changed(**treatment))
    return load_model(options, components, resolver, tell, networks)


def load_model(
    options: LoadOptions,
    registry: Components | None = None,
    resolver: Callable[[str], Path] | None = None,
    tell: Callable[[str], None] | None = None,
    networks: Mapping[str, nn.Module] = NO_NETWORKS,
) -> Translator:
    """Loads a trained model as `load` describes it. Errors: as there."""
    if options.exported:
        return _load_exported(options, resolver)
    bundle = read_model(locate(options.ref, resolver), options.weights, tell)
    components = OwnComponents(registry or Registry())  # names of somebody's own are told as such
    if isinstance(registry, OwnComponents):
        components = registry
    method = restore_method(bundle, components)
    nets = restore_networks(bundle, method, components, networks)
    translator = Translator(
        method,
        nets,
        bundle.facts.plugin,
        devices.resolve(options.device),
        precision=options.precision,
        info={**bundle.facts.to_json(), "folder": str(bundle.folder)},
        seed=options.seed,
        tile=options.tile,
        tell=tell,
        handling=options.handling.filled(bundle.facts.recorded.get("handling", {})),
    )
    return translator if options.dropout else translator.without_dropout()


def read_model(folder: Path, weights: Weights | None = None, tell: Callable[[str], None] | None = None) -> Bundle:
    """Reads the model in a bundle's folder, with its own weights or those of a checkpoint. Errors: as `load`."""
    return read_bundle(folder) if weights is None else read_weights(folder, weights, tell)


def describe(
    ref: str | Path,
    weights: Weights | None = None,
    resolver: Callable[[str], Path] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The facts of a model, as JSON: those in its `translator.json`, or of the `weights` of a checkpoint.

    Of a training that is not finished they have `unfinished` as well: its `checkpoints` (their steps), the `total` of
    its steps, and its `best` validation so far. Errors: as `load`.
    """
    folder = locate(ref, resolver)
    facts = read_facts(folder, unfinished=True)
    extra = {} if facts.finished else {"unfinished": describe_unfinished(folder)}
    if facts.finished or weights is not None:
        facts = read_model(folder, weights, tell).facts
    return {**facts.to_json(), **extra}


def _load_exported(options: LoadOptions, resolver: Callable[[str], Path] | None) -> Translator:
    if options.precision != "fp32" or options.weights or options.tile not in ("auto", "off"):
        raise ConfigError(f"{options.ref}: an exported model takes whole images, with its own weights, in fp32 alone")
    exported = open_exported(options.ref, options.device, lambda: locate(options.ref, resolver))
    facts = exported.facts
    handling = options.handling.filled(facts.recorded.get("handling", {}))
    info = facts.to_json()
    return Translator(exported, {}, facts.plugin, info=info, seed=options.seed, tile="off", handling=handling)


def portable(options: LoadOptions, resolver: Callable[[str], Path] | None = None) -> LoadOptions:
    """The same model by the absolute path of its folder or file, which other processes find. Errors: ConfigError."""
    path = Path(options.ref) if str(options.ref).endswith(SUFFIX) else locate(options.ref, resolver)
    return replace(options, ref=path.resolve())


def locate(ref: str | Path, resolver: Callable[[str], Path] | None = None) -> Path:
    """The bundle's folder that a reference means; where a train stage was never finished, that of its newest start.

    A pipeline file, `a.yaml` or `a.yaml@quick`, means the model that its run in this working directory has trained.

    Errors: ConfigError.
    """
    if isinstance(ref, str) and ref.startswith(TRACKED):
        if resolver is None:
            raise ConfigError(f"{ref}: a reference of a tracking server needs a `resolver`; give a folder instead")
        return resolver(ref)
    if is_pipeline(ref):
        return _of_pipeline(ref)
    path = Path(ref)
    if path.is_file():
        try:
            path = path.parent / path.read_text("utf-8").strip()
        except UnicodeDecodeError:
            text = f"{ref}: a model is a folder (or a pointer to one), and this is some other file"
            if path.suffix.lower() in WEIGHTS:
                text += f"; make a model of another program's weights: translate models import {ref} models/NAME"
            raise ConfigError(text) from None
    for folder in (path, path / FOLDER):
        if (folder / FACTS).is_file():
            return folder
    if not path.exists() and (partial := _newest_unfinished(path)):
        return partial
    what = "has no trained model" if path.is_dir() else "does not exist"
    raise ConfigError(f"{ref}: {what}; give a bundle's folder or a finished train stage, such as runs/NAME/train")


def _of_pipeline(ref: str | Path) -> Path:
    """The bundle's folder of the model that the runs of a pipeline file have trained. Errors: ConfigError."""
    models: dict[Path, Path] = {}
    for folder in stage_folders(ref):
        with suppress(ConfigError):
            models[folder] = locate(folder)
    if len(models) == 1:
        return next(iter(models.values()))
    if models:
        raise ConfigError(f"{ref}: its run has several models; give one of {', '.join(map(str, models))}")
    profiles = profiles_that_ran(ref) if "@" not in str(ref) else []
    hint = f"; for a run with a profile: {ref}@{profiles[0]}" if profiles else f"; `translate run {ref}` trains it"
    raise ConfigError(f"{ref}: no model of this pipeline is here{hint}")


def _newest_unfinished(stage: Path) -> Path | None:
    """The folder with the `translator.json` of a train stage that was interrupted, the newest of several."""
    folders = [
        path / FOLDER
        for path in stage.parent.glob(f"{glob.escape(stage.name)}-*.partial")
        # The stage `train` and its fingerprint, not the stage `train-more`.
        if re.fullmatch(r"-[0-9a-f]{8}\.partial", path.name.removeprefix(stage.name))
        and (path / FOLDER / FACTS).is_file()
    ]
    return max(folders, key=lambda folder: (folder / FACTS).stat().st_mtime, default=None)
