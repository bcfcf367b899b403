"""CyCADA: who learns from what, semantic consistency in closed form, and what it asks of the data."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from translate_cyclegan import CyCADA, CycleGAN
from translate_cyclegan.cycada import cross_entropy
from translate_cyclegan.networks import Classifier

from translate import MISSING, Class, ConfigError, DataSpec, DirectionCall, Image, Nets, Sides, Step, Update
from translate.plugins import Registry
from translate.training.build import build_networks

DIGITS = Class(("one", "two", "three"))
SMALL = {
    "generator": {"uses": "resnet", "blocks": 1, "filters": 4},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
    "classifier": {"uses": "cyclegan/classifier", "filters": 4, "layers": 2},
    "pool": 2,
}
TOGETHER = (("a", "a_class"), ("b", "b_class"))


def method_of(b_class: Class | None = DIGITS, channels: int = 3, **options: Any) -> CyCADA:
    sides: dict[str, Any] = {"a": Image(), "a_class": DIGITS, "b": Image()}
    sides |= {"b_class": b_class} if b_class else {}
    data = Sides(sides, together=TOGETHER if b_class else TOGETHER[:1])
    config = CyCADA.Config.model_validate({**SMALL, **options})
    return CyCADA(config, DataSpec(data, {"a": 3, "b": channels}, (16, 16)), CyCADA.losses)


def nets_of(method: CyCADA) -> Nets:
    torch.manual_seed(0)
    return Nets(build_networks(method, Registry()))


def batch_of(seed: int = 0, count: int = 4) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    images = {side: torch.rand(count, 3, 16, 16, generator=rng) * 2 - 1 for side in ("a", "b")}
    classes = {f"{side}_class": torch.randint(0, 3, (count,), generator=rng) for side in ("a", "b")}
    return {**images, **classes}


def played(method: CyCADA, nets: Nets, batch: dict[str, Tensor]) -> dict[str, Update]:
    return {update.player: update for update in method.step(nets, batch, first_step())}


def first_step() -> Step:
    return Step(0, 0, {}, torch.Generator().manual_seed(5))


def test_the_game_is_that_of_cyclegan_with_meaning() -> None:
    """Every loss of CycleGAN is the same, and the semantic ones are cross-entropies under the classifier of a."""
    method, batch = method_of(trust=100.0), batch_of()
    nets = nets_of(method)
    updates = played(method, nets, batch)
    assert list(updates) == ["A", "G", "D", "B"]

    plain = CycleGAN(method.config, DataSpec("unpaired", {"a": 3, "b": 3}, (16, 16)), CycleGAN.losses)
    theirs = {u.player: u.losses for u in plain.step(nets_of(method), batch, first_step())}
    for player, losses in theirs.items():
        for name, value in losses.items():
            torch.testing.assert_close(updates[player].losses[name], value)

    f, fakes = nets.classifier_a, updates["G"].views
    expected = {
        "semantic_ab": F.cross_entropy(f(fakes["fake_b"]), batch["a_class"]),
        "semantic_ba": F.cross_entropy(f(fakes["fake_a"]), f(batch["b"]).argmax(1)),
    }
    for name, value in expected.items():
        torch.testing.assert_close(updates["G"].losses[name], value)
    logits = nets.classifier_b(fakes["fake_b"])
    torch.testing.assert_close(updates["B"].losses["class_b"], F.cross_entropy(logits, batch["a_class"]))
    torch.testing.assert_close(updates["A"].losses["class_a"], F.cross_entropy(f(batch["a"]), batch["a_class"]))


def test_a_classifier_that_knows_little_has_no_say() -> None:
    method = method_of(trust=0.01)
    losses = played(method, nets_of(method), batch_of())["G"].losses
    assert losses["semantic_ab"] == 0 and losses["semantic_ba"] == 0


def test_the_classes_of_b_change_nothing() -> None:
    method, batch = method_of(), batch_of()
    others = {**batch, "b_class": torch.full_like(batch["b_class"], MISSING)}
    with_classes, without = (played(method, nets_of(method), each) for each in (batch, others))
    for one, other in zip(with_classes.values(), without.values(), strict=True):
        assert all(torch.equal(value, other.losses[name]) for name, value in one.losses.items())
    del others["b_class"]
    unlabelled = method_of(b_class=None)
    assert list(played(unlabelled, nets_of(unlabelled), others)) == ["A", "G", "D", "B"]


@pytest.mark.parametrize("side", ["a", "b"])
def test_without_translation_the_classifier_alone_learns_from_one_side(side: str) -> None:
    method, batch = method_of(learn_from=side), batch_of()
    nets = nets_of(method)
    (update,) = played(method, nets, batch).values()
    expected = F.cross_entropy(nets.classifier_b(batch[side]), batch[f"{side}_class"])
    assert update.player == "B" and update.losses.keys() == {"class_b"}
    torch.testing.assert_close(update.losses["class_b"], expected)


def test_images_without_a_class_do_not_count() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, -5.0]], requires_grad=True)
    some = cross_entropy(logits, torch.tensor([0, MISSING, MISSING]))
    assert float(some.detach()) == pytest.approx(math.log1p(math.exp(-2)))
    none = cross_entropy(logits, torch.full((3,), MISSING))
    assert float(none.detach()) == 0 and torch.autograd.grad(none, logits)[0].eq(0).all()


def test_gradients_of_meaning_reach_the_generators_alone() -> None:
    method = method_of(trust=100.0)
    nets = nets_of(method)
    losses = played(method, nets, batch_of())["G"].losses
    (losses["semantic_ab"] + losses["semantic_ba"]).backward(inputs=list(nets.G_ab.parameters()), retain_graph=True)
    assert any(p.grad is not None and p.grad.any() for p in nets.G_ab.parameters())
    slopes = torch.autograd.grad(losses["semantic_ab"], list(nets.G_ba.parameters()), allow_unused=True)
    assert all(slope is None for slope in slopes)


def test_classify_answers_with_logits_of_the_classifier_of_b() -> None:
    method = method_of()
    nets = nets_of(method)
    assert method.directions["classify"].output == "class"
    with torch.no_grad():
        images = batch_of()["b"]
        logits = method.translate(nets, {"image": images}, DirectionCall("classify"), None)  # type: ignore[arg-type]
        assert isinstance(logits, Tensor) and torch.equal(logits, nets.classifier_b(images))
        back = method.translate(nets, {"image": images}, DirectionCall("b_to_a"), None)  # type: ignore[arg-type]
        assert isinstance(back, Tensor) and torch.equal(back, nets.G_ba(images))


def test_data_that_cannot_be_used() -> None:
    with pytest.raises(ConfigError, match="this data has no side b_class"):
        nets_of(method_of(b_class=None, learn_from="b"))
    with pytest.raises(ConfigError, match="in the same order"):
        nets_of(method_of(b_class=replace(DIGITS, names=("two", "one", "three"))))
    with pytest.raises(ConfigError, match="equally many channels"):
        nets_of(method_of(channels=1))


def test_the_classifier_takes_any_size_and_learns() -> None:
    torch.manual_seed(0)
    net = Classifier(Classifier.Config(filters=4, layers=2), in_channels=3, out_channels=2)
    assert net(torch.zeros(2, 3, 7, 12)).shape == (2, 2)
    with pytest.raises(ConfigError, match="at least 4 x 4"):
        net(torch.zeros(1, 3, 3, 8))
    images, classes = torch.zeros(20, 3, 8, 8), torch.arange(20) % 2
    images[classes == 1, :, 2:4, 2:4] = 1
    images += 0.1 * torch.randn(images.shape)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(net(images), classes))
        optimizer.step()
    assert (copy.deepcopy(net).eval()(images).argmax(1) == classes).all()
