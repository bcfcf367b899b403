"""Small trainings of several methods in forked processes that are killed, or asked to stop, and started again.

All of them are the real train stage on real files. The process that forks has everything imported and no threads, so
that a start costs milliseconds.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from forked import forked

from translate.console import PlainConsole
from translate.contracts import SIDES, Artifact, StageContext
from translate.data.dataset import write_index
from translate.data.loading.samples import Samples
from translate.imaging.io import write
from translate.plugins import Registry
from translate.signals import stopping
from translate.stages.train import TrainStage
from translate.storage import checkpoint as files
from translate.training.config import TrainConfig
from translate.training.saving import checkpoint
from translate.training.validating.validations import Validations

SIZE, STEPS = 16, 6
_CRITIC = {"uses": "patchgan", "filters": 2, "layers": 1}
_UNET = {"uses": "unet", "levels": 3, "filters": 2}
_RESNET = {"uses": "resnet", "blocks": 1, "filters": 2}
METHODS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "pix2pix": ("pix2pix", {"generator": _UNET, "discriminator": {**_CRITIC, "spectral": True}}),
    "cyclegan": ("cyclegan", {"generator": _RESNET, "discriminator": _CRITIC, "pool": 3}),
    "genegan": ("genegan", {"width": 4}),
    "wgan-gp": ("pix2pix", {"generator": _UNET, "discriminator": _CRITIC, "norm": "instance", "objective": "wgan-gp"}),
}
OUTSIDE = 131
"""For Ctrl-C before the first step of a training, or behind its last one: the command ends with 130 there."""
CODES = {signal.SIGTERM: (75,), signal.SIGUSR1: (75,), signal.SIGINT: (75, OUTSIDE)}
WITHIN: Mapping[str, tuple[Any, str]] = {
    "validation": (Validations, "validate"),
    "save": (checkpoint, "write"),
    "data": (Samples, "__getitem__"),
}
"""What a training does when a signal comes, where that is not any moment."""
PLACES = ("any", *WITHIN)
OVER = 1.1
"""Share of the time of a whole training within which a kill comes."""


@dataclass(frozen=True)
class Case:
    method: str
    workers: int
    precision: str

    def __str__(self) -> str:
        return f"{self.method}, {self.workers} workers, {self.precision}"

    def config(self) -> TrainConfig:
        name, options = METHODS[self.method]
        return TrainConfig.model_validate(
            {
                "method": name,
                "options": options,
                "augment": [{"uses": "horizontal-flip", "p": 0.5}],
                "steps": STEPS,
                "batch_size": 2,
                "accumulate": 2 if self.method == "wgan-gp" else 1,
                "ema": 0.9,
                "clip": 1.0 if self.method == "genegan" else None,
                "precision": self.precision,
                "fast": {},
                "log_every": 1,
                "workers": self.workers,
                "checkpoint": {"steps": 2},
                "validate": {
                    "every": {"steps": 4},
                    "metrics": [] if name == "genegan" else ["l1"],
                    "images": 1,
                    "samples": 1,
                },
            }
        )


class Nobody:
    """A tracker that records nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


class UnexpectedEndError(Exception):
    """A training that did not end as it should."""


