"""A trained model on disk: `translator.json`, `model.safetensors`, a card. Data only: no code of it ever runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch

from translate.contracts import CONTRACT, Frames, Image, Method
from translate.errors import ConfigError, DataError
from translate.inference.directions import channels_of, multiple_of, routes
from translate.models.card import model_card, test_time_in_words
from translate.models.facts import BundleFacts
from translate.models.served.files import write_mlflow_files
from translate.plugins.catalogue import options
from translate.redact import redacted
from translate.storage.atomic import digest, sha256_file, write_bytes, write_json, write_text
from translate.storage.filesystem import naming
from translate.storage.tensor_files import load_tensors
from translate.text import json_number

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1
"""The version of the bundle's layout; raised when older readers would misread it."""
READABLE = (1, CONTRACT)
"""The contracts of bundles that can be read: contract 2 added to what they say, and changed nothing of it."""
FOLDER = "translator"
"""The bundle's folder inside a train stage's folder."""
FACTS, TENSORS, CARD = "translator.json", "model.safetensors", "README.md"
TRAINING = "training.safetensors"
"""The file of the networks that only the training needed, where they are kept."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read: the facts of `translator.json`, and tensors by `<network>.<parameter>`."""

    folder: Path
    facts: BundleFacts
    tensors: Mapping[str, Tensor]

    def state(self, net: str) -> dict[str, Tensor]:
        """The state dict of one network."""
        return {key.removeprefix(f"{net}."): value for key, value in self.tensors.items() if key.startswith(f"{net}.")}


def write_bundle(
    folder: Path,
    *,
    method: Method[Any],
    method_name: str,
    nets: Mapping[str, nn.Module],
    provider: Mapping[str, str],
    info: Mapping[str, Any],
    samples: Sequence[Path] = (),
    further: Collection[str] = (),
) -> None:
    """Writes the networks that the method's directions name, and everything that using them needs.

    `provider` is what the registry says of the method (distribution, version, module). `info` is kept as given; by
    convention it has `weights` (best or last), `step`, `ema`, `metrics` (name to value), `data` (fingerprint) and
    `pipeline`. Nothing is taken from the clock, so that equal trainings write equal bundles. `samples` are pictures for
    the model card, copied beside it where they lie elsewhere. `further` are networks that no direction uses, such as
    critics, which go into a file of their own: only another training reads it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for file, names in ((TENSORS, _used(method)), (TRAINING, sorted(further))):
        if names:
            write_bytes(folder / file, _packed(nets, names))
            files[file] = sha256_file(folder / file)
    kept = {"training_networks": {net: _structure(nets[net]) for net in sorted(further)}} if further else {}
    facts = _facts(method, method_name, nets, provider, files, {**info, **kept})
    names = _copy_samples(folder, samples)
    write_text(folder / CARD, model_card(BundleFacts.from_json(facts), names))
    write_mlflow_files(folder, method, provider)
    write_json(folder / FACTS, facts)


def _packed(nets: Mapping[str, nn.Module], names: Sequence[str]) -> bytes:
    """The tensors of networks as the content of a file."""
    tensors = {}
    for net in names:
        for key, value in nets[net].state_dict().items():
            tensors[f"{net}.{key}"] = value.detach().cpu().contiguous().clone()
    content: bytes = safetensors.torch.save(tensors, {"format": "pt"})
    return content


def write_unfinished(
    folder: Path,
    *,
    method: Method[Any],
    method_name: str,
    nets: Mapping[str, nn.Module],
    provider: Mapping[str, str],
    info: Mapping[str, Any],
) -> None:
    """Writes what using a model needs beside its weights, at the start of its training; see `write_bundle`.

    `translator.json` then lists no files: the weights are those of the checkpoints, until the bundle is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FACTS, _facts(method, method_name, nets, provider, {}, info))


def _used(method: Method[Any]) -> list[str]:
    """The networks of all directions, sorted."""
    used: set[str] = set()
    for direction in method.directions.values():
        used.update(direction.nets)
    return sorted(used)


