"""Whether a training goes on from the checkpoint before one that is damaged, whatever the damage is.

    python tests/benchmarks/damage.py --count 500 --seed 0 --json

Trains tiny networks, with a checkpoint after every second step. Then, `--count` times: one file of the newest
checkpoint is cut at a random place, or has a random bit flipped, and the training is resumed. The damage has to be
refused and named with the file, the damaged checkpoint has to be in `damaged`, and the steps from the one before have
to end in the bits of the undisturbed training. The exit code is 1 where any does not.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from translate.console import PlainConsole
from translate.contracts import DataSpec, Direction, Method, NoOptions, Update
from translate.distributed.world import World
from translate.plugins import Registry
from translate.storage import checkpoint as stored
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players
from translate.training.saving import checkpoint
from translate.training.saving.damaged import newest_whole
from translate.training.saving.state import TrainingState

STEPS, EVERY = 6, 2
FILES = (stored.TENSORS, stored.STATE, stored.MANIFEST)


class Tiny(Method[NoOptions]):
    """Two players with a layer each, and a running average."""

    name, data = "tiny", "unpaired"
    players = {"D": ("critic",), "G": ("gen",)}
    losses = {"critic": 1.0, "l1": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)), "critic": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": nets.critic(fake.detach()).square().mean()})
        yield Update("G", {"l1": (fake - batch["b"]).abs().mean() - nets.critic(fake).mean()})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        output: Tensor = nets["gen"](inputs["image"])
        return output


def new_state() -> TrainingState:
    """A training before its first step."""
    method = Tiny(NoOptions(), DataSpec("unpaired", {"a": 3, "b": 3}, (8, 8)), Tiny.losses)
    config = TrainConfig.model_validate({"method": "tiny"})
    torch.manual_seed(0)
    nets = {name: net.train() for name, net in method.networks(None).items()}
    players = make_players("tiny", method.players, nets, config, Registry([]), Length.of(config, 1), fused=False)
    return TrainingState(Engine(method, nets, players, device="cpu", precision="fp32", seed=7, merge=False))


def train(state: TrainingState, folder: Path | None = None) -> dict[str, bytes]:
    """Takes the steps that are left, with checkpoints where a folder is given; returns the bits of the end."""
    while state.step < STEPS:
        rng = torch.Generator().manual_seed(state.step)
        state.engine.step([{side: torch.rand(2, 3, 8, 8, generator=rng) * 2 - 1 for side in "ab"}], 0)
        if folder is not None and state.step % EVERY == 0:
            checkpoint.save(folder, state, STEPS)
    shot = checkpoint.snapshot(state)
    assert shot is not None
    bits = {name: value.numpy().tobytes() for name, value in shot.tensors.items()}
    return {**bits, "values": json.dumps(dict(shot.values), sort_keys=True).encode()}


class Console(PlainConsole):
    """Keeps its warnings."""

    def __init__(self) -> None:
        super().__init__(sys.stderr, sys.stderr)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Outcome:
    """What became of the damages: how many of each kind, and in words those that went wrong."""

    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def damage(path: Path, chance: random.Random) -> str:
    """Cuts a file, which may leave nothing of it, or flips one of its bits; returns which."""
    content = bytearray(path.read_bytes())
    if chance.random() < 0.5:
        # a line feed at the end of JSON says nothing: without it the file is whole
        path.write_bytes(content[: chance.randrange(len(content.rstrip(b"\n")))])
        return "cut"
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return "flipped"


def refuse(folder: Path, file: str) -> list[str]:
    """Looks for the checkpoint from which a training with a damaged file in its newest one goes on; returns what is
    not as it should be."""
    console, wrong = Console(), []
    before, last = stored.folders(folder)[-2:]
    used = newest_whole(folder, World(), console)
    if used != before:
        return [f"{used} was used"]
    said = console.warnings[0] if len(console.warnings) == 1 else ""
    if f"{last.name} is damaged: " not in said or file not in said:
        wrong.append(f"said {console.warnings}")
    if last.exists() or not (folder / stored.DAMAGED / last.name / file).is_file():
        wrong.append("was not set aside")
    return wrong


def resume(folder: Path, state: TrainingState, expected: dict[str, bytes]) -> list[str]:
    """Goes on from the newest checkpoint in the place of whatever state there is; returns what is not as it should
    be."""
    checkpoint.restore(stored.folders(folder)[-1], state)
    return [] if train(state) == expected else ["ends in other bits"]


def check(count: int, seed: int, home: Path, resumed: int = 1) -> Outcome:
    """Damages so many copies of one training's checkpoints, in the folder `home`, and lets every `resumed`-th one go
    on to its end."""
    chance, outcome, whole, state = random.Random(seed), Outcome(), home / "whole", new_state()
    expected = train(state, whole)
    for number in range(count):
        folder, file = home / str(number), chance.choice(FILES)
        shutil.copytree(whole, folder)
        kind = f"{file} {damage(stored.folders(folder)[-1] / file, chance)}"
        outcome.kinds[kind] += 1
        wrong = refuse(folder, file)
        if not wrong and number % resumed == 0:
            wrong = resume(folder, state, expected)
        outcome.wrong += [f"{number}, {kind}: {text}" for text in wrong]
        shutil.rmtree(folder)
    return outcome


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums of one order, whatever else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="Damages.")
    parser.add_argument("--seed", type=int, default=0, help="Of the places that are damaged.")
    parser.add_argument("--json", action="store_true", help="One line of JSON instead of a table.")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with one_thread(), tempfile.TemporaryDirectory() as home:
        outcome = check(given.count, given.seed, Path(home))
    seconds = round(time.monotonic() - began, 1)
    refused = given.count - len({text.split(",")[0] for text in outcome.wrong})
    if given.json:
        result = {"count": given.count, "refused": refused, "kinds": outcome.kinds, "wrong": outcome.wrong}
        print(json.dumps({**result, "seconds": seconds}))
    else:
        for kind, number in sorted(outcome.kinds.items()):
            print(f"{kind:32} {number:5}")
        for text in outcome.wrong:
            print(text)
        print(f"{given.count} damages: {refused} refused, the checkpoint before used, equal in the end ({seconds} s)")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
