"""Augmentations of kornia in front of critics: alike for real and fake, differentiable, checked by name and options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_training_critic_augment import Judged, batch

from translate.contracts import DeviceTransformUse
from translate.errors import ConfigError
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import CriticAugmentConfig, TrainConfig
from translate.training.critics.augment import CriticAugment
from translate.training.critics.library import LibraryChange, library_change
from translate.training.engine import Engine

FLIP = {"uses": "kornia/RandomHorizontalFlip"}
AFFINE = {"uses": "kornia/RandomAffine", "degrees": 20, "scale": [0.8, 1.2]}
COLOUR = {"uses": "kornia/ColorJiggle", "brightness": 0.3, "hue": 0.2}


def change(options: dict[str, Any], registry: Registry, size: tuple[int, int] | None = (32, 32)) -> LibraryChange:
    return library_change(DeviceTransformUse.model_validate(options), registry, size)


def judged(make_engine: Any, registry: Registry, transforms: list[dict[str, Any]], **config: Any) -> Engine:
    """An engine whose critic keeps what it sees."""
    changes = CriticAugmentConfig.model_validate({"policy": [], "transforms": transforms, **config})
    engine: Engine = make_engine(Judged, optimizer={"uses": "sgd", "lr": 1e-9})
    built = [library_change(use, registry, (32, 32)) for use in changes.transforms]
    engine.critic_augment = CriticAugment(changes, engine.method, engine.nets, "cpu", 7, None, built)
    return engine


def test_a_flip_is_a_flip_of_real_and_fake_alike(make_engine: Any, registry: Registry) -> None:
    engine, images = judged(make_engine, registry, [FLIP]), batch(0)
    engine.step([images], 0)
    real, fake, penalised, generated = engine.nets["disc"].seen
    assert torch.equal(real, images["b"].flip(3)) and torch.equal(fake, real) and torch.equal(penalised, real)
    assert torch.allclose(generated, engine.nets["gen"](images["a"]).flip(3), atol=1e-5)


def test_images_of_a_batch_are_drawn_each_for_itself(make_engine: Any, registry: Registry) -> None:
    """The joined batch is changed as two batches are, and each step draws anew."""
    same = {"b": batch(0, 1)["b"].repeat(4, 1, 1, 1), "a": batch(0, 4)["a"]}
    joined, split = (judged(make_engine, registry, [COLOUR, AFFINE]) for _ in range(2))
    joined.step([same], 0)
    split.step([dict(zip(same, halves, strict=True)) for halves in halves_of(same)], 0)
    real, seen = joined.nets["disc"].seen[0], split.nets["disc"].seen
    assert torch.equal(real, torch.cat((seen[0], seen[3])))
    assert all(not torch.equal(real[0], other) for other in real[1:])
    joined.step([same], 0)
    assert not torch.equal(joined.nets["disc"].seen[4], real)


def halves_of(images: dict[str, torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
    return [*zip(*(each.chunk(2) for each in images.values()), strict=True)]


def test_a_share_is_changed_and_the_others_keep_their_bits(make_engine: Any, registry: Registry) -> None:
    engine = judged(make_engine, registry, [FLIP], adapt={"target": 0.6, "images": 100}, p=0.5)
    flipped = 0
    for step in range(20):
        images = batch(step, 4)
        engine.step([images], 0)
        for image, seen in zip(images["b"], engine.nets["disc"].seen[4 * step], strict=True):
            assert torch.equal(seen, image) or torch.equal(seen, image.flip(2))
            flipped += torch.equal(seen, image.flip(2))
        engine.critic_augment.p.fill_(0.5)
    assert 25 <= flipped <= 55  # of 80, three standard deviations around a half


@pytest.mark.parametrize(
    "options", [FLIP, AFFINE, COLOUR, {"uses": "kornia/RandomGaussianBlur", "kernel_size": [3, 3], "sigma": [1, 1]}]
)
def test_the_gradient_by_the_image_is_that_of_differences(options: dict[str, Any], registry: Registry) -> None:
    made = change(options, registry)
    rng = torch.Generator().manual_seed(0)
    x, step, weights = (torch.rand((1, 3, 32, 32), generator=rng) - 0.5 for _ in range(3))

    def value(image: torch.Tensor) -> torch.Tensor:
        return (made(image, [3], [3]).double() * weights).sum()

    image = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(image), image)
    apart = 1e-4  # hues and saturations of noise have kinks everywhere
    expected = (value(x + apart * step) - value(x - apart * step)) / (2 * apart)
    assert (slope * step).sum() == pytest.approx(expected.item(), rel=2e-2, abs=2e-2)


def test_penalties_of_the_slope_have_a_gradient_through_what_moves_pixels(registry: Registry) -> None:
    """Of a linear critic behind an affine map A the slope is A'w, and that of its square 2 A A'w by w."""
    made = change(AFFINE, registry)
    rng = torch.Generator().manual_seed(0)
    image, weights = (torch.rand((1, 3, 32, 32), generator=rng).requires_grad_() for _ in range(2))
    (slope,) = torch.autograd.grad((made(image, [3], [3]) * weights).sum(), image, create_graph=True)
    (by_weights,) = torch.autograd.grad(slope.square().sum(), weights)
    assert torch.allclose(by_weights, 2 * made(slope.detach(), [3], [3]), atol=1e-4) and by_weights.any()
    assert made.affine and not change(COLOUR, registry).affine


def test_colour_changes_each_picture_and_moving_takes_all_channels(registry: Registry) -> None:
    image = batch(0, 1)["a"]
    twice = torch.cat((image, image), 1)
    for options in (COLOUR, AFFINE):
        made = change(options, registry)
        one = made(image, [5], [3])
        assert torch.allclose(made(twice, [5], [3, 3]), torch.cat((one, one), 1), atol=1e-6)
    with pytest.raises(ConfigError, match="kornia/ColorJiggle cannot take an image of 1 channels"):
        change(COLOUR, registry)(image[:, :1], [5], [1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uses": "kornia/RandomPosterize"}, "kornia/RandomPosterize has no gradient"),
        ({"uses": "kornia/CenterCrop", "size": 16}, "makes 16 x 16 pixels of 32 x 32"),
        ({**FLIP, "p": 0.5}, "`p` of kornia/RandomHorizontalFlip is not set"),
        ({"uses": "kornia/RandomAffine"}, "degrees"),
        ({"uses": "kornia/RandomAfine"}, "RandomAffine"),
    ],
)
def test_what_cannot_stand_before_a_critic_is_refused(
    options: dict[str, Any], message: str, registry: Registry
) -> None:
    with pytest.raises(ConfigError, match=message):
        change(options, registry)


def test_a_file_is_told_at_the_place_of_the_transform() -> None:
    wrong = {"policy": [], "transforms": [FLIP, {"uses": "kornia/RandomPosterize"}]}
    config = TrainConfig.model_validate({"method": "pix2pix", "critic_augment": wrong})
    problems = list(TrainStage(config, Registry(), 5).check({}))
    (problem,) = [each for each in problems if "has no gradient" in each.message]
    assert problem.path == ("with", "critic_augment", "transforms", 1)
    with pytest.raises(ValueError, match="nothing would be changed"):
        CriticAugmentConfig(policy=(), transforms=())
