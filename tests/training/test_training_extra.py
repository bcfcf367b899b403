"""Extra losses in a training: every registered term on pix2pix, what reaches whom, precision, and errors by name."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_batches import random_batches

from translate import ContractError, LossTerm, Method, NoOptions, Update
from translate.console import PlainConsole
from translate.contracts import Artifact, DataSpec, Nets, StageContext, Step
from translate.data.dataset import write_index
from translate.imaging.io import write
from translate.objectives import translate_losses
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.build import build_networks
from translate.training.config import ExtraLoss, TrainConfig
from translate.training.extra_losses import bind, check_met

BOTH = {"output": "output", "target": "target"}
SMALL = {"uses": "random-features", "filters": 4, "levels": 2}
BOUND: dict[str, dict[str, Any]] = {
    "total-variation": {"player": "G", "on": {"output": "output"}},
    "l1": {"player": "G", "on": BOTH},
    "charbonnier": {"player": "G", "on": BOTH, "options": {"epsilon": 0.1}},
    "ssim": {"player": "G", "on": BOTH},
    "ms-ssim": {"player": "G", "on": BOTH, "options": {"scales": 2}},
    "edge": {"player": "G", "on": BOTH},
    "colour-histogram": {"player": "G", "on": BOTH, "options": {"bins": 16}},
    "focal-frequency": {"player": "G", "on": BOTH},
    "perceptual": {"player": "G", "on": BOTH, "options": {"features": SMALL}},
    "feature-matching": {"player": "G", "on": {"critic": "critic", "output": "fake", "target": "real"}},
    "gradient-penalty": {"player": "D", "on": {"critic": "critic", "images": "real"}},
    "identity": {"player": "G", "on": {"generator": "generator", "target": "target"}},
}
TINY = {
    "generator": {"uses": "unet", "levels": 3, "filters": 2},
    "discriminator": {"uses": "patchgan", "layers": 1, "filters": 4},
}


class Tracker:
    """Remembers the curves."""

    def __init__(self) -> None:
        self.curves: dict[str, list[float]] = {}

    def metrics(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def test_every_term_in_the_train_stage(registry: Registry, tmp_path: Path) -> None:
    assert set(BOUND) == {term.name for term in translate_losses()}
    draw, size, folder = np.random.default_rng(0), [32, 32], tmp_path / "data"
    for side in ("input", "target"):
        (folder / "train" / side).mkdir(parents=True)
        for n in range(3):
            write(folder / "train" / side / f"{n}.png", draw.integers(0, 256, (*size, 3)).astype(np.uint8))
    facts = {
        **{"kind": "paired", "splits": ["train"], "pairs": ["train"], "classes": [], "palette": []},
        **{"channels": dict.fromkeys(("input", "target"), 3), "size": size, "bits": 8},
    }
    keys = {"train": {side: ["0", "1", "2"] for side in ("input", "target")}}
    write_index(folder, facts, keys, {"train": [size] * 2})

    def train(name: str, extra: list[dict[str, Any]]) -> dict[str, list[float]]:
        config = {"method": "pix2pix", "options": TINY, "extra_losses": extra, "max_steps": 3, "log_every": 1}
        stage = TrainStage(TrainConfig.model_validate({**config, "workers": 0}), registry, 5)
        assert not list(stage.check({"data": facts}))
        (tmp_path / name).mkdir()
        tracker, console = Tracker(), PlainConsole(io.StringIO(), io.StringIO())
        inputs = {"data": Artifact("dataset", folder, facts, "hash")}
        context = StageContext(
            "p", "train", tmp_path / name, inputs, 5, "cpu", tracker, console, registry, lambda *_, **__: None
        )
        stage.run(context)
        return tracker.curves

    plain = train("plain", [])
    ours = train("ours", [{"uses": uses, "weight": 0.1, **entry} for uses, entry in BOUND.items()])
    curves = {uses: ours["l1-2" if uses == "l1" else uses] for uses in BOUND}
    assert all(len(curve) == 3 and all(map(math.isfinite, curve)) for curve in curves.values())
    assert curves["l1"] == pytest.approx(ours["l1"])
    assert not set(plain) & (set(BOUND) - {"l1"})
    for player, loss in (("D", "critic"), ("G", "l1")):
        assert plain[loss][0] == ours[loss][0]
        assert plain[f"grad_norm/{player}"][0] != ours[f"grad_norm/{player}"][0]


# ------------------------------------------------------------------------------------------- terms on a tiny game


class Game(Method[NoOptions]):
    name, data = "game", "paired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "l1": 1.0}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Conv2d(3, 3, 3, padding=1), "disc": nn.Conv2d(3, 1, 3)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        x, y = batch["input"], batch["target"]
        fake = nets.gen(x)
        views = {"critic": nets.disc, "real": y, "output": fake, "target": y}
        yield Update("D", {"critic": nets.disc(y).mean()}, views)
        yield Update("G", {"l1": (fake - y).abs().mean()}, views)

    directions = {}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        raise AssertionError


class Layered(Game):
    """Its critic has a layer of activations."""

    def networks(self, build: Any) -> dict[str, nn.Module]:
        critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
        return {"gen": nn.Conv2d(3, 3, 3, padding=1), "disc": critic}


class Broken(LossTerm[NoOptions]):
    """Does what the test says."""

    def __init__(self, call: Any) -> None:
        super().__init__(NoOptions())
        self.call = call

    def forward(self, output: Any) -> Any:
        return self.call(output)


def entry(uses: str, player: str = "G", weight: float = 1.0, **on: str) -> ExtraLoss:
    return ExtraLoss(uses=uses, player=player, weight=weight, on=on)


@pytest.mark.parametrize("uses", ["charbonnier", "edge", "focal-frequency", "ssim"])
def test_terms_see_float32_outside_of_autocast(make_engine: Any, registry: Registry, uses: str) -> None:
    engine = make_engine(Game, precision="bf16")
    engine.extra = bind([entry(uses, **BOTH)], registry, "cpu")
    (batch,) = random_batches(("input", "target"), 1, batch=2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = engine.nets.gen(batch["input"])
    assert output.dtype == torch.bfloat16
    expected = engine.extra[0].term(output=output.float(), target=batch["target"])
    engine.step([batch], 0)
    assert engine.read_meters()[uses] == pytest.approx(expected.item(), rel=1e-6)


def test_feature_matching_asks_the_critic_in_the_precision_of_the_training(
    make_engine: Any, registry: Registry
) -> None:
    seen = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.append(output.dtype)

    def matched(precision: str) -> float:
        engine = make_engine(Layered, precision=precision)
        engine.nets.disc[0].register_forward_hook(note)
        on = {"critic": "critic", "output": "output", "target": "target"}
        engine.extra = bind([entry("feature-matching", **on)], registry, "cpu")
        engine.step(random_batches(("input", "target"), 1), 0)
        return engine.read_meters()["feature-matching"]

    plain = matched("fp32")
    assert {*seen} == {torch.float32}
    assert matched("bf16") == pytest.approx(plain, rel=0.02)
    assert {*seen[len(seen) // 2 :]} == {torch.bfloat16}


def test_a_penalty_reaches_the_critic_and_no_one_else(make_engine: Any, registry: Registry) -> None:
    (batch,) = random_batches(("input", "target"), 1)

    def weights(weight: float) -> dict[str, Tensor]:
        engine = make_engine(Game, optimizer={"uses": "sgd", "lr": 1e-3})
        engine.extra = bind([entry("gradient-penalty", "D", weight, critic="critic", images="real")], registry, "cpu")
        engine.step([batch], 0)
        return {name: net.weight.detach().clone() for name, net in engine.nets.items()}

    without, with_it = weights(0.0), weights(2.0)
    torch.testing.assert_close(with_it["gen"], without["gen"], rtol=0, atol=0)
    w = make_engine(Game).nets.disc.weight.detach().clone().requires_grad_()
    image = batch["target"].clone().requires_grad_()
    scores = nn.functional.conv2d(image, w).sum()
    (slope,) = torch.autograd.grad(scores, image, create_graph=True)
    (expected,) = torch.autograd.grad(0.5 * slope.square().sum(), w)
    torch.testing.assert_close((without["disc"] - with_it["disc"]) / 2e-3, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: {}[3], r"extra loss broken broke on output: tensor \(1, 3, 32, 32\): KeyError: 3"),
        (lambda x: x, r"extra loss broken returned tensor \(1, 3, 32, 32\); a loss is a scalar tensor"),
        (lambda x: 1.0, r"extra loss broken returned a float; a loss is a scalar tensor"),
        (lambda x: x.detach().mean(), r"extra loss broken on output: output depends on no network"),
    ],
)
def test_a_broken_term_is_named(make_engine: Any, registry: Registry, call: Any, expected: str) -> None:
    class Shop(Registry):
        def build(self, use: Any, **kwargs: Any) -> Any:
            return Broken(call)

    engine = make_engine(Game)
    engine.extra = bind([entry("broken", output="output")], Shop([]), "cpu")
    with pytest.raises(ContractError, match=expected):
        engine.step(random_batches(("input", "target"), 1), 0)


def test_a_function_in_place_of_an_image_is_named(make_engine: Any, registry: Registry) -> None:
    engine = make_engine(Game)
    engine.extra = bind([entry("l1", output="critic", target="target")], registry, "cpu")
    with pytest.raises(
        ContractError, match=r"extra loss l1 broke on output: a Conv2d, target: tensor \(1, 3, 32, 32\)"
    ):
        engine.step(random_batches(("input", "target"), 1), 0)


def test_a_view_that_is_never_published_is_named_after_the_first_step(make_engine: Any, registry: Registry) -> None:
    engine = make_engine(Game)
    for view, hint in (("ouput", "; did you mean 'output'?"), ("mask", "; it published critic, output, real, target")):
        engine.extra = bind([entry("total-variation", output=view)], registry, "cpu")
        engine.step(random_batches(("input", "target"), 1), 0)
        with pytest.raises(ContractError) as caught:
            check_met("game", engine.extra)
        assert str(caught.value) == (
            f"extra loss total-variation: method game published no update of player G with the views {view}{hint}"
        )


# ------------------------------------------------------------------------------------------- views of the methods

FEW: dict[str, Any] = {"uses": "unet", "levels": 4, "filters": 2}
CRITIC = {"discriminator": {"uses": "patchgan", "layers": 1, "filters": 2}}
SEGMENTING = {"network": {"uses": "segmentation/unet", "filters": 2, "levels": 2}}
ENLARGING = {"generator": {"uses": "srresnet", "blocks": 1, "filters": 2}}
CUTTING = {"generator": {"uses": "resnet", "blocks": 1, "filters": 2}, "layers": ["stem", "blocks.0"], "width": 4}
METHODS: dict[str, dict[str, Any]] = {
    "pix2pix": {"generator": FEW, **CRITIC},
    "cyclegan": {"generator": FEW, **CRITIC, "pool": 2},
    "bicyclegan": {
        "generator": {"uses": "bicyclegan/unet", "filters": 2, "levels": 3},
        "encoder": {"uses": "bicyclegan/encoder", "filters": 2},
        **CRITIC,
    },
    "bridge": {"network": {"uses": "bridge/unet", "filters": 2, "levels": 1}},
    "bridge/distilled": {"network": {"uses": "bridge/unet", "filters": 2, "levels": 1}, "steps": 2},
    "discogan": {"width": 2},
    "genegan": {"width": 4, "burst": 0},
    "segmentation": SEGMENTING,
    "segmentation/adversarial": {**SEGMENTING, **CRITIC},
    "segmentation/colours": {"generator": FEW, **CRITIC},
    "srresnet": ENLARGING,
    "srgan": {
        **ENLARGING,
        "discriminator": {"uses": "srgan-critic", "filters": 2, "pool": True},
        "features": {**SMALL, "levels": 1},
    },
    "inpainting": {"generator": FEW, **CRITIC},
    "restore": {"generator": {"uses": "restore/residual", "filters": 2, "blocks": 1}},
    "colorization": {"generator": FEW, **CRITIC},
    "cut": {**CUTTING, **CRITIC},
    "cut/fastcut": {**CUTTING, **CRITIC},
}


@pytest.mark.parametrize("name", METHODS)
def test_declared_views_are_those_published(registry: Registry, name: str) -> None:
    cls = registry.get("methods", name)
    draw = torch.Generator().manual_seed(0)
    sides = {"paired": ("input", "target"), "unpaired": ("a", "b"), "attribute": ("with", "without")}
    batch = {side: torch.rand(2, 3, 64, 64, generator=draw) * 2 - 1 for side in sides.get(cls.data, ("image",))}
    channels = dict.fromkeys(batch, 3)
    if cls.data == "labelled":
        batch["label"] = torch.randint(0, 2, (2, 64, 64), generator=draw)
    spec = DataSpec(cls.data, channels, (64, 64), ("a", "b"), ((0, 0, 0), (255, 0, 0)))
    method = cls(cls.Config.model_validate(METHODS[name]), spec, dict.fromkeys(cls.losses, 1.0))
    nets = Nets(build_networks(method, registry))
    published: dict[str, set[str]] = {}
    earlier: Update | None = None
    updates = dict.fromkeys(cls.players, 0)
    for index in range(3):
        for update in method.step(nets, batch, Step(index, 0, dict(updates), draw)):
            updates[update.player] += 1
            assert earlier is None or published[earlier.player] == set(earlier.views), "changed after its update"
            earlier = update
            known = published.setdefault(update.player, set(update.views))
            assert known == set(update.views), "every update of a player shows the same"
            assert not {"output", "target"} & set(update.views) or {"input"} <= set(update.views)
            for view, value in update.views.items():
                assert isinstance(value, Tensor) or callable(value), view
            if "critic" in update.views:
                critic, real, fake = (update.views[view] for view in ("critic", "real", "fake"))
                assert critic(real).shape == critic(fake).shape
                assert update.player != "D" or not fake.requires_grad
    assert published == {player: set(names) for player, names in cls.views.items()}
    assert set(published) == set(cls.players)


class Slope(Method[NoOptions]):
    """A game whose own loss pulls the only weight by 1."""

    name, data = "slope", "unpaired"
    players = {"G": ("net",)}
    losses = {"pull": 1.0}
    directions = {}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Linear(1, 1, bias=False)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"pull": nets.net.weight.sum()}, {"output": nets.net.weight, "target": batch["a"]})

    def translate(self, nets: Any, inputs: Any, direction: Any, draw: Any) -> Tensor:
        raise NotImplementedError


def test_a_lazy_term_counts_at_every_kth_update_k_times_as_much(make_engine: Any, registry: Registry) -> None:
    engine = make_engine(Slope, optimizer={"uses": "sgd", "lr": 1.0})
    entry = ExtraLoss(uses="l1", weight=5.0, every=3, player="G", on=BOTH)
    engine.extra = bind([entry], registry, "cpu")
    weight, moves = engine.nets["net"].weight, []
    batch = {"a": torch.full((1, 1), -1000.0), "b": torch.zeros(1)}  # the slope of |w + 1000| is 1
    for _ in range(7):
        before = weight.item()
        engine.step([batch], 0)
        moves.append(round(before - weight.item(), 3))
    assert moves == [1 + 3 * 5.0, 1, 1, 1 + 3 * 5.0, 1, 1, 1 + 3 * 5.0]
    assert engine.read_meters()["l1"] > 900, "its curve has the values of the updates in which it was computed"
