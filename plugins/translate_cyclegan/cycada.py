"""CyCADA: Hoffman, Tzeng, Park, Zhu, Isola, Saenko, Efros, Darrell, "CyCADA: Cycle-Consistent Adversarial Domain
Adaptation", ICML 2018, arXiv 1711.03213."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    MISSING,
    Build,
    Class,
    ConfigError,
    DataSpec,
    Direction,
    DirectionCall,
    Draw,
    Image,
    Nets,
    NetworkUse,
    Sides,
    Step,
    Update,
)
from translate_cyclegan.cyclegan import CycleGAN, CycleGANConfig


class CyCADAConfig(CycleGANConfig):
    """Knobs of CyCADA, beside those of `cyclegan`."""

    classifier: NetworkUse = NetworkUse(uses="cyclegan/classifier")
    """Both classifiers, by name or with options: logits N x classes of images."""
    learn_from: Literal["translated", "a", "b"] = "translated"
    """Where the classifier of side b learns: from images of a `translated` to b, with the classes of a (the paper).
    For comparison, without any translation: from `a` itself, which is no adaptation, or from `b` and its classes, which
    is the most that adaptation can reach."""
    trust: PositiveFloat = 1.0
    """The cross-entropy of the classifier of a below which its word counts as the meaning of an image. The authors'
    code has 1."""


class CyCADA(CycleGAN):
    """CycleGAN between labelled images a and unlabelled b, and a classifier of b that learns from translated images.

    f_a learns the classes of side a. Translations keep the meaning of an image as f_a sees it: the class of a, or for
    images of b what f_a says before. f_b learns from G(a) and the classes of a (equation 1, without critic of
    features). The classes of b, where the data has some, are for scores.
    """

    name = "cycada"
    Config = CyCADAConfig
    config: CyCADAConfig
    data = Sides(
        {"a": Image(), "a_class": Class(), "b": Image(), "b_class": Class(optional=True)},
        together=(("a", "a_class"), ("b", "b_class")),
    )
    players = {**CycleGAN.players, "A": ("classifier_a",), "B": ("classifier_b",)}
    losses = {**CycleGAN.losses, "class_a": 1.0, "class_b": 1.0, "semantic_ab": 1.0, "semantic_ba": 1.0}
    views = {**CycleGAN.views, "A": ("input", "output", "target"), "B": ("input", "output", "target")}
    directions = {
        **CycleGAN.directions,
        "classify": Direction(nets=("classifier_b",), sides=("b",), output="class", target="b_class"),
    }
    small = {**CycleGAN.small, "trust": 100.0}  # trusted from the first step

    def networks(self, build: Build) -> dict[str, nn.Module]:
        classes, of_b = (class_names(self.spec, side) for side in ("a_class", "b_class"))
        if self.spec.channels["a"] != self.spec.channels["b"]:
            raise ConfigError("cycada: one classifier sees both sides, which need equally many channels")
        if of_b is None and self.config.learn_from == "b":
            raise ConfigError("cycada: `learn_from: b` needs the classes of b, and this data has no side b_class")
        if of_b not in (None, classes):
            raise ConfigError("cycada: the classes of b are not those of a, in the same order")
        nets = super().networks(build)
        for side in ("a", "b"):
            net = build(self.config.classifier, in_channels=self.spec.channels[side], out_channels=len(classes or ()))
            nets[f"classifier_{side}"] = net
        return nets

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        side = self.config.learn_from
        if side != "translated":
            yield classified(nets, "b", batch[side], batch[f"{side}_class"])
            return
        learned = classified(nets, "a", batch["a"], batch["a_class"])
        yield learned
        trusted = learned.losses["class_a"].detach() < self.config.trust
        translated = batch["a"]
        for update in super().step(nets, batch, step):
            if update.player != "G":
                yield update
                continue
            translated = update.views["fake_b"].detach()
            semantic = self.semantic(nets.classifier_a, batch, update.views)
            losses = {name: trusted * loss for name, loss in semantic.items()}
            yield replace(update, losses={**update.losses, **losses})
        yield classified(nets, "b", translated, batch["a_class"])

    def semantic(self, f: nn.Module, batch: Mapping[str, Tensor], fakes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The semantic consistency of both translations under a classifier `f` of side a (equation 4)."""
        meaning = f(batch["b"]).detach().argmax(1)
        return {
            "semantic_ab": cross_entropy(f(fakes["fake_b"]), batch["a_class"]),
            "semantic_ba": cross_entropy(f(fakes["fake_a"]), meaning),
        }

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        if direction == "classify":
            logits: Tensor = nets.classifier_b(inputs["image"])
            return logits
        return super().translate(nets, inputs, direction, draw)


def class_names(spec: DataSpec, side: str) -> tuple[str, ...] | None:
    """The names of the classes of a side; None for data without it."""
    kind = spec.sides.get(side)
    return kind.names if isinstance(kind, Class) else None


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """The mean cross-entropy over images that have a class; 0 where none has. `logits` N x K, `classes` long N."""
    total = F.cross_entropy(logits.float(), classes, ignore_index=MISSING, reduction="sum")
    return total / (classes != MISSING).sum().clamp(min=1)


def classified(nets: Nets, side: str, images: Tensor, classes: Tensor) -> Update:
    """The update of the classifier of a side by images and their classes."""
    logits = nets[f"classifier_{side}"](images)
    views = {"input": images, "output": logits, "target": classes}
    return Update(side.upper(), {f"class_{side}": cross_entropy(logits, classes)}, views)
