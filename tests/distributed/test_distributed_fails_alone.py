"""A process that fails alone in a step that is tried ends the training: the others are told, and wait in no call."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from forked import forked
from meeting import free_port
from shared_games import IMAGES, SIZE, engine_of

from translate.distributed.world import join
from translate.errors import TranslateError
from translate.plugins import Registry
from translate.training.engine import Engine
from translate.training.fast import tuner
from translate.training.fast.tuner import Tuner
from translate.training.replay.compiled import Compiled
from translate.training.saving.state import TrainingState

WORLD, COMPILED = "translate.distributed.world", "translate.training.replay.compiled"
SOON = 30
"""Seconds within which both have ended; without a word they would wait for a day."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("not enough memory\nand more")


def trial(engine: Engine, batches: Any, fails: bool) -> str:
    """A trial whose first other way breaks here; returns what was chosen."""
    real, plain = tuner.measured, engine.choice.variant
    engine.choice.settled = False

    def measured(*args: Any) -> float:
        return broken() if fails and engine.choice.variant != plain else real(*args)

    settings = patch.multiple(tuner, measured=measured, LEAST_STEPS=1, LEAST_SECONDS=0.0, SHARE=1e6, ROUNDS=1)
    with settings, patch.object(tuner, "candidates", lambda *_, **__: iter([replace(plain, merge=not plain.merge)])):
        Tuner(TrainingState(engine), 10, lambda text: None, lambda: False).choose(batches, 0)
    return "plain" if engine.choice.variant == plain else "other"


def compiled(engine: Engine, batches: Any, fails: bool) -> str:
    """A step with compiled networks, of which one breaks here; returns what became of it."""
    engine.stepper = Compiled(engine)

    def compile_networks(*_: Any) -> None:
        if fails:
            engine.nets.gen._compiled_call_impl = broken

    with patch(f"{COMPILED}.compile_networks", compile_networks):
        engine.step(batches, 0)
    return engine.stepper.failed


def play(rank: int, port: int, way: Any, fails: bool, folder: Path, registry: Registry) -> None:
    """One of two processes."""
    place = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    world = join()
    engine = engine_of("pix2pix", registry, world)
    images = {side: torch.zeros(IMAGES, 3, SIZE, SIZE, dtype=torch.float64) for side in engine.method.spec.sides}
    try:
        end = way(engine, [images], fails)
    except TranslateError as error:
        end = f"{type(error).__name__}: {error}"
    (folder / f"{rank}.json").write_text(json.dumps(end))
    if "Error" not in end:
        world.part()


def ends(way: Any, fails: tuple[int, ...], folder: Path, registry: Registry) -> list[str]:
    """What both processes came to, of which some fail."""
    port = free_port()
    with patch(f"{WORLD}._ALIKE", 20.0 if len(fails) == 2 else 0.5):
        children = [forked(lambda rank=rank: play(rank, port, way, rank in fails, folder, registry)) for rank in (0, 1)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("alone", [0, 1])
@pytest.mark.parametrize("way", [trial, compiled], ids=["trial", "compiled"])
def test_one_that_fails_alone_says_why_and_the_other_ends(
    way: Any, alone: int, tmp_path: Path, registry: Registry
) -> None:
    began = time.monotonic()
    said = ends(way, (alone,), tmp_path, registry)
    assert said[alone].startswith("StageError: ") and "failed in one process alone (not enough memory)" in said[alone]
    assert said[1 - alone].startswith("LostError: another process of this training has ended")
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize(("way", "end"), [(trial, "plain"), (compiled, "not enough memory")])
def test_both_that_fail_alike_go_on(way: Any, end: str, tmp_path: Path, registry: Registry) -> None:
    assert ends(way, (0, 1), tmp_path, registry) == [end, end]
