"""Augmentation of what critics see: the changes one by one, the hooks, and the share that adapts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from duel import Shop, Train, stop_at
from safetensors.torch import load_file
from torch import Tensor, nn
from translate_pix2pix import Pix2Pix

from translate import Direction, Method, NoOptions, Objective, Update
from translate.contracts import DataSpec
from translate.errors import ConfigError, ContractError
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.testing.harness import MethodHarness
from translate.training.config import CriticAugmentConfig, ExtraLoss, TrainConfig
from translate.training.critics.augment import CriticAugment, pictures
from translate.training.critics.players import critic_players
from translate.training.critics.policy import NUMBERS, POLICY, augment, colour, cutout, translation
from translate.training.extra_losses import bind
from translate.training.saving import checkpoint

ALWAYS, NEVER = torch.tensor(1.0), torch.tensor(0.0)


def draws(count: int, seed: int = 0) -> Tensor:
    return torch.rand((count, NUMBERS), generator=torch.Generator().manual_seed(seed))


def extents(**columns: float) -> Tensor:
    """The extents of one image; without a word each is in the middle, where nothing is changed."""
    names = ("brightness", "saturation", "contrast", "down", "right", "row", "column")
    return torch.tensor([[columns.get(name, 0.5) for name in names]])


# ------------------------------------------------------------------------------------------------- the changes


@pytest.mark.parametrize(("down", "right"), [(0.5, 0.5), (0.0, 0.0), (0.999999, 0.999999), (0.3, 0.8)])
def test_a_single_bright_pixel_is_moved(down: float, right: float) -> None:
    image = torch.zeros(1, 2, 16, 24)
    image[0, :, 7, 9] = torch.tensor([1.0, -1.0])
    moved = translation(image, extents(down=down, right=right), [2])
    by = int(down * 5) - 2, int(right * 7) - 3  # up to 2 of 16 rows, 3 of 24 columns
    expected = torch.zeros_like(image)
    expected[0, :, 7 + by[0], 9 + by[1]] = torch.tensor([1.0, -1.0])
    assert torch.equal(moved, expected)


def test_what_leaves_the_image_is_gone_and_zeros_come_in() -> None:
    moved = translation(torch.ones(1, 1, 16, 16), extents(down=0.0, right=0.999999), [1])
    expected = torch.ones(16, 16)
    expected[-2:], expected[:, :2] = 0, 0
    assert torch.equal(moved[0, 0], expected)


def test_every_translation_is_as_likely() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8, 8] = 1
    many = draws(5000)
    moved = translation(image.expand(5000, -1, -1, -1), many[:, len(POLICY) :], [1])
    places = moved.flatten(1).argmax(1)
    counts = torch.bincount(places - places.min())
    counts = counts[counts > 0]
    assert len(counts) == 25 and ((counts - 200).abs() < 5 * 200**0.5).all()


def test_colour_by_hand() -> None:
    images = torch.rand((3, 6, 4, 4), generator=torch.Generator().manual_seed(1)) * 2 - 1
    numbers = draws(3)[:, len(POLICY) :]
    changed = colour(images, numbers, [3, 3]).numpy()
    for image, (brighter, richer, stronger, *_), output in zip(images.numpy(), numbers.numpy(), changed, strict=True):
        for first in (0, 3):
            picture = image[first : first + 3].astype(np.float64) + brighter - 0.5
            grey = picture.mean(0)
            picture = grey + (picture - grey) * 2 * richer
            picture = picture.mean() + (picture - picture.mean()) * (stronger + 0.5)
            assert np.allclose(output[first : first + 3], picture, atol=1e-6)


def test_a_hole_of_half_the_sides() -> None:
    hole = cutout(torch.ones(1, 3, 16, 24), extents(), [3])[0]
    assert torch.equal(hole[0], hole[1]) and (hole[0] == 0).sum() == 8 * 12
    assert (hole[0, 4:12, 6:18] == 0).all()
    corner = cutout(torch.ones(1, 1, 16, 24), extents(row=0.0, column=0.999999), [1])[0, 0]
    assert (corner == 0).sum() == 4 * 6 and not corner[:4, -6:].any()  # the middle may lie on the border


@pytest.mark.parametrize("change", [colour, translation, cutout])
def test_changes_are_differentiable_twice(change: Any) -> None:
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    numbers = draws(2)[:, len(POLICY) :].double()

    def curved(x: Tensor) -> Tensor:
        return change(x, numbers, [3]).pow(3).mean((2, 3))

    assert torch.autograd.gradcheck(curved, images) and torch.autograd.gradgradcheck(curved, images)


def test_a_share_of_the_images_is_changed_and_the_others_keep_their_bits() -> None:
    images, numbers = torch.randn(4000, 3, 8, 8), draws(4000)
    assert torch.equal(augment(images, numbers, NEVER, POLICY, [3]), images)
    for p, policy in ((0.3, ["colour"]), (0.3, POLICY), (1.0, POLICY)):
        changed = augment(images, numbers, torch.tensor(p), policy, [3])
        share = (changed != images).flatten(1).any(1).double().mean().item()
        expected = 1 - (1 - p) ** len(policy)
        assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 4000) ** 0.5 + 0.02 * (p == 1))


def test_the_pictures_that_a_critic_sees() -> None:
    paired = DataSpec("paired", {"input": 1, "target": 3}, (32, 32))
    assert (pictures(paired, 3), pictures(paired, 4), pictures(paired, 1)) == ([3], [1, 3], [1])
    assert pictures(paired, 5) is None
    colours = DataSpec("paired", {"input": 3, "target": 3}, (32, 32))
    assert pictures(colours, 6) == [3, 3] and pictures(colours, 9) == [3, 3, 3]
    labelled = DataSpec("labelled", {"label": 1, "image": 3}, (32, 32), classes=tuple("abcdef"))
    assert pictures(labelled, 9) is None and pictures(labelled, 3) == [3]


# ------------------------------------------------------------------------------------------------------- the hooks


class Seeing(nn.Conv2d):
    """A critic that remembers what it saw."""

    def __init__(self) -> None:
        super().__init__(3, 1, 3)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return super().forward(images)


class Judged(Method[NoOptions]):
    """A game in which real and fake images may be the same ones."""

    name, data = "judged", "unpaired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "adversarial": 1.0}
    directions = {"a_to_b": Direction(nets=("gen",))}
    objective = Objective(uses="non-saturating", options={"r1": 1.0})

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": nn.Conv2d(3, 3, 1), "disc": Seeing()}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], batch["b"], step)})
        yield Update("G", {"adversarial": self.objective.generator(nets.disc, fake, batch["b"], step)})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"])


def batch(seed: int, count: int = 2, size: int = 32, sides: tuple[str, ...] = ("a", "b")) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {side: torch.rand((count, 3, size, size), generator=rng) * 2 - 1 for side in sides}


def test_real_and_fake_images_are_changed_alike(make_engine: Any) -> None:
    engine = make_engine(Judged, critic_augment={})
    images = batch(0)
    engine.step([images], 0)
    real, fake, penalised, generated = engine.nets["disc"].seen
    assert torch.equal(real, fake) and torch.equal(real, penalised) and not torch.equal(real, images["b"])
    assert not torch.equal(generated, real)
    engine.step([images], 0)
    assert not torch.equal(engine.nets["disc"].seen[4], real), "each step draws anew"


def test_extra_losses_see_what_the_critic_sees(make_engine: Any, registry: Registry) -> None:
    class Shown(Judged):
        def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
            loss = self.objective.critic(nets.disc, batch["b"], batch["b"], step)
            yield Update("D", {"critic": loss}, {"critic": nets.disc, "real": batch["b"]})

    engine = make_engine(Shown, critic_augment={})
    entry = ExtraLoss(uses="gradient-penalty", player="D", on={"critic": "critic", "images": "real"})
    engine.extra = bind([entry], registry, "cpu")
    engine.step([batch(0)], 0)
    real, _, _, penalised = engine.nets["disc"].seen
    assert torch.equal(real, penalised)


def test_outside_of_steps_critics_see_images_as_they_are(make_engine: Any) -> None:
    engine = make_engine(Judged, critic_augment={})
    engine.step([batch(0)], 0)
    images = batch(1)["a"]
    engine.nets["disc"](images)
    assert torch.equal(engine.nets["disc"].seen[-1], images)


def test_batches_of_a_step_are_changed_as_the_joined_batch_is(make_engine: Any) -> None:
    one, two = batch(0), batch(1)
    joined, split = make_engine(Judged, critic_augment={}), make_engine(Judged, critic_augment={})
    joined.step([{side: torch.cat((one[side], two[side])) for side in one}], 0)
    split.step([one, two], 0)
    seen = split.nets["disc"].seen
    assert torch.equal(joined.nets["disc"].seen[0], torch.cat((seen[0], seen[3])))
    for a, b in zip(joined.nets["gen"].parameters(), split.nets["gen"].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_gradients_reach_the_generator_through_the_changes(make_engine: Any) -> None:
    engine = make_engine(Judged, critic_augment={}, optimizer={"uses": "sgd", "lr": 1.0})
    images, disc, gen = batch(0), engine.nets["disc"], engine.nets["gen"]
    before = [p.detach().clone() for p in gen.parameters()]
    engine.step([images], 0)
    # by hand, with the critic as it was after its own update, and the draws of the step
    numbers = CriticAugment(CriticAugmentConfig(), engine.method, {"disc": nn.Identity()}, "cpu", 7)
    numbers.begin(0, [2])
    weights = [p.clone().requires_grad_() for p in before]
    fake = nn.functional.conv2d(images["a"], *weights)
    scores = nn.functional.conv2d(augment(fake, numbers._numbers[0], ALWAYS, POLICY, [3]), disc.weight, disc.bias)
    nn.functional.softplus(-scores).mean().backward()
    for was, now, expected in zip(before, gen.parameters(), weights, strict=True):
        assert torch.allclose(was - now, expected.grad, atol=1e-6) and expected.grad.any()


@pytest.mark.parametrize("changes", [{"p": 0}, {"adapt": {"target": 0.99}}])
def test_a_share_of_zero_is_bit_equal_to_none(make_engine: Any, changes: dict[str, Any]) -> None:
    options = {
        "generator": {"uses": "unet", "levels": 2, "filters": 4},
        "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
        "objective": {"uses": "non-saturating", "r1": 1.0},
    }
    plain, changed = (
        make_engine(Pix2Pix, options, critic_augment=config, precision="fp32") for config in (None, changes)
    )
    assert (changed.critic_augment is None) == ("p" in changes)
    for step in range(4):
        for engine in (plain, changed):
            engine.step([batch(step, sides=("input", "target"))], 0)
    for name, net in plain.nets.items():
        ours = changed.nets[name].state_dict()
        assert all(torch.equal(value, ours[key]) for key, value in net.state_dict().items())


# ------------------------------------------------------------------------------------------------------ it adapts


@pytest.mark.parametrize(("bias", "start", "direction"), [(50.0, 0.1, 1), (0.0, 0.5, -1), (-50.0, 0.5, -1)])
def test_the_share_rises_for_a_critic_that_wins_and_falls_otherwise(
    make_engine: Any, bias: float, start: float, direction: int
) -> None:
    changes = {"p": start, "adapt": {"target": 0.6, "images": 100, "every": 3}}
    engine = make_engine(Judged, critic_augment=changes, optimizer={"uses": "sgd", "lr": 1e-9})
    with torch.no_grad():
        engine.nets["disc"].weight.normal_(0, 0.1)
        engine.nets["disc"].bias.fill_(bias)
    for step in range(7):
        engine.step([batch(step)], 0)
    # moved after steps 3 and 6, each time by 3 steps of 2 images out of 100
    assert engine.critic_augment.p.item() == pytest.approx(start + direction * 2 * 6 / 100)
    assert engine.read_meters()["critic_augment/p"] == pytest.approx(start + direction * (3 * 0.06 + 2 * 0.12) / 7)


def test_the_boundary_of_scores_is_that_of_the_objective() -> None:
    assert Objective(uses="lsgan", options={"smoothing": 0.2}).loss.boundary() == 0.4
    assert Objective(uses="hinge").loss.boundary() == 0
    assert Objective(uses="wgan").loss.boundary() is None


def test_scores_without_a_boundary_are_told(make_engine: Any) -> None:
    class Distant(Judged):
        objective = Objective(uses="wgan-gp")

    with pytest.raises(ConfigError, match="objective 'wgan-gp' have no boundary"):
        make_engine(Distant, critic_augment={"adapt": {}}).step([batch(0)], 0)
    make_engine(Distant, critic_augment={}).step([batch(0)], 0)


def test_a_method_that_tells_no_scores_cannot_adapt(make_engine: Any) -> None:
    class Silent(Judged):
        def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
            yield Update("D", {"critic": nets.disc(batch["b"]).mean()})

    with pytest.raises(ConfigError, match="method judged has no `objective` that tells them"):
        make_engine(Silent, critic_augment={"adapt": {}}).step([batch(0)], 0)


def test_a_critic_that_is_never_called_as_a_whole_is_told(make_engine: Any) -> None:
    class Parts(Judged):
        def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
            yield Update("D", {"critic": nn.functional.conv2d(batch["b"], nets.disc.weight).mean()})

    with pytest.raises(ContractError, match=r"never calls it as a whole: call nets\.disc\(images\)"):
        make_engine(Parts, critic_augment={}).step([batch(0)], 0)


CYCLEGAN = {
    "method": "cyclegan",
    "options": {
        "generator": {"uses": "resnet", "blocks": 1, "filters": 2},
        "discriminator": {"uses": "patchgan", "filters": 2, "layers": 1},
        "objective": "non-saturating",
    },
}


@pytest.mark.parametrize("step", [3, 4])
def test_a_training_that_adapts_goes_on_exactly(train: Train, step: int) -> None:
    # from the middle, and at a rate at which p moves: it goes one way or the other at every second step
    options = {**CYCLEGAN, "critic_augment": {"p": 0.5, "adapt": {"images": 50, "every": 2}}, "max_steps": 7}
    whole, expected = train("whole", **options)
    with pytest.raises(SystemExit):
        train(emit=stop_at(step), **options)
    rest, curves = train(**options)
    ours, theirs = (
        load_file(context.folder / "checkpoints" / checkpoint.name_of(7) / "tensors.safetensors")
        for context in (whole, rest)
    )
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert ours["critic_augment/p"].item() != 0.5 and ours["critic_augment/count"].item() > 0
    for (name, at), value in curves.curves.items():
        if name == "critic_augment/p":
            assert expected.curves[name, at] == value


# ------------------------------------------------------------------------------------------------- every method


def shipped() -> dict[str, type[Method[Any]]]:
    registry = Registry()
    registry.load_all()
    methods = {name: registry.get("methods", name) for name in registry.names("methods")}
    return {name: method for name, method in methods.items() if critic_players(method)}


METHODS = shipped()


def test_the_players_that_judge() -> None:
    assert {"pix2pix", "cyclegan", "bicyclegan", "genegan", "pix2pixhd", "srgan", "latent/acgan"} <= METHODS.keys()
    assert not {"bridge", "segmentation", "srresnet"} & METHODS.keys()
    assert all("D" in critic_players(method) for method in METHODS.values())
    assert critic_players(METHODS["cyclegan/cycada"]) == {"D": ("D_a", "D_b")}, "its classifiers do not judge"


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_takes_steps_with_it(name: str) -> None:
    harness = MethodHarness(METHODS[name], options=METHODS[name].small)
    harness.fit()
    plain, changed = harness.engine(), harness.engine()
    config = CriticAugmentConfig(policy=("translation", "cutout"))
    changed.critic_augment = CriticAugment(config, changed.method, changed.nets, "cpu", 1)
    for engine in (plain, changed):
        harness.play(engine, 2)
    critics = [net for nets in critic_players(METHODS[name]).values() for net in nets]
    for net in critics:
        before, after = plain.nets[net].state_dict(), changed.nets[net].state_dict()
        assert net in changed.critic_augment.called
        assert any(not torch.equal(before[key], after[key]) for key in before), "it has seen something else"


def test_critics_that_see_maps_of_classes_leave_colour_alone() -> None:
    harness = MethodHarness(METHODS["segmentation/adversarial"])
    harness.fit()
    engine = harness.engine()
    engine.critic_augment = CriticAugment(CriticAugmentConfig(), engine.method, engine.nets, "cpu", 1)
    with pytest.raises(ConfigError, match=r"set `policy: \[translation, cutout\]`"):
        harness.play(engine, 1)


def test_a_method_without_critics_is_told_when_a_file_is_checked(data: Any) -> None:
    config = TrainConfig.model_validate({"method": "bridge", "critic_augment": {}})
    problems = list(TrainStage(config, Shop(), 5).check({}))
    assert any("bridge has no player that only judges" in problem.message for problem in problems)
