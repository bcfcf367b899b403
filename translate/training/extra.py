"""Extra losses: registered terms that a pipeline binds to the views a method publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self.met = False

    def published(self, views: Mapping[str, Any]) -> bool:
        """True where an Update shows all views that the term reads."""
        here = all(view in views for view in self.on.values())
        self.met |= here
        return here

    def __call__(self, views: Mapping[str, Any]) -> Tensor:
        bound = {argument: views[view] for argument, view in self.on.items()}
        value: Tensor = self.term(**{k: v.float() if isinstance(v, Tensor) else v for k, v in bound.items()})
        return value


def bind(entries: Sequence[ExtraLoss], registry: Components, device: torch.device | str) -> list[BoundLoss]:
    """Builds the terms, moves them to the device and freezes them. Two of one kind get names `x` and `x-2`."""
    bound: list[BoundLoss] = []
    for entry in entries:
        term = registry.build(LossUse(uses=entry.uses, options=entry.options))
        term.to(device).requires_grad_(False)
        taken = sum(b.name.rpartition("-")[0] == entry.uses or b.name == entry.uses for b in bound)
        bound.append(BoundLoss(entry, term, entry.uses if not taken else f"{entry.uses}-{taken + 1}"))
    return bound


def check_met(method: str, bound: Sequence[BoundLoss]) -> None:
    """After the first step. Errors: ContractError for a term whose views no Update of its player published."""
    for loss in bound:
        if not loss.met:
            raise ContractError(
                f"extra loss {loss.name}: method {method} published no update of player {loss.player} "
                f"with the views {', '.join(sorted(loss.on.values()))}"
            )
