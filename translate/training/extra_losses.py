"""Extra losses: registered terms that a pipeline binds to the views a method publishes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from translate.contracts import Components, LossUse, Method, Problem
from translate.errors import ContractError, TranslateError
from translate.plugins.options import KeyProblem
from translate.text import suggest
from translate.training.config import ExtraLoss

if TYPE_CHECKING:
    from translate.objectives import LossTerm


def binding_problems(
    method: type[Method[Any]], name: str, entry: ExtraLoss, term: type[LossTerm[Any]]
) -> Iterator[Problem]:
    """The mistakes in `on`, with paths from the entry: arguments that the term has not or needs, and views that the
    method does not publish, where it declares them. `name` is what the pipeline calls the method."""
    takes = term.arguments()
    for argument in entry.on:
        if argument not in takes:
            near = suggest(argument, takes) or f"; it takes {', '.join(takes)}"
            yield KeyProblem(("on", argument), f"{entry.uses} has no argument {argument!r}{near}")
    missing = [argument for argument, needed in takes.items() if needed and argument not in entry.on]
    if missing and entry.on.keys() <= takes.keys():
        yield Problem(("on",), f"{entry.uses} also needs {', '.join(missing)}: `on: {{{missing[0]}: VIEW}}`")
    if method.views is None:
        return
    views: Sequence[str] = tuple(method.views.get(entry.player, ()))
    if entry.player not in method.players:  # then a view has to be one of any player
        views = list(dict.fromkeys(chain.from_iterable(method.views.values())))
    for argument, view in entry.on.items():
        if view not in views:
            others = [player for player, shown in method.views.items() if view in shown]
            elsewhere = f"; it does in those of {', '.join(others)}" if others else ""
            published = f"; there are {', '.join(views) or 'none'}"
            where = f" in updates of {entry.player}" if entry.player in method.players else ""
            message = f"{name} publishes no view {view!r}{where}"
            yield Problem(("on", argument), message + (elsewhere or suggest(view, views) or published))


class BoundLoss:
    """A frozen loss term and the views that it reads. `name` is its curve; it is due at each `every`-th update."""

    def __init__(self, entry: ExtraLoss, term: LossTerm[Any], name: str) -> None:
        self.name = name
        self.player = entry.player
        self.weight, self.every = entry.weight, entry.every
        self.on = dict(entry.on)
        self.term = term
        self.asked = self.met = False
        self.seen: set[str] = set()

    def published(self, views: Mapping[str, Any]) -> bool:
        """True where an Update of its player shows all views that the term reads."""
        here = all(view in views for view in self.on.values())
        self.asked = True
        self.met |= here
        self.seen |= views.keys()
        return here

    def __call__(self, views: Mapping[str, Any]) -> Tensor:
        """The loss of an update that shows its views. Errors: ContractError naming the term and its arguments."""
        arguments = {argument: _in_float32(views[view]) for argument, view in self.on.items()}
        try:
            value = self.term(**arguments)
        except TranslateError:
            raise
        except Exception as error:
            shown = ", ".join(f"{argument}: {_look(view)}" for argument, view in arguments.items())
            raise ContractError(f"extra loss {self.name} broke on {shown}: {type(error).__name__}: {error}") from error
        if not isinstance(value, Tensor) or value.ndim:
            raise ContractError(f"extra loss {self.name} returned {_look(value)}; a loss is a scalar tensor")
        if not value.requires_grad:
            shown = ", ".join(f"{argument}: {view}" for argument, view in self.on.items())
            raise ContractError(f"extra loss {self.name} on {shown} depends on no network, so that it teaches nothing")
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
                f"with the views {', '.join(sorted(loss.on.values()))}{_missing(loss)}"
            )


def _missing(loss: BoundLoss) -> str:
    near = "".join(suggest(view, loss.seen) for view in loss.on.values() if view not in loss.seen)
    return near or f"; it published {', '.join(sorted(loss.seen)) or 'none'}"


def _in_float32(view: Any) -> Any:
    """Images in float32, whatever the networks compute in; labels and functions as they are."""
    return view.float() if isinstance(view, Tensor) and view.is_floating_point() else view


def _look(value: Any) -> str:
    """`tensor (1, 3, 32, 32)`, or what else it is."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"tensor {tuple(value.shape)}" + ("" if value.is_floating_point() else f" of {value.dtype}")
