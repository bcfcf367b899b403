"""Weights to start from: which networks of a model or a checkpoint become which networks of a method."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from translate.contracts import Direction, Method
from translate.errors import ConfigError, StageError
from translate.models.origin import Origin
from translate.networks.spectral import state_for
from translate.text import suggest
from translate.training.config import InitConfig

if TYPE_CHECKING:
    from torch import nn


def initialise(nets: Mapping[str, nn.Module], method: Method[Any], origin: Origin, config: InitConfig) -> list[str]:
    """Copies networks of an origin into `nets`, paired as `pairing` says; returns the names of those that were filled.

    Errors: ConfigError (no pairing), StageError when a network is built otherwise than the origin's, naming how.
    """
    pairs = pairing(nets, method.directions, origin.used, config.networks, origin.further, every=config.critics)
    for ours, theirs in pairs.items():
        state, own = state_for(nets[ours], origin.state(theirs)), nets[ours].state_dict()
        wrong = [
            f"{key}: {_size(state, key)} in the bundle, {_size(own, key)} here"
            for key in dict.fromkeys([*state, *own])
            if _size(state, key) != _size(own, key)
        ]
        if wrong:
            imported = origin.imported
            advice = f"; build {ours} as {dict(imported.network)}" if imported else ""
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
    further: Collection[str] = (),
    *,
    every: bool = False,
) -> dict[str, str]:
    """Our network -> that of the origin: as `named`; else those that both have; else the origin's only network goes to
    the only one that the directions use.

    `theirs` are the networks of its directions, `further` those that only its training needed: they are taken where
    they are named, and with `every`. Errors: ConfigError with what there is.
    """
    used = {net for direction in directions.values() for net in direction.nets}
    critics = [net for net in ours if net not in used]
    all_of_theirs = [*theirs, *further]
    owners = (("the method", ours, named), ("the model to start from", all_of_theirs, named.values()))
    for owner, networks, names in owners:
        for name in names:
            if name not in networks:
                hint = suggest(name, networks) or f"; it has {', '.join(networks)}"
                kept = owner != "the method" and name in critics
                advice = "; `keep: {critics: true}` of its training keeps critics in the model" if kept else ""
                raise ConfigError(f"{owner} has no network {name!r}{hint}{advice}")
    if named:
        return dict(named)
    if common := {name: name for name in ours if name in (all_of_theirs if every else theirs)}:
        return common
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


def _size(state: Mapping[str, Any], key: str) -> str:
    return " x ".join(map(str, state[key].shape)) or "a number" if key in state else "absent"