class Trainings:
    """Trainings in folders below `folder`, each case on its own images."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.random, self.registry = folder, random.Random(seed), Registry()
        self.data: dict[str, Artifact] = {}
        self.ends: dict[Case, tuple[dict[str, bytes], float]] = {}
        torch.set_num_threads(1)

    def play(self, folder: Path, case: Case) -> None:
        """Trains in this process, from the checkpoint in the folder where there is one. Steps go to a file."""
        config = case.config()
        folder.mkdir(parents=True, exist_ok=True)
        steps = folder / "steps"

        def emit(event: str, **facts: Any) -> None:
            if event == "step_finished":
                steps.write_text(str(facts["step"]))

        console = PlainConsole(io.StringIO(), io.StringIO())
        stage = TrainStage(config, self.registry, 5)
        data = {"data": self.images(config.method)}
        context = StageContext("p", "train", folder, data, 5, "cpu", Nobody(), console, self.registry, emit)
        with stopping():
            stage.run(context)

    def images(self, method: str) -> Artifact:
        """A dataset of random images for a method."""
        kind = self.registry.get("methods", method).data
        if kind not in self.data:
            self.data[kind] = _images(self.folder / kind, kind)
        return self.data[kind]

    def end(self, case: Case) -> tuple[dict[str, bytes], float]:
        """What an undisturbed training ends with, and its seconds."""
        if case not in self.ends:
            self.play(self.folder / "warm" / case.method, Case(case.method, 0, case.precision))
            whole = self.folder / "whole" / str(case)
            began = time.monotonic()
            self.wait_for(forked(lambda: self.play(whole, case)), 0)
            self.ends[case] = result(whole), time.monotonic() - began
        return self.ends[case]

    def wait_for(self, child: int, *codes: int) -> int:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in codes:
            raise UnexpectedEndError(f"exit code {code} in place of {codes}")
        return code

    # ----------------------------------------------------------------------------------------------------- kills

    def killed(self, case: Case, most: int) -> tuple[int, list[str]]:
        """One training under at most so many kills; returns their number, and in which files its end differs."""
        expected, seconds = self.end(case)
        folder, kills = self._new(), 0
        while True:
            child = forked(lambda: self.play(folder, case))
            if kills == most:
                self.wait_for(child, 0)
                break
            began = time.monotonic()
            wait_at_most(self.random.uniform(0, OVER * seconds), child)
            os.kill(child, signal.SIGKILL)
            if self.wait_for(child, 0, -signal.SIGKILL) == 0:
                # on a machine that does other things as well the first one may have taken long
                self.ends[case] = expected, min(seconds, time.monotonic() - began) if kills == 0 else seconds
                break
            kills += 1
        different = differences(expected, result(folder))
        shutil.rmtree(folder)
        return kills, different

    # --------------------------------------------------------------------------------------------------- signals

    def signalled(self, case: Case, most: int) -> tuple[int, list[str]]:
        """One training under at most so many signals. Each has to end it with the right code and leave a checkpoint of
        its last step; returns their number, and what was wrong."""
        expected, seconds = self.end(case)
        folder, signals, wrong = self._new(), 0, list[str]()
        while signals < most:
            number, place = self.random.choice([*CODES]), self.random.choice(PLACES)
            nth = self.random.randint(1, 3) if place == "data" else 1
            # what comes before the training can hear it waits
            signal.pthread_sigmask(signal.SIG_BLOCK, CODES)
            child = forked(lambda number=number, place=place, nth=nth: self._heard(folder, case, number, place, nth))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, CODES)
            if place == "any":
                wait_at_most(self.random.uniform(0, OVER * seconds), child)
                os.kill(child, number)
            code = self.wait_for(child, *range(-64, 256))
            if code == 0:  # it came after the end, or its moment never did
                break
            signals += 1
            wrong += [f"{number.name} in {place}: {fault}" for fault in self._faults(folder, number, code)]
        else:
            self.wait_for(forked(lambda: self.play(folder, case)), 0)
        wrong += differences(expected, result(folder))
        shutil.rmtree(folder)
        return signals, wrong

    def _heard(self, folder: Path, case: Case, number: int, place: str, nth: int) -> None:
        """Trains, and sends a signal to itself in the n-th call of what `place` names."""
        owner, name = WITHIN.get(place, (None, ""))
        change = patch.object(owner, name, _sending(getattr(owner, name), number, nth)) if owner else nullcontext()
        try:
            with stopping(), change, _hearing():
                self.play(folder, case)
        except KeyboardInterrupt:
            raise SystemExit(OUTSIDE) from None

    def _faults(self, folder: Path, number: int, code: int) -> list[str]:
        faults = [] if code in CODES[signal.Signals(number)] else [f"exit code {code}"]
        done = int((folder / "steps").read_text()) if (folder / "steps").exists() else 0
        newest = files.newest(folder / files.FOLDER)
        step = int(newest.folder.name) if newest.folder else 0
        if newest.damaged or step != done:
            faults.append(f"the newest checkpoint is of step {step}, and {done} were done")
        return faults

    def _new(self) -> Path:
        return self.folder / f"{self.random.getrandbits(48):x}"


@contextmanager
def _hearing() -> Iterator[None]:
    """Lets signals come within it. Before and after nobody is there who would hear them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CODES)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, CODES)


def _sending(function: Callable[..., Any], number: int, nth: int) -> Callable[..., Any]:
    calls = [0]

    def call(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            os.kill(os.getpid(), number)
        return function(*args, **kwargs)

    return call


def wait_at_most(seconds: float, child: int) -> None:
    """Waits, unless the process ends before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.005)


def result(folder: Path) -> dict[str, bytes]:
    """The hashes of the last checkpoint, and the model."""
    last = folder / files.FOLDER / files.name_of(STEPS)
    model = folder / "translator" / "model.safetensors"
    return {"checkpoint": (last / files.MANIFEST).read_bytes(), "model": model.read_bytes()}


def differences(expected: Mapping[str, bytes], given: Mapping[str, bytes]) -> list[str]:
    return [f"the {name} has other bits" for name, content in expected.items() if given[name] != content]


def _images(folder: Path, kind: str) -> Artifact:
    draw = np.random.default_rng(0)
    sides = SIDES[kind]
    keys: dict[str, dict[str, list[str]]] = {}
    for split, count in (("train", 7), ("val", 2)):
        keys[split] = {side: [f"{n:02d}" for n in range(count)] for side in sides}
        for side, names in keys[split].items():
            (folder / split / side).mkdir(parents=True)
            for name in names:
                write(folder / split / side / f"{name}.png", draw.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8))
    facts = {
        "kind": kind,
        "splits": ["train", "val"],
        "pairs": ["train", "val"] if kind == "paired" else [],
        "classes": [],
        "palette": [],
        "channels": dict.fromkeys(sides, 3),
        "size": [SIZE, SIZE],
        "bits": 8,
    }
    write_index(folder, facts, keys, dict.fromkeys(keys, [[SIZE, SIZE]] * 2))
    return Artifact("dataset", folder, facts, "hash")


def all_cases() -> list[Case]:
    """Each method, with the batches made in the process itself or by two others, in two precisions."""
    return [Case(*each) for each in product(METHODS, (0, 2), ("fp32", "bf16"))]