def _facts(
    method: Method[Any],
    method_name: str,
    nets: Mapping[str, nn.Module],
    provider: Mapping[str, str],
    files: Mapping[str, str],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of `translator.json`, without secrets."""
    facts = {
        "format": FORMAT,
        "contract": CONTRACT,
        "method": method_name,
        "plugin": dict(provider),
        "options": method.config.model_dump(mode="json"),
        "losses": dict(method.weights),
        "spec": method.spec.to_json(),
        "directions": _directions(method, nets),
        "range": [-1, 1],
        "test_time": {
            "dropout": method.test_time.dropout,
            "norm": method.test_time.norm,
            "text": test_time_in_words(method.test_time),
        },
        "networks": {net: _structure(nets[net]) for net in _used(method)},
        "files": dict(files),
        **info,
        "metrics": {name: json_number(value) for name, value in info.get("metrics", {}).items()},
    }
    return dict(redacted(facts))


def read_facts(folder: Path, *, unfinished: bool = False) -> BundleFacts:
    """A bundle's `translator.json`. With `unfinished` also that of a training that is not finished.

    Errors: ConfigError (none there, newer format, not finished), DataError (damaged).
    """
    path = folder / FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder}: no trained model here ({FACTS} is missing)") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if facts.get("format") != FORMAT or facts.get("contract") not in READABLE:
        raise ConfigError(
            f"{path}: written in format {facts.get('format')} for contract {facts.get('contract')}; this version of "
            f"translate reads format {FORMAT}, contract {CONTRACT}: use the version that wrote it, or train again"
        )
    try:
        read = BundleFacts.from_json(facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read: {type(error).__name__}: {error}") from None
    if not (read.finished or unfinished):
        raise ConfigError(
            f"{folder.parent}: this training is not finished; the same `translate run` goes on with it, and "
            "`translate convert --weights best` or `last` takes one of its checkpoints"
        )
    return read


def read_bundle(folder: Path) -> Bundle:
    """Reads a bundle and checks its hash. Errors: as `read_facts`."""
    return _read(folder, TENSORS)


def read_training_networks(folder: Path) -> Bundle:
    """Reads the networks of a bundle that only its training needed. Errors: as `read_facts`."""
    return _read(folder, TRAINING)


def _read(folder: Path, file: str) -> Bundle:
    facts = read_facts(folder)
    weights = folder / file
    try:
        digest_now, recorded = sha256_file(weights), facts.files.get(file)
        if digest_now != recorded:
            raise DataError(f"{weights}: damaged: its sha256 is {digest_now}, {FACTS} records {recorded}")
        return Bundle(folder, facts, load_tensors(weights))
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError(f"{weights}: cannot be read: {error}") from None


def _directions(method: Method[Any], nets: Mapping[str, nn.Module]) -> dict[str, Any]:
    directions = {}
    for name, route in routes(method).items():
        pictures = [each for each in route.inputs if isinstance(route.types[each], Image | Frames)]
        channels = {each: channels_of(method.spec, route, each) for each in pictures}
        multiple = multiple_of(method.directions[name], nets)
        directions[name] = {**route.to_json(), "multiple": multiple, "channels": channels}
        # For people and for `models show`; whoever loads the model asks the method.
        if knobs := list(options(method.directions[name].options)):
            directions[name]["options"] = knobs
    return directions


def _structure(net: nn.Module) -> dict[str, Any]:
    parameters = sum(p.numel() for p in net.parameters())
    name = f"{type(net).__module__}.{type(net).__qualname__}"
    return {"class": name, "parameters": parameters, "structure": structure_hash(net)}


def structure_hash(net: nn.Module) -> str:
    """A hash of what a network is made of: the kind of every layer, the name, shape and type of every tensor."""
    layers = [[name, type(layer).__name__] for name, layer in net.named_modules() if name]
    tensors = [[name, list(value.shape), str(value.dtype)] for name, value in net.state_dict().items()]
    return digest([layers, tensors])


def _copy_samples(folder: Path, samples: Sequence[Path]) -> list[str]:
    """Paths of the samples relative to the bundle; what lies elsewhere is copied, numbered since names may repeat."""
    names = []
    for number, sample in enumerate(samples, 1):
        inside = sample
        if not sample.is_relative_to(folder):
            inside = folder / "samples" / f"{number}-{sample.name}"
            with naming(inside):
                inside.parent.mkdir(exist_ok=True)
                shutil.copyfile(sample, inside)
        names.append(inside.relative_to(folder).as_posix())
    return names
