"""The conformance of a method as a game: its networks, its training steps, its restart."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from translate.contracts import Config, Method
from translate.plugins import Registry
from translate.testing.component import ComponentChecks
from translate.testing.harness import SEED, MethodHarness
from translate.testing.instrumented_engine import InstrumentedEngine, changes, frozen, state_of
from translate.testing.report import check
from translate.training.saving import checkpoint
from translate.training.saving.state import TrainingState

FEW_STEPS, MANY_STEPS, PATIENCE = 12, 200, 20.0
"""A game is played until every player has moved twice; at most so many steps, and after a few only for so many seconds
of the processor."""


class GameChecks(ComponentChecks):
    """The checks of networks and training; those of training are left out where the method has no players."""

    kind = "methods"

    def __init__(
        self,
        cls: type[Method[Any]],
        *,
        size: int = 32,
        losses: Mapping[str, float] | None = None,
        registry: Registry | None = None,
        resting: Collection[str] = (),
        **common: Any,
    ) -> None:
        super().__init__(cls, **common)
        self.resting = resting or (() if common.get("options") else getattr(cls, "resting", ()))
        self.arguments: dict[str, Any] = {
            "options": self.given,
            "size": size,
            "losses": losses,
            "registry": registry or Registry(),
        }

    def applies(self, name: str) -> bool:
        trains = name in ("play", "stateless", "resume", "bf16")
        return not trains or bool(getattr(self.cls, "players", None))

    def config(self) -> Config:
        return MethodHarness(self.cls, **self.arguments).config()

    @cached_property
    def harness(self) -> MethodHarness:
        harness = MethodHarness(self.cls, **self.arguments)
        harness.fit()
        return harness

    # ----------------------------------------------------------------------------------------- before any step

    @check("builds fresh networks", "options")
    def networks(self) -> Iterator[str]:
        harness = MethodHarness(self.cls, **self.arguments)
        method = harness.method()
        before = state_of(method)
        first, again, other = harness.built(method), harness.built(method), harness.built(method, SEED + 1)
        yield from changes("networks()", before, state_of(method))
        yield from _network_faults(method, first)
        yield from _shared(first, again)
        for name in first:
            one, two = (frozen(dict(nets[name].state_dict())) for nets in (first, again))
            if one != two:
                yield (
                    f"network {name!r} is initialised differently each time under one seed; "
                    "draw its weights from torch's global generator, which the pipeline seeds"
                )
        played = [n for members in self.cls.players.values() for n in members]
        if played and all(frozen(dict(first[n].state_dict())) == frozen(dict(other[n].state_dict())) for n in played):
            yield "networks() builds the same weights under every seed; do not reseed torch in networks()"

    # -------------------------------------------------------------------------------------------- the training

    @cached_property
    def played(self) -> InstrumentedEngine:
        """A training of a few steps, until every player has moved twice."""
        engine = self.harness.engine(checking=True)
        awaited = [player for name, player in engine.players.items() if name not in self.resting]
        began = time.process_time()
        while engine.index < MANY_STEPS and any(player.done < 2 for player in awaited):
            if engine.index >= FEW_STEPS and time.process_time() - began > PATIENCE:
                break
            self.harness.play(engine, 1)
        return engine

    @property
    def few(self) -> int:
        """Steps for the checks that play again."""
        return min(max(2, self.played.index), FEW_STEPS)

    @check("plays by the rules: losses, gradients, views", "networks")
    def play(self) -> Iterator[str]:
        yield from self.played.summary(self.resting)

    @check("keeps no state of its own", "networks")
    def stateless(self) -> Iterator[str]:
        for name, value in vars(self.harness.method()).items():
            if isinstance(value, nn.Module):
                yield f"self.{name} is a network; return it from networks() and use the one in `nets`"
        if not self.played.faults["game"]:
            yield from self.played.faults["state"]

    @check("resumes exactly", "play")
    def resume(self) -> Iterator[str]:
        before, after = 2, self.few
        whole, restarted = self.harness.engine(), self.harness.engine(seed=SEED + 1)
        with tempfile.TemporaryDirectory() as folder:
            self.harness.play(whole, before)
            saved = checkpoint.save(Path(folder), TrainingState(whole))
            self.harness.play(whole, after)
            checkpoint.restore(saved, TrainingState(restarted))
            self.harness.play(restarted, after)
        expected = [row for row in whole.values if row[0] >= before]
        for (step, player, loss, was), (*place, now) in zip(expected, restarted.values, strict=False):
            if place != [step, player, loss] or not _equal(was, now):
                there = ", ".join(map(str, place))
                yield (
                    f"loss {loss!r} of player {player} is {was:.6g} at step {step}, and after a restart at step "
                    f"{before} {now:.6g} ({there}); {_HIDDEN}"
                )
                return
        for name, net in whole.nets.items():
            if frozen(dict(net.state_dict())) != frozen(dict(restarted.nets[name].state_dict())):
                yield f"network {name!r} differs after a restart; {_HIDDEN}"

    @check("trains in bf16", "play")
    def bf16(self) -> Iterator[str]:
        engine = self.harness.engine(precision="bf16", checking=True)
        self.harness.play(engine, self.few)
        yield from engine.summary([*engine.players])


_HIDDEN = (
    "state lies in parameters, buffers and `step` alone: no counters in Python, and draws from `step.rng` or torch's "
    "global generator"
)


def _network_faults(method: Method[Any], nets: Mapping[str, nn.Module]) -> Iterator[str]:
    for player, members in method.players.items():
        for missing in sorted({*members} - {*nets}):
            yield f"player {player} names network {missing!r}, but networks() returns {', '.join(nets)}"
    for name, net in nets.items():
        if not isinstance(net, nn.Module):
            yield f"network {name!r} is a {type(net).__name__}, not a torch.nn.Module"
            continue
        tensors = dict(net.state_dict())
        if wrong := [key for key, t in tensors.items() if t.device.type != "cpu"]:
            yield f"network {name!r} has {wrong[0]} on {tensors[wrong[0]].device}; build it on the CPU"
        if wrong := [key for key, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]:
            yield f"network {name!r} has {wrong[0]} with values that are not finite; initialise it"


def _shared(first: Mapping[str, nn.Module], again: Mapping[str, nn.Module]) -> Iterator[str]:
    old = {t.data_ptr() for net in first.values() for t in net.state_dict().values() if t.numel()}
    for name, net in again.items():
        tensors = [t for t in net.state_dict().values() if t.numel()]
        if net is first.get(name) or any(t.data_ptr() in old for t in tensors):
            yield f"network {name!r} is the same in two calls of networks(); build it anew in each call"


def _equal(was: float, now: float) -> bool:
    return was == now or (math.isnan(was) and math.isnan(now))
