"""Weights to start from: which networks of a bundle become which networks of a method."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.contracts import Direction, Method
from translate.errors import ConfigError, StageError
from translate.models.bundle import read_bundle, read_facts
from translate.models.checkpoint_weights import read_weights
from translate.models.load import locate
from translate.networks.spectral import state_for
from translate.text import suggest

if TYPE_CHECKING:
    from torch import nn

PARTIAL = ".partial"
"""The end of the name of a folder in which a stage works."""


def initialise(
    nets: Mapping[str, nn.Module], directions: Mapping[str, Direction], folder: Path, named: Mapping[str, str]
) -> list[str]:
    """Copies networks of a bundle into `nets`, paired as `pairing` says; returns the names of those that were filled.

    Of a training that was interrupted, named by its `.partial` folder, the last checkpoint counts.

    Errors: ConfigError (no pairing), StageError when a network is built otherwise than the bundle's, naming how.
    """
    bundle = read_weights(locate(folder), "last") if is_unfinished(folder) else read_bundle(locate(folder))
    pairs = pairing(nets, directions, bundle.facts.networks, named)
    for ours, theirs in pairs.items():
        state, own = state_for(nets[ours], bundle.state(theirs)), nets[ours].state_dict()
        wrong = [
            f"{key}: {_size(state, key)} in the bundle, {_size(own, key)} here"
            for key in dict.fromkeys([*state, *own])
            if _size(state, key) != _size(own, key)
        ]
        if wrong:
            origin = bundle.facts.imported
            advice = f"; build {ours} as {dict(origin.network)}" if origin else ""
            raise StageError(
                f"init: network {ours} is built otherwise than {theirs} of the bundle: {len(wrong)} of {len(own)} "
                f"tensors differ, first {'; '.join(wrong[:2])}{advice}"
            )
        nets[ours].load_state_dict(state)
    return list(pairs)


def pairing(
    ours: Collection[str],
    directions: Mapping[str, Direction],
    theirs: Collection[str],
    named: Mapping[str, str],
) -> dict[str, str]:
    """Our network -> the bundle's: as `named`; else those that both have; else the bundle's only network goes to the
    only one that the directions use. Errors: ConfigError with what there is."""
    for owner, networks, names in (("the method", ours, named), ("the model to start from", theirs, named.values())):
        for name in names:
            if name not in networks:
                hint = suggest(name, networks) or f"; it has {', '.join(networks)}"
                raise ConfigError(f"{owner} has no network {name!r}{hint}")
    if named:
        return dict(named)
    if common := {name: name for name in ours if name in theirs}:
        return common
    used = {net for direction in directions.values() for net in direction.nets}
    if len(used) == len(theirs) == 1:
        return {used.pop(): next(iter(theirs))}
    raise ConfigError(
        f"the model to start from has the networks {', '.join(theirs)}, and the method has {', '.join(ours)}: none in "
        f"common; say which is which, such as `init: {{networks: {{{min(used)}: {min(theirs)}}}}}`"
    )


def named_networks(method: type[Method[Any]]) -> list[str]:
    """The networks that a method names in its players, directions and `fixed`: what is known before it is built."""
    groups = [*method.players.values(), *(direction.nets for direction in method.directions.values()), method.fixed]
    return list(dict.fromkeys(net for nets in groups for net in nets))


def bundle_networks(folder: Path) -> list[str]:
    """The names of a bundle's networks, without its weights. Errors: as `read_bundle`."""
    return list(read_facts(locate(folder), unfinished=is_unfinished(folder)).networks)


def is_unfinished(folder: Path) -> bool:
    """Says whether a path is the folder of an interrupted training itself: then that is what somebody means."""
    return folder.name.endswith(PARTIAL)


def _size(state: Mapping[str, Any], key: str) -> str:
    return " x ".join(map(str, state[key].shape)) or "a number" if key in state else "absent"
