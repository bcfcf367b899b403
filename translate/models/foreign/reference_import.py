"""Checkpoints of other programs, such as pytorch-CycleGAN-and-pix2pix, CUT and ESRGAN, as bundles."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from translate.contracts import DataSpec, NetworkUse
from translate.errors import ConfigError, DataError
from translate.models.bundle import read_bundle, write_bundle
from translate.models.facts import BundleFacts
from translate.models.foreign import spandrel_network
from translate.models.foreign.parts import Part, choose, find_parts
from translate.networks import network_builder
from translate.plugins import Registry
from translate.storage.atomic import replace_dir, sha256_file
from translate.storage.untrusted import read_networks

if TYPE_CHECKING:
    from torch import Tensor

    from translate.models.foreign.recognise import Recognised
    from translate.models.single_network import SingleNetwork

METHOD = "single-network"
LEVELS = 8
"""log2 of the image size at which the reference trains by default: only a U-Net's tensors tell another one."""


def import_reference(
    source: Path,
    output: Path,
    *,
    network: str | None = None,
    dropout: bool | None = None,
    norm: Literal["image", "running"] = "image",
    scale: int | None = None,
) -> BundleFacts:
    """Turns a generator's checkpoint (`latest_net_G.pth`) into a bundle in the new folder `output`; returns its facts.

    The network is found from the tensors; `network` is its name where the file holds several, such as `params_ema`. At
    test time the reference leaves its networks in train mode, which is the default here: batch norms on the statistics
    of each image, and dropout on where the network has it (for a U-Net assumed, since its file does not tell).
    `dropout=False` and `norm="running"` are its `--eval`. `scale` is how many times larger outputs are, where the file
    does not tell: an old ESRGAN of scale 3 looks like one of scale 2.
    Errors: ConfigError (no file, `output` exists, several networks, dropout wanted of a network without,
    another scale than the tensors show), DataError (refused: why).
    """
    if output.exists():
        raise ConfigError(f"{output}: exists already; name a new folder")
    registry = Registry()
    networks = read_networks(source)
    try:
        parts = find_parts(networks, registry, {"dropout": dropout, "scale": scale})
        part = choose(parts, network)
        known: Recognised = part.known  # type: ignore[assignment]  # `choose` returns what can be imported alone
        state = _state(known, part.tensors)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except DataError as error:
        raise DataError(f"{source}: refused: {error}") from None
    has_dropout = bool(known.options.get("dropout"))
    if dropout and not has_dropout:
        raise ConfigError(f"{source}: dropout cannot be on: the tensors show that this {known.uses} has none")
    shown = int(known.options.get("scale", 1))
    if scale not in (None, shown):
        raise ConfigError(f"{source}: the scale cannot be {scale}: the tensors show that this {known.uses} has {shown}")
    method, nets = _method(registry, known, has_dropout and dropout is not False, norm)
    nets["net"].load_state_dict(state)
    info = {"weights": "imported", "imported": _provenance(source, part, known, parts, dropout, scale)}
    provider = registry.provider("methods", METHOD)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        write_bundle(partial, method=method, method_name=METHOD, nets=nets, provider=provider, info=info)
        replace_dir(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_bundle(output).facts


def _state(known: Recognised, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict, in float32. Errors: DataError for values that are no finite numbers."""
    if known.spandrel is not None:
        tensors = known.spandrel.state_dict()
        known = replace(known, keys={name: name for name in tensors if tensors[name].is_floating_point()})
    state = {}
    for ours, theirs in known.keys.items():
        value = torch.zeros((), dtype=torch.long) if theirs is None else tensors[theirs]
        counts = ours.endswith("num_batches_tracked")
        # Who halves a whole state dict makes fractions of its counters, too.
        if not (counts or value.is_floating_point()) or not bool(value.isfinite().all()):
            raise DataError(f"tensor {theirs} ({value.dtype}) does not hold finite numbers of the kind it should")
        state[ours] = value.long() if counts else value.float()
    state |= {ours: torch.zeros(shape) for ours, shape in known.zeros.items()}
    return {**tensors, **state} if known.spandrel is not None else state


def _method(
    registry: Registry, known: Recognised, dropout: bool, norm: Literal["image", "running"]
) -> tuple[SingleNetwork, dict[str, Any]]:
    kind = registry.get("methods", METHOD)
    config = kind.Config(
        **_network(known),
        out_channels=known.out_channels,
        dropout=dropout,
        norm=norm if known.spandrel is None else "running",
        scale=int(known.options.get("scale", 1)),
        takes=known.layout.takes,
        gives=known.layout.gives,
    )
    size = 2 ** known.options.get("levels", LEVELS)
    method = kind(config, DataSpec("single", {"image": known.in_channels}, (size, size)), {})
    with torch.random.fork_rng([]):  # initial weights are drawn and thrown away
        nets = method.networks(network_builder(registry))
    return method, nets


def _network(known: Recognised) -> dict[str, Any]:
    """The options of the method that build the network again."""
    if known.spandrel is not None:
        return {"spandrel": spandrel_network.describe(known.spandrel)}
    return {"network": NetworkUse(uses=known.uses, options=known.options)}


def _provenance(
    source: Path, part: Part, known: Recognised, parts: list[Part], dropout: bool | None, scale: int | None
) -> dict[str, Any]:
    """What was read, found and assumed, for the bundle's facts and its card."""
    notes = []
    if "dropout" in known.assumed:
        which = "assumed, as the reference trains it by default" if dropout is None else "as asked for"
        has = "with" if known.options["dropout"] else "without"
        notes.append(f"a U-Net's file does not tell whether it was trained with dropout: {has}, {which}")
    if "scale" in known.assumed:
        which = "assumed; import with `--scale 3` where outputs have wrong sizes" if scale is None else "as asked for"
        notes.append(f"the tensors are the same for scale 2 and 3: {known.options['scale']}, {which}")
    if known.zeros:
        notes.append(f"its convolutions without norms have no bias: {len(known.zeros)} biases are 0 here")
    if known.strays:
        notes.append(f"left out: {len(known.strays)} statistics of instance norms, which an older program kept")
    if None in known.keys.values():
        notes.append("the batch norms' counters are absent, as in old files: they start at 0")
    if part.beside:
        notes.append(f"left out: {part.beside} tensors of the same file that are none of {part.path}")
    if others := [other.in_words() for other in parts if other is not part]:
        notes.append(f"not imported of this file: {'; '.join(others[:4])}")
    return {
        "file": source.name,
        "sha256": sha256_file(source),
        "layout": known.layout.program,
        "network": {"uses": known.uses, **known.options},
        "channels": [known.in_channels, known.out_channels],
        "notes": notes,
        **({"part": part.path} if part.path else {}),
    }
