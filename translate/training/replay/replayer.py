"""Steps as a recording: a few are computed as they come, one is recorded, and all further ones are replayed.

A replay does the same on the same memory. So the batch is copied to where the recorded one lay, the number of the step
and the learning rates are tensors, and meters are zeroed in place. Random numbers follow from the generators' seeds,
which are set before each step. What Python decides anew in each step cannot be recorded: then steps stay as they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.training.numerics.stepping import reads_flag
from translate.training.replay.graph import CudaGraph, Graph, beside
from translate.training.replay.recording import Game, NotRecordable, Recording, Still

DEVICES = ("cuda",)
WARM_UP = 3
"""Steps that are computed before one is recorded: optimizers make their state, libraries choose kernels."""
OVERFLOWS = 16
"""Further ones, since in fp16 updates are left out until the factor of the losses, which begins at 2^16, fits."""

Batch = Mapping[str, Tensor]


class Replayer:
    """Records a step of an engine and replays it. `failed` says why there is none, once that is known."""

    def __init__(self, engine: Game, graph: Callable[[torch.device], Graph] = CudaGraph) -> None:
        self.engine = engine
        self.failed = obstacle(engine)
        self.told = False
        self._make = graph
        self._graph: Graph | None = None
        self._recording: Recording | None = None
        self._inputs: dict[str, Tensor] = {}
        self._steps = 0

    def play(self, batches: list[Batch], step: Any, epoch: int) -> bool:
        """Does the work of a step, if it can; else returns False, and has done nothing.

        The first steps are computed as they come, on the side.
        """
        if len(batches) != 1:
            self.failed = self.failed or "several batches make a step (`accumulate`)"
        if self.failed:
            return False
        (batch,) = batches
        if self._graph is None and self._steps < WARM_UP + OVERFLOWS * self._makes_state():
            self._warm_up(batch, step, epoch)
            return True
        if self._graph is None and not self._record(batch, epoch):
            return False
        if not self._takes(batch):  # images of another size
            return False
        assert self._graph is not None
        assert self._recording is not None
        for side, values in batch.items():
            self._inputs[side].copy_(values, non_blocking=True)
        self._recording.set(self.engine.index, epoch)
        with self.engine.clock.part("replay"):
            self._graph.replay()
        return True

    def _makes_state(self) -> bool:
        """Whether an optimizer of a player that moves has not made what it keeps."""
        moving = [player for player in self.engine.players.values() if player.done]
        return any(reads_flag(player.optimizer, self.engine.device) for player in moving)

    def _warm_up(self, batch: Batch, step: Any, epoch: int) -> None:
        before = _generators()
        with beside(self.engine.device):
            self.engine.play([batch], step, epoch)
        self._steps += 1
        if self.engine.device.type != "cpu" and _generators() != before:
            self.failed = "its method draws random numbers outside of the GPU"

    def _record(self, batch: Batch, epoch: int) -> bool:
        """Records a step, which does nothing; returns whether that went well."""
        engine = self.engine
        self._inputs = {side: values.clone() for side, values in batch.items()}
        recording = Recording(engine.device, engine.meters.wide)
        done = {name: player.done for name, player in engine.players.items()}
        known = engine.meters.names()
        graph = self._make(engine.device)
        engine.recording = recording
        try:
            graph.record(lambda: engine.play([self._inputs], Still(engine.rng), epoch), engine.rng)
            if new := engine.meters.names() - known:  # each replay would zero what was made in it
                raise NotRecordable(f"no step before it has {', '.join(map(repr, sorted(new)))}")
            self._graph, self._recording = graph, recording
        except Exception as error:
            # Nothing was computed: the step is made as it comes, and so are all further ones.
            self.failed = _reason(error)
            engine.meters.forget(engine.meters.names() - known)  # their memory is that of the recording
        finally:
            engine.recording = None
            for name, player in engine.players.items():
                player.done = done[name]
        return self._graph is not None

    def _takes(self, batch: Batch) -> bool:
        return {side: _look(v) for side, v in batch.items()} == {side: _look(v) for side, v in self._inputs.items()}


def obstacle(engine: Game) -> str:
    """The reason why the steps of an engine are not recorded, as far as it shows beforehand; empty for none."""
    if engine.device.type not in DEVICES:
        return f"only CUDA records steps, not {engine.device.type}"
    if engine.world.shared:
        return "several processes train together"
    if engine.critic_augment is not None:
        return "`critic_augment` draws for each step"
    if any(bound.every > 1 for bound in engine.extra):
        return "an extra loss counts updates"
    return ""


def _reason(error: BaseException) -> str:
    """What began it: the end of a recording that failed fails as well."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NotRecordable):
        cause = cause.__context__
    return str(cause or error).partition("\n")[0] or type(error).__name__


def _look(values: Tensor) -> tuple[Any, ...]:
    return tuple(values.shape), values.dtype, values.stride()


def _generators() -> tuple[Any, ...]:
    """The states of the generators of this process, from which a recorded step cannot draw."""
    numpy: Any = np.random.get_state()
    return random.getstate(), numpy[1].tobytes(), numpy[2], torch.get_rng_state().numpy().tobytes()
