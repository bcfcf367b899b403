"""Networks that `torch.compile` turns into kernels of their own, and the way back where it cannot."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from translate.distributed.world import LostError
from translate.errors import StageError
from translate.training.replay.recording import Game

TRIED = 3
"""Steps whose state is kept until they are over: a compiler fails at the first ones, or at a player's first turn."""


class Compiled:
    """Computes the steps of an engine with compiled networks. `failed` says why not, once that is known."""

    def __init__(self, engine: Game, backend: str | Callable[..., Any] = "inductor") -> None:
        self.engine, self.backend = engine, backend
        # the hook in front of critics decides in Python what each call sees
        self.failed = "`critic_augment` decides in Python" if engine.critic_augment is not None else ""
        self.told = False
        self._steps = 0

    def play(self, batches: list[Mapping[str, Tensor]], step: Any, epoch: int) -> bool:
        """Does the work of a step, if it can; else returns False, and has changed nothing."""
        if self.failed:
            return False
        if self._steps >= TRIED:
            self.engine.play(batches, step, epoch)
            return True
        if not self._steps:
            compile_networks(self.engine, self.backend)
        before = _State(self.engine)
        try:
            self.engine.play(batches, step, epoch)
        except LostError:
            raise
        except Exception as error:
            self.failed = str(error).strip().partition("\n")[0] or type(error).__name__
            if not self.engine.world.all_failed(f"compiled step {self._steps}"):
                raise StageError(
                    f"compiled networks failed in one process alone ({self.failed}), for which the others wait: use "
                    "`fast: {}`, which compiles nothing"
                ) from error
            plain_networks(self.engine)
            before.put_back(self.engine)
            return False
        self._steps += 1
        return True


def compile_networks(engine: Game, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compiles the calls of all networks, in place: names of weights, hooks and copies stay what they are."""
    for net in engine.nets.values():
        net._compiled_call_impl = torch.compile(_call_of(net), backend=backend, dynamic=False)


def _call_of(net: nn.Module) -> Callable[..., Any]:
    """A function of this file: `net.compile()` compiles nothing of a network that is a plain `nn.Sequential`, whose
    code torch's compiler takes for its own."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return net._call_impl(*args, **kwargs)  # type: ignore[no-untyped-call]

    return call


def plain_networks(engine: Game) -> None:
    """Takes that back."""
    for net in engine.nets.values():
        net._compiled_call_impl = None


class _State:
    """What a step changes, as it was."""

    def __init__(self, engine: Game) -> None:
        self.nets = {name: _copies(net.state_dict()) for name, net in engine.nets.items()}
        self.optimizers = {name: copy.deepcopy(p.optimizer.state_dict()) for name, p in engine.players.items()}
        self.done = {name: player.done for name, player in engine.players.items()}
        self.sums, self.bad = _copies(engine.meters.sums), _copies(engine.meters.bad)
        self.scales = {name: _copies(scale.state()) for name, scale in engine.scales.items()}
        self.generators = random.getstate(), np.random.get_state(), torch.get_rng_state(), engine.rng.get_state()
        self.on_device = torch.cuda.get_rng_state(engine.device) if engine.device.type == "cuda" else None

    def put_back(self, engine: Game) -> None:
        for name, net in engine.nets.items():
            with torch.no_grad():
                for key, value in net.state_dict().items():
                    value.copy_(self.nets[name][key])
        for name, player in engine.players.items():
            player.optimizer.load_state_dict(self.optimizers[name])
            player.done = self.done[name]
        engine.meters.sums, engine.meters.bad = self.sums, self.bad
        for name, scale in engine.scales.items():
            scale.restore(self.scales[name])
        python, numpy, cpu, own = self.generators
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        engine.rng.set_state(own)
        if self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, engine.device)


def _copies(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in values.items()}
