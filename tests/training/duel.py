"""A small game, a dataset of random images, and a train stage on it in this process."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from translate_cyclegan import CycleGAN

from translate import Direction, Method, Metric, NoOptions, Update
from translate.console import PlainConsole
from translate.contracts import Artifact, EvaluationContext, StageContext
from translate.data.dataset import write_index
from translate.imaging.io import write
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig

IMAGES, SIZE = 10, 16


class Even(nn.Conv2d):
    multiple = 4


class Duel(Method[NoOptions]):
    """A generator that plays every third step, from the second on, and a critic that always does."""

    name, data = "duel", "unpaired"
    players = {"D": ("disc",), "G": ("there", "back")}
    losses = {"critic": 1.0, "l1": 1.0}
    directions = {
        "a_to_b": Direction(nets=("there",)),
        "b_to_a": Direction(nets=("back",), sides=("b",), target="a"),
    }

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"there": Even(3, 3, 1), "back": Even(3, 3, 1), "disc": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critic": nets.disc(batch["b"]).square().mean()})
        if step.index % 3 == 1:
            there, back = nets.there(batch["a"]), nets.back(batch["b"])
            yield Update("G", {"l1": F.l1_loss(there, batch["b"]) + F.l1_loss(back, batch["a"])}, {"output": there})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets["there" if direction == "a_to_b" else "back"](inputs["image"])


class Told(Metric[NoOptions]):
    """Says what it was told to say, one value per validation."""

    name, better, paired = "told", "higher", False
    values: list[float] = []

    def score(self, outputs: Any, references: Any) -> float:
        return self.values.pop(0)


class Looking(Metric[NoOptions]):
    """The share of outputs that go with an input of the context."""

    name, better, paired, needs_context = "looking", "higher", False, True
    contexts: list[EvaluationContext] = []

    def score(self, outputs: Any, references: Any, context: EvaluationContext | None = None) -> float:
        assert context is not None
        self.contexts.append(context)
        return len(outputs) / len(context.inputs)


class Seen(Told):
    """The number of images on either side, and the finest step between grey levels."""

    name = "seen"
    told: list[Any] = []

    def score(self, outputs: Any, references: Any) -> float:
        for images in (outputs, references):
            values = torch.stack(list(images)).unique()
            self.told.append((len(images), tuple(images[0].shape), round(1 / values.diff().min().item())))
        return 0.0


class Shop(Registry):
    def get(self, kind: Any, name: str) -> Any:
        mine = {"duel": Duel, "cyclegan": CycleGAN, "acme/told": Told, "acme/seen": Seen, "acme/looking": Looking}
        return mine.get(name) or super().get(kind, name)

    def provider(self, kind: Any, name: str) -> dict[str, str]:
        return {}


class Console(PlainConsole):
    """Remembers what it says."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        super().__init__(self.out, self.err)

    def said(self) -> str:
        return self.out.getvalue()

    def warned(self) -> str:
        return self.err.getvalue()


class Tracker:
    """Remembers the curves."""

    def __init__(self) -> None:
        self.curves: dict[tuple[str, int], float] = {}

    def metrics(self, values: dict[str, float], step: int) -> None:
        self.curves.update({(name, step): value for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


@dataclass(frozen=True)
class Pictures:
    """What kind of random images a test trains on: values are drawn from the whole range of `bits`."""

    size: tuple[int, int] = (SIZE, SIZE)
    channels: int = 3
    bits: int = 8
    train: tuple[int, int] = (IMAGES, IMAGES)
    val: tuple[int, int] = (2, 2)


def make_data(folder: Path, look: Pictures) -> Artifact:
    draw, kind = np.random.default_rng(0), np.uint8 if look.bits == 8 else np.uint16
    keys: dict[str, dict[str, list[str]]] = {}
    for split, counts in (("train", look.train), ("val", look.val)):
        keys[split] = {side: [f"{n:02d}" for n in range(count)] for side, count in zip("ab", counts, strict=True)}
        for side, names in keys[split].items():
            (folder / split / side).mkdir(parents=True)
            for name in names:
                pixels = draw.integers(0, 2**look.bits, (*look.size, look.channels)).astype(kind)
                write(folder / split / side / f"{name}.png", pixels)
    facts = {
        "kind": "unpaired",
        "splits": ["train", "val"],
        "pairs": [],
        "classes": [],
        "palette": [],
        "channels": dict.fromkeys("ab", look.channels),
        "size": list(look.size),
        "bits": look.bits,
    }
    write_index(folder, facts, keys, dict.fromkeys(keys, [list(look.size)] * 2))
    return Artifact("dataset", folder, facts, "hash")


@pytest.fixture
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Artifact:
    return make_data(tmp_path / "data", getattr(request, "param", Pictures()))


Train = Callable[..., tuple[StageContext, Tracker]]


@pytest.fixture
def train(tmp_path: Path, data: Artifact) -> Train:
    def go(folder: str = "out", emit: Any = None, previous: Path | None = None, **options: Any) -> Any:
        config = {"method": "duel", "workers": 0, "precision": "fp32", "log_every": 1, **options}
        stage = TrainStage(TrainConfig.model_validate(config), Shop([]), 5)
        assert not list(stage.check({"data": data.facts}))
        console, tracker = Console(), Tracker()
        (tmp_path / folder).mkdir(exist_ok=True)
        context = StageContext(
            "p", "train", tmp_path / folder, {"data": data}, 5, "cpu", tracker, console, stage.registry,
            emit or (lambda *_, **__: None), previous=previous,
        )  # fmt: skip
        stage.run(context)
        return context, tracker

    return go


def facts(context: StageContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((context.folder / "translator" / "translator.json").read_text())
    return found


def weights(context: StageContext) -> bytes:
    return (context.folder / "translator" / "model.safetensors").read_bytes()


def stop_at(step: int) -> Callable[..., None]:
    def emit(event: str, **facts: Any) -> None:
        if event == "step_finished" and facts["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return emit
