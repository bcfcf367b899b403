"""Extra losses: registered terms that a pipeline binds to the views a method publishes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from translate.contracts import Components, LossUse
from translate.errors import ContractError
from translate.training.config import ExtraLoss

if TYPE_CHECKING:
    from translate.objectives import LossTerm


class BoundLoss:
    """A frozen loss term and the views that it reads. `name` is its curve."""

    def __init__(self, entry: ExtraLoss, term: LossTerm[Any], name: str) -> None:
        self.name = name
        self.player = entry.player
        self.weight = entry.weight
        self.on = dict(entry.on)
        self.term = term
        self.asked = self.met = False

    def published(self, views: Mapping[str, Any]) -> bool:
        """True where an Update of its player shows all views that the term reads."""
        here = all(view in views for view in self.on.values())
        self.asked = True
        self.met |= here
        return here

    def __call__(self, views: Mapping[str, Any]) -> Tensor:
        bound = {argument: views[view] for argument, view in self.on.items()}
        value: Tensor = self.term(**{k: v.float() if isinstance(v, Tensor) else v for k, v in bound.items()})
        return value


def bind(
    entries: Sequence[ExtraLoss], registry: Components, device: torch.device | str, taken: Collection[str] = ()
) -> list[BoundLoss]:
    """Builds the terms, moves them to the device and freezes them. A name that is `taken` (by the method's own losses,
    by a term before it) gets a number: `l1`, `l1-2`."""
    bound: list[BoundLoss] = []
    names = set(taken)
    for entry in entries:
        term = registry.build(LossUse(uses=entry.uses, options=entry.options))
        term.to(device).eval().requires_grad_(False)
        numbered = (f"{entry.uses}-{number}" for number in count(2))
        name = next(n for n in chain([entry.uses], numbered) if n not in names)
        names.add(name)
        bound.append(BoundLoss(entry, term, name))
    return bound


def check_met(method: str, bound: Sequence[BoundLoss]) -> None:
    """After a step. Errors: ContractError for a term whose player has moved without ever publishing its views."""
    for loss in bound:
        if loss.asked and not loss.met:
            raise ContractError(
                f"extra loss {loss.name}: method {method} published no update of player {loss.player} "
                f"with the views {', '.join(sorted(loss.on.values()))}"
            )
