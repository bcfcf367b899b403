"""Exported models in use: ONNX files as a method, so that images go in and out exactly as with torch's networks."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from translate.contracts import Direction, DirectionCall, Draw, Method, Nets, NoOptions, Step, Update
from translate.errors import ConfigError, ContractError, DataError
from translate.models.bundle import TENSORS, read_facts
from translate.models.facts import ExportFacts, ModelDirection

FORMAT = 1
"""The version of what the metadata of an exported file says."""
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
        super().__init__(NoOptions(), facts.spec, {})
        self.directions = {name: _direction(d) for name, d in facts.directions.items()}

    def networks(self, build: Any) -> dict[str, torch.nn.Module]:
        return {}

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        raise ContractError(f"{self.name} is for inference alone")

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        fed = {name: image.contiguous().numpy() for name, image in inputs.items()}
        return torch.from_numpy(self.sessions[direction].run(None, fed)[0])


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
    if facts.get("format") != FORMAT:
        raise ConfigError(f"{name}: exported in format {facts.get('format')}, not {FORMAT}: export it again")
    return session, ExportFacts.from_json(facts)


def _direction(d: ModelDirection) -> Direction:
    """The direction of a file, which needs no networks."""
    sides = tuple(side for side in d.sides if side is not None)
    return Direction((), d.inputs, d.output, d.scale, d.multiple, sides, d.target, d.tiles)
