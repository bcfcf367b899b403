"""Finds names in `freeze` and `spectral_norm` that no network has, before a training runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from translate.contracts import Components, DatasetFacts, DataSpec, Labels, Method, Problem, Sides
from translate.errors import ConfigError
from translate.networks import network_builder
from translate.networks.measure import without_memory
from translate.text import suggest
from translate.training.config import TrainConfig
from translate.training.init_weights import named_networks
from translate.training.weights.parts import bound, freeze

_CHANNELS = 3
"""Channels of images of which that is not known yet: parts of networks have the same names for every number."""

Change = Callable[[Mapping[str, nn.Module], Sequence[str]], None]


def part_problems(
    config: TrainConfig, registry: Components, method: type[Method[Any]], data: DatasetFacts | None
) -> Iterator[Problem]:
    """Networks or parts that are not there, parts without layers for a spectral norm, and players that `freeze` leaves
    nothing. Of parts it knows where the networks can be built from what is known of the data."""
    if not config.freeze and not config.spectral_norm:
        return
    if strangers := list(_strangers(config, method)):
        yield from strangers
        return
    nets = _networks(config, registry, method, data)
    if not nets:
        return
    yield from _misfits(nets, "spectral_norm", config.spectral_norm, bound)
    yield from _misfits(nets, "freeze", config.freeze, freeze)
    for player, members in method.players.items() if config.freeze else ():
        params = [p for m in members if m in nets for p in nets[m].parameters()]
        if params and not any(p.requires_grad for p in params):
            message = f"player {player} has nothing left to train in {', '.join(members)}"
            yield Problem(("with", "freeze"), message)


def _strangers(config: TrainConfig, method: type[Method[Any]]) -> Iterator[Problem]:
    """Names of networks that the method does not have, whatever its options."""
    networks = named_networks(method)
    for option, parts in (("freeze", config.freeze), ("spectral_norm", config.spectral_norm)):
        for i, part in enumerate(parts):
            if (net := part.partition(".")[0]) not in networks:
                instead = suggest(net, networks) or f"; there are {', '.join(networks) or 'none'}"
                yield Problem(("with", option, i), f"{config.method} has no network {net!r}{instead}")


def _misfits(nets: Mapping[str, nn.Module], option: str, names: Sequence[str], change: Change) -> Iterator[Problem]:
    """Applies an option to the networks, name by name, and tells of the names with which that fails."""
    for i, name in enumerate(names):
        try:
            change(nets, [name])
        except ConfigError as error:
            yield Problem(("with", option, i), str(error).removeprefix(f"{option}: "))


def _networks(
    config: TrainConfig, registry: Components, method: type[Method[Any]], data: DatasetFacts | None
) -> dict[str, nn.Module]:
    """The networks of the training without memory for weights; none where they cannot be built from what is known."""
    if data is None or Sides.of(method.data).mismatch(data.sides):
        return {}
    try:
        options = registry.config("methods", config.method, config.options)
        built = method(options, _spec(config, registry, data), {**method.losses, **config.losses})
        return without_memory(built, network_builder(registry))
    except Exception:  # code of a plugin with data that is half known: `run` tells what is wrong
        return {}


def _spec(config: TrainConfig, registry: Components, data: DatasetFacts) -> DataSpec:
    """What the method is told of the data, with what is not known yet filled in. Errors: TranslateError."""
    size = data.size
    for use in config.augment:
        size = registry.build(use).size(size)
    for change in config.device_augment:
        size = size and registry.build(change).size(size)
    spec = data.spec(size)
    usual = {name: 1 if isinstance(side, Labels) else _CHANNELS for name, side in spec.data.types.items()}
    return DataSpec(spec.data, {**usual, **spec.channels}, spec.size, spec.classes, spec.palette, spec.called)
