"""Extra losses: mistakes are found when the file is checked, with position and suggestion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from translate import Config, LossTerm, Method
from translate.errors import ConfigError
from translate.pipeline import check
from translate.plugins import Registry, shapes
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig

FILE = """\
version: 1
name: toy
stages:
  prepare: {{uses: preprocess, with: {{source: {{uses: generated-maps, kind: paired}}}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: {method}
      extra_losses:
      - {entry}
"""
PLAYED = "player: G, on: {output: output, target: target}}"
BAD: dict[str, tuple[str, str]] = {
    "unknown term": (
        f"{{uses: egde, {PLAYED}",
        "11:16: stages.train.with.extra_losses.0.uses: there is no loss 'egde'; did you mean 'edge'?",
    ),
    "unknown plugin": (
        f"{{uses: acne/edge, {PLAYED}",
        "11:16: stages.train.with.extra_losses.0.uses: there is no plugin 'acne'",
    ),
    "unknown option": (
        f"{{uses: charbonnier, options: {{epsilom: 1}}, {PLAYED}",
        "11:39: stages.train.with.extra_losses.0.options.epsilom: unknown key; did you mean 'epsilon'?",
    ),
    "wrong option": (
        f"{{uses: charbonnier, options: {{epsilon: 0}}, {PLAYED}",
        "11:48: stages.train.with.extra_losses.0.options.epsilon: must be greater than 0, not 0",
    ),
    "nested option": (
        f"{{uses: perceptual, options: {{features: {{uses: random-features, level: 2}}}}, {PLAYED}",
        "11:72: stages.train.with.extra_losses.0.options.features.level: unknown key; did you mean 'levels'?",
    ),
    "weights that are not there": (
        f"{{uses: perceptual, options: {{features: {{uses: vgg19, weights: vgg.pth}}}}, {PLAYED}",
        "11:71: stages.train.with.extra_losses.0.options.features.weights: vgg.pth: there is no such file or folder",
    ),
    "unknown player": (
        "{uses: edge, player: E, on: {output: output, target: target}}",
        "11:30: stages.train.with.extra_losses.0.player: pix2pix has no player 'E'; there are D, G",
    ),
    "unknown argument": (
        "{uses: edge, player: G, on: {outptu: output, target: target}}",
        "11:38: stages.train.with.extra_losses.0.on.outptu: edge has no argument 'outptu'; did you mean 'output'?",
    ),
    "strange argument": (
        "{uses: l1, player: G, on: {output: output, target: target, mask: input}}",
        "11:68: stages.train.with.extra_losses.0.on.mask: l1 has no argument 'mask'; it takes output, target",
    ),
    "argument left out": (
        "{uses: edge, player: G, on: {output: output}}",
        "11:37: stages.train.with.extra_losses.0.on: edge also needs target: `on: {target: VIEW}`",
    ),
    "no binding": (
        "{uses: edge, player: G}",
        "11:9: stages.train.with.extra_losses.0.on: is required",
    ),
    "unknown view": (
        "{uses: edge, player: G, on: {output: ouput, target: target}}",
        "11:46: stages.train.with.extra_losses.0.on.output: "
        "pix2pix publishes no view 'ouput' in updates of G; did you mean 'output'?",
    ),
    "strange view": (
        "{uses: edge, player: D, on: {output: fake, target: depth}}",
        "11:60: stages.train.with.extra_losses.0.on.target: "
        "pix2pix publishes no view 'depth' in updates of D; there are critic, real, fake",
    ),
    "view of another player": (
        "{uses: edge, player: D, on: {output: fake, target: target}}",
        "11:60: stages.train.with.extra_losses.0.on.target: "
        "pix2pix publishes no view 'target' in updates of D; it does in those of G",
    ),
    "weight": (
        f"{{uses: edge, weight: .inf, {PLAYED}",
        "11:30: stages.train.with.extra_losses.0.weight: must be a finite number, not inf",
    ),
}


class Open(Registry):
    """Knows a pix2pix that does not say which views it publishes."""

    def get(self, kind: Any, name: str) -> Any:
        if name == "open/pix2pix":
            return type("Open", (super().get("methods", "pix2pix"),), {"views": None})
        return super().get(kind, name)

    def provider(self, kind: Any, name: str) -> dict[str, str]:
        return super().provider(kind, name.removeprefix("open/"))


@pytest.fixture(scope="module")
def everything() -> Registry:
    return Open()


@pytest.fixture
def checked(work: Path, everything: Registry) -> Callable[..., Any]:
    def go(entry: str, method: str = "pix2pix") -> Any:
        Path("bad.yaml").write_text(FILE.format(method=method, entry=entry))
        return check("bad.yaml", registry=everything)

    return go


@pytest.mark.parametrize("case", list(BAD))
def test_bad_extra_loss(case: str, checked: Callable[..., Any]) -> None:
    entry, expected = BAD[case]
    with pytest.raises(ConfigError) as caught:
        checked(entry)
    assert str(caught.value) == f"bad.yaml:{expected}"


def test_right_ones_and_undeclared_views(checked: Callable[..., Any]) -> None:
    checked("{uses: edge, player: G, weight: 2, on: {output: output, target: target}}")
    checked("{uses: gradient-penalty, player: D, on: {critic: critic, images: real}}")
    checked("{uses: edge, player: G, on: {output: whatever, target: target}}", method="open/pix2pix")
    with pytest.raises(ConfigError, match="edge also needs output"):
        checked("{uses: edge, player: G, on: {target: whatever}}", method="open/pix2pix")


def stage(registry: Registry, *extra: dict[str, Any]) -> TrainStage:
    config = {"method": "pix2pix", "extra_losses": [{"player": "G", **entry} for entry in extra]}
    return TrainStage(TrainConfig.model_validate(config), registry, 0)


def test_written_defaults_and_files_in_the_fingerprint(everything: Registry, tmp_path: Path) -> None:
    both = {"output": "output", "target": "target"}
    short = stage(everything, {"uses": "charbonnier", "on": both}, {"uses": "perceptual", "on": both})
    features = {"uses": "random-features", "levels": 3}
    long = stage(
        everything,
        {"uses": "charbonnier", "options": {"epsilon": 1e-3}, "on": both},
        {"uses": "perceptual", "options": {"features": features, "distance": "mse"}, "on": both},
    )
    assert short.defaults() == long.defaults()
    assert stage(everything).defaults()["extra_losses"] == []
    assert ("networks", "random-features") in set(short.uses())
    assert not list(short.inputs())
    weights = tmp_path / "vgg.pth"
    weights.touch()
    features = {"uses": "vgg19", "weights": str(weights)}
    named = stage(everything, {"uses": "perceptual", "options": {"features": features}, "on": both})
    assert list(named.inputs()) == [weights]


def test_shapes_of_terms_and_views(everything: Registry) -> None:
    pix2pix = everything.get("methods", "pix2pix")

    class Loose(LossTerm[Config]):
        name = "loose"

        def forward(self, **views: Any) -> torch.Tensor:
            return torch.zeros(())

    class Silent(LossTerm[Config]):
        name = "silent"

    for term in (Loose, Silent):
        (fault,) = shapes.validate("losses", term.name, term)
        assert fault == "needs a `forward` whose arguments all have names, since `on:` binds views to them"
    for views, expected in (
        ({"G": "output"}, "has `views` that are not a mapping of players to tuples of names"),
        ({"E": ("output",)}, "has views of players that it has not: E"),
    ):
        assert shapes.validate("methods", "x", type("X", (pix2pix,), {"views": views})) == [expected]
    assert issubclass(pix2pix, Method)
    assert not shapes.validate("methods", "x", pix2pix)
