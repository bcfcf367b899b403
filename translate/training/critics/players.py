"""Which players of a method judge."""

from __future__ import annotations

from typing import Any

from translate.contracts import Method


def critic_players(method: type[Method[Any]] | Method[Any]) -> dict[str, tuple[str, ...]]:
    """The players that judge, with their networks.

    Such a player has no network that a direction uses, or says that it publishes a `critic`; and it makes no `output`.
    """
    used = {net for direction in method.directions.values() for net in direction.nets}
    views = method.views or {}
    players = {}
    for name, nets in method.players.items():
        published = views.get(name, ())
        judges = any(view.startswith("critic") for view in published) or used.isdisjoint(nets)
        if judges and "output" not in published:
            players[name] = nets
    return players
