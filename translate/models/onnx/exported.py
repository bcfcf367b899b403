"""Exported models in use: ONNX files as a method, so that images go in and out exactly as with torch's networks."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import Direction, DirectionCall, Draw, Image, Method, Nets, NoOptions, Step, Update
from translate.errors import ConfigError, ContractError, DataError
from translate.inference.program import MAIN
from translate.models.bundle import TENSORS, read_facts
from translate.models.onnx.facts import ExportedDirection, ExportFacts
from translate.models.onnx.options import option_tensor, options_of

FORMAT = 2
"""The version of what the metadata of an exported file says."""
READABLE = (1, FORMAT)
"""The formats that can be read: 2 added noise, options and further outputs, and changed nothing of 1."""
SUFFIX, FOLDER, KEY = ".onnx", "onnx", "translate"
"""The name of exported files, their folder inside a bundle, and the key of their facts (JSON) among the metadata."""


class Exported(Method[NoOptions]):
    """Directions that ONNX files compute, each by a session of its own. For inference alone; it has no networks."""

    name = "exported"
    players = {}
    losses = {}
    directions = {}

    def __init__(self, facts: ExportFacts, sessions: Mapping[str, Any]) -> None:
        self.facts, self.sessions = facts, sessions
        super().__init__(NoOptions(), replace(facts.spec, called={}), {})  # the files know their directions by name
        self.directions = {name: _direction(d) for name, d in facts.directions.items()}

    def networks(self, build: Any) -> dict[str, torch.nn.Module]:
        return {}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        raise ContractError(f"{self.name} is for inference alone")

    def translate(
        self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw
    ) -> Tensor | Mapping[str, Tensor]:
        facts, session = self.facts.directions[direction], self.sessions[direction]
        if facts.size is not None and tuple(draw.size) != facts.size:
            height, width = facts.size
            raise ConfigError(f"this file makes images of {height} x {width} pixels alone; resize what it makes")
        fed = feed(facts, inputs, direction, draw)
        # An exporter may leave out an input that no output depends on.
        taken = {each.name for each in session.get_inputs()}
        outputs = session.run([MAIN, *facts.further], {name: fed[name] for name in fed if name in taken})
        named = {name: torch.from_numpy(values) for name, values in zip((MAIN, *facts.further), outputs, strict=True)}
        return named if facts.further else named[MAIN]


def feed(
    facts: ExportedDirection, inputs: Mapping[str, Tensor], call: DirectionCall, draw: Draw
) -> dict[str, np.ndarray[Any, Any]]:
    """All inputs of a graph by name: those of the direction, noise in the order of the draws, and options."""
    tensors = dict(inputs)
    for noise in facts.noise:
        tensors[noise.name] = noise.drawn(draw)
    for option in facts.option_inputs:
        tensors[option.name] = option_tensor(option, getattr(call.options, option.name))
    return {name: values.contiguous().numpy() for name, values in tensors.items()}


def needed(module: str) -> Any:
    """A package of the extra `[onnx]`. Errors: ConfigError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"exported models need {module} ({error}): pip install 'translate-i2i[onnx]'") from None


def open_exported(ref: str | Path, device: str, bundle: Callable[[], Path]) -> Exported:
    """An exported file, or those that were exported beside a bundle, whose folder `bundle` finds.

    `device`: `cuda` asks for the GPU (package onnxruntime-gpu); `auto` takes it where that can be used. Errors:
    ConfigError (none there, none of ours, older than the bundle's weights, no GPU), DataError (damaged).
    """
    if str(ref).endswith(SUFFIX):
        if not Path(ref).is_file():
            raise ConfigError(f"{ref}: there is no such file")
        return exported_of([Path(ref).read_bytes()], [str(ref)], device)
    folder = bundle()
    files = sorted((folder / FOLDER).glob(f"*{SUFFIX}"))
    if not files:
        raise ConfigError(f"{folder}: nothing is exported from this model yet: translate models export {ref}")
    method = exported_of([file.read_bytes() for file in files], [str(file) for file in files], device)
    if method.facts.weights != read_facts(folder).files[TENSORS]:
        raise ConfigError(
            f"{folder / FOLDER}: exported from other weights than the model has now: translate models export {ref}"
        )
    return method


def exported_of(files: list[bytes], names: list[str], device: str) -> Exported:
    """The contents of exported files, one a direction of the same model, as a method."""
    opened = [_open(data, name, device) for data, name in zip(files, names, strict=True)]
    first = opened[0][1]
    for (_, other), name in zip(opened, names, strict=True):
        if (other.weights, other.method) != (first.weights, first.method):
            raise ConfigError(f"{name} and {names[0]} come from different models: export all directions again")
    sessions: dict[str, Any] = {}
    facts_by_direction: dict[str, ExportFacts] = {}
    for session, other in opened:
        sessions |= dict.fromkeys(other.directions, session)
        facts_by_direction |= dict.fromkeys(other.directions, other)
    facts = first.joined(facts_by_direction)
    kind = type("Exported", (Exported,), {"data": facts.spec.data})
    method: Exported = kind(facts, {direction: sessions[direction] for direction in facts.directions})
    return method


def _open(data: bytes, name: str, device: str) -> tuple[Any, ExportFacts]:
    """A session and the facts of the file."""
    runtime = needed("onnxruntime")
    gpu = "CUDAExecutionProvider" in runtime.get_available_providers()
    if device.startswith("cuda") and not gpu:
        raise ConfigError(f"{device}: this onnxruntime sees no GPU: install onnxruntime-gpu, or use --device cpu")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    place = (
        ("CUDAExecutionProvider", {"device_id": torch.device(device).index or 0})
        if gpu and device.startswith("cuda")
        else "CUDAExecutionProvider"
    )
    providers = [*([place] if gpu and device != "cpu" else []), "CPUExecutionProvider"]
    try:
        session = runtime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # of a kind of its own for every damage
        raise DataError(f"{name}: no readable ONNX model: {str(error).splitlines()[0]}") from None
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise ConfigError(f"{name}: an ONNX model, but not one that `translate models export` wrote")
    facts: dict[str, Any] = json.loads(text)
    if facts.get("format") not in READABLE:
        raise ConfigError(f"{name}: exported in format {facts.get('format')}, not {FORMAT}: export it again")
    return session, ExportFacts.from_json(facts)


def _direction(d: ExportedDirection) -> Direction:
    """The direction of a file, which needs no networks."""
    return Direction(
        (),
        d.inputs,
        d.output,
        d.scale,
        d.multiple,
        tuple(side for side in d.sides if side is not None),
        d.target,
        d.tiles,
        options=options_of(d),
        draws=d.draws,
        types={name: d.types.get(name, Image()) for name, side in zip(d.inputs, d.sides, strict=True) if side is None},
        further=d.further,
    )
