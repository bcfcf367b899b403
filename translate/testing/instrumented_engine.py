"""The training engine with instruments: it takes the same steps, and notes what the contract forbids."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from translate.contracts import Update
from translate.seeding import derive
from translate.training.engine import Engine
from translate.training.players import Player


@contextmanager
def _seeding_forgotten(seed: int) -> Iterator[None]:
    """Puts Python's and numpy's global generators back where the engine alone has touched them, by seeding them for
    the step: what is left changed was drawn from by the method."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        if random.getstate() == random.Random(seed).getstate():
            random.setstate(python)
        if _numbers(np.random.get_state()) == _numbers(np.random.RandomState(seed % 2**32).get_state()):
            np.random.set_state(numpy)


def _numbers(state: Any) -> tuple[bytes, Any]:
    """The state of a generator of numpy in a form that can be compared."""
    _, keys, *rest = state
    return np.asarray(keys).tobytes(), rest


class InstrumentedEngine(Engine):
    """Records `values`: (step, player, loss, value) of every term; with `checking` also `faults`, sentences by check.

    To check, it asks torch for the gradient of every term on its own, which a training never does.
    """

    def __init__(self, *args: Any, checking: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.checking = checking
        self.values: list[tuple[int, str, str, float]] = []
        self.faults: dict[str, list[str]] = {"game": [], "state": []}
        self.reached: dict[tuple[str, str], bool] = {}
        self.fed: set[str] = set()
        self._moved: set[int] = set()

    def step(self, batches: Sequence[Mapping[str, Tensor]], epoch: int) -> None:
        self._moved = set()
        seed = derive(self.seed, "step", self.index, self.world.rank)
        if not self.checking:
            with _seeding_forgotten(seed):
                super().step(batches, epoch)
            return
        before = state_of(self.method)
        copies = [_copy(batch) for batch in batches]
        with _seeding_forgotten(seed):
            super().step(batches, epoch)
        if torch.initial_seed() != seed:
            self._fault("game", "step() reseeds torch's global generator; draw from `step.rng` instead")
        self.faults["state"] += changes("step()", before, state_of(self.method))
        for batch, was in zip(batches, copies, strict=True):
            for key in was:
                if not torch.equal(batch[key], was[key]):
                    self._fault("game", f"step() changes batch[{key!r}] in place; work on a copy")

    def summary(self, resting: Collection[str] = ()) -> Iterator[str]:
        """After some steps: who never played (those `resting` may), which terms and networks no gradient reached."""
        yield from self.faults["game"]
        for name, player in self.players.items():
            nets = self.method.players[name]
            if not player.done:
                if name not in resting:
                    yield (
                        f"player {name} never played in {self.index} steps; yield Update({name!r}, ...), give "
                        "`options` under which it plays early, or say that it is `resting`"
                    )
                continue
            for (who, loss), hit in self.reached.items():
                if who == name and not hit:
                    yield (
                        f"loss {loss!r} of player {name} has no gradient to its networks ({', '.join(nets)}); "
                        "yield it in the Update of the player that it trains, do not detach what it depends on, "
                        "or give it the weight 0"
                    )
            for net in nets:
                trainable = any(p.requires_grad for p in self.nets[net].parameters())
                if trainable and net not in self.fed:
                    yield (
                        f"network {net!r} of player {name} gets no gradient from any of its losses; "
                        "use it in a loss, or take it out of `players`"
                    )

    # ------------------------------------------------------------------------------------------ inside one step

    def _next(self, game: Iterator[Update]) -> Update | None:
        if not self.checking:
            return super()._next(game)
        mine = [(n, p) for player in self.method.players.values() for n in player for p in self.nets[n].parameters()]
        before = [(n, p, p.detach().clone()) for n, p in mine if id(p) not in self._moved]
        update = super()._next(game)
        for name, param, was in before:
            if not torch.equal(param.detach(), was):
                self._fault(
                    "game",
                    f"step() changes the weights of network {name!r} itself; yield its losses in an Update: "
                    "only the player that has just moved may be constrained",
                )
        for name, param in mine:
            if param.grad is not None:
                self._fault("game", f"step() calls backward() into network {name!r} itself; yield the loss instead")
                param.grad = None
        return update

    def _total(self, player: Player, update: Update) -> Tensor:
        total = super()._total(player, update)
        for name, value in update.losses.items():
            self.values.append((self.index, player.name, name, float(value.detach())))
        if self.checking:
            self._check_update(player, update)
        return total

    def _update(self, player: Player, finite: Tensor, epoch: int) -> None:
        super()._update(player, finite, epoch)
        self._moved = {id(p) for p in player.params}
        if self.checking:
            for param in player.params:
                param.grad = None

    def _check_update(self, player: Player, update: Update) -> None:
        for name, value in update.losses.items():
            if not value.isfinite():
                self._fault(
                    "game",
                    f"loss {name!r} is {value.item()} at step {self.index}; keep logarithms, roots and divisions "
                    "away from 0",
                )
            if self.method.weights[name] != 0:
                slopes = self._slopes(player, value)
                hit = {
                    id(p) for p, slope in zip(player.params, slopes, strict=True) if slope is not None and slope.any()
                }
                self.reached[player.name, name] = self.reached.get((player.name, name), False) or bool(hit)
                for net in self.nets:
                    if not hit.isdisjoint(map(id, self.nets[net].parameters())):
                        self.fed.add(net)
        declared = self.method.views
        for view, shown in update.views.items():
            who = f"view {view!r} of player {player.name}"
            if not isinstance(shown, Tensor | Callable):
                self._fault("game", f"{who} is {type(shown).__name__}; publish tensors or functions")
            if declared is not None and view not in declared.get(player.name, ()):
                self._fault("game", f"{who} is not in `views` of the class; add it there, or publish it under its name")

    def _slopes(self, player: Player, value: Tensor) -> Sequence[Tensor | None]:
        if not value.requires_grad:
            return [None] * len(player.params)
        try:
            return torch.autograd.grad(value, player.params, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            self._explain_reuse(error)
            raise

    def _fault(self, check: str, sentence: str) -> None:
        self.faults[check].append(sentence)


def _copy(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {side: images.clone() for side, images in batch.items()}


def state_of(holder: Any) -> dict[str, Any]:
    """The attributes of an object, and those of its class that hold data, as values that can be compared later."""
    state = {f"self.{name}": frozen(value) for name, value in vars(holder).items()}
    for cls in type(holder).__mro__:
        data = {n: v for n, v in vars(cls).items() if isinstance(v, int | float | str | list | dict | set)}
        state |= {f"{cls.__name__}.{n}": frozen(v) for n, v in data.items() if not n.startswith("__")}
    return state


def changes(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One sentence per attribute that is new, gone or different."""
    names = [n for n in {**before, **after} if before.get(n, _ABSENT) != after.get(n, _ABSENT)]
    return [
        f"{where} changes {name}; keep state in buffers of a parameter-free module that networks() returns, "
        "and count with `step.index` and `step.updates`"
        for name in names
    ]


_ABSENT = object()


def frozen(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """A value as nested tuples that compare by content: tensors by their numbers, objects by their attributes."""
    if id(value) in seen:
        return "again"
    seen = (*seen, id(value))
    if isinstance(value, Tensor):
        return ("tensor", tuple(value.shape), str(value.dtype), value.detach().cpu().flatten().tolist())
    if isinstance(value, Mapping):
        return ("mapping", tuple((repr(k), frozen(v, seen)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return (type(value).__name__, tuple(frozen(v, seen) for v in value))
    if isinstance(value, set | frozenset):
        return ("set", tuple(sorted(map(repr, value))))
    if isinstance(value, nn.Module):
        return ("module", frozen(dict(value.state_dict()), seen))
    if isinstance(value, BaseModel) or (hasattr(value, "__dict__") and not callable(value)):
        return (type(value).__qualname__, frozen(vars(value), seen))
    return value if isinstance(value, int | float | str | bytes | bool | None) else id(value)
