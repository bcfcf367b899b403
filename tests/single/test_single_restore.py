"""Restoration: what a training shows its network, what is drawn again and what is not, and that it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from translate import ConfigError, DirectionCall, Method, Nets, Step, bicubic
from translate.contracts import DataSpec
from translate.inference.degradation import degraded_inputs
from translate.inference.directions import describe
from translate.inference.translator import Translator
from translate.networks import network_builder
from translate.plugins import Registry

TINY: Mapping[str, Any] = {"uses": "restore/residual", "blocks": 1, "filters": 8}
NOISE: Mapping[str, Any] = {"uses": "noise", "sigma": 25, "grey": 0}
JPEG: Mapping[str, Any] = {"uses": "jpeg", "quality": 20}


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return Registry()


def game(plugins: Registry, **options: Any) -> tuple[Method[Any], Nets]:
    cls = plugins.get("methods", "restore")
    config = cls.Config.model_validate({"generator": TINY, **options})
    method = cls(config, DataSpec("single", {"image": 3}, (32, 32)), cls.losses)
    torch.manual_seed(0)
    return method, Nets(method.networks(network_builder(plugins)))


def images(count: int = 2, size: int = 32) -> Tensor:
    """Smooth pictures of 8 bits."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    smooth = F.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return smooth.mul(255).round().div(127.5).sub(1)


def shown(method: Method[Any], target: Tensor, direction: str = "restore", seed: int = 0, key: str = "a") -> Tensor:
    translator = Translator(method, {}, {})
    return degraded_inputs(method, translator.route(direction), target, seed, key)["image"]


def test_the_seed_and_the_key_decide_the_input(plugins: Registry) -> None:
    method, _ = game(plugins)
    (target,) = images(1)
    first = shown(method, target)
    assert torch.equal(shown(method, target), first)
    assert not torch.equal(shown(method, target, key="b"), first)
    assert not torch.equal(shown(method, target, seed=1), first)
    levels = first.add(1).mul(127.5)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_a_step_draws_from_its_own_generator_alone(plugins: Registry) -> None:
    """So a training that goes on at a step shows there what the one that was not interrupted shows."""
    method, nets = game(plugins)
    x = images()

    def inputs(seed: int) -> Tensor:
        torch.rand(7)  # torch's own generator stands anywhere
        step = Step(5, 1, {"G": 5}, torch.Generator().manual_seed(seed))
        (update,) = method.step(nets, {"image": x}, step)
        torch.testing.assert_close(update.losses["pixel"], F.l1_loss(update.views["output"], x))
        return update.views["input"]

    assert torch.equal(inputs(5), inputs(5))
    assert not torch.equal(inputs(5), inputs(6))
    assert not torch.equal(*inputs(5).sub(x).unbind())


@pytest.mark.parametrize("fixed", [NOISE, JPEG])
def test_a_fixed_direction_has_its_own_degradation(plugins: Registry, fixed: Mapping[str, Any]) -> None:
    method, _ = game(plugins, fixed={"fixed": [fixed]}, order=2)
    alone, _ = game(plugins, degradation=[fixed])
    (target,) = images(1)
    assert torch.equal(shown(method, target, "fixed"), shown(alone, target))
    assert list(describe(type(method), method.config)) == ["restore", "fixed"]


def test_exactly_one_step_for_each_image(plugins: Registry) -> None:
    """Of two noises of one channel each an image has one, whose deviation tells which."""
    weak, strong = ({"uses": "noise", "sigma": sigma, "p": 0.2} for sigma in (4, 40))
    method, _ = game(plugins, degradation=[weak, strong], draw="one")
    grey = torch.zeros(64, 3, 32, 32)
    made = method.degrade(grey, DirectionCall("restore"), torch.Generator().manual_seed(0))
    assert isinstance(made, Tensor)
    deviations = made.mul(127.5).flatten(1).std(1)
    assert (((deviations > 3) & (deviations < 5)) | ((deviations > 35) & (deviations < 45))).all()
    assert 15 < int((deviations < 10).sum()) < 49


@pytest.mark.parametrize("scale", [2, 4])
def test_it_enlarges_what_was_reduced(plugins: Registry, scale: int) -> None:
    """An untrained network gives the bicubic enlargement."""
    method, nets = game(plugins, scale=scale, degradation=[{"uses": "resize", "scale": 1}])
    (target,) = images(1)
    low = shown(method, target)
    assert low.shape == (3, 32 // scale, 32 // scale)
    torch.testing.assert_close(nets.G(low[None]), bicubic(low[None], scale))
    output = Translator(method, dict(nets), {}).translate_tensor(low[None], "restore")
    assert output.shape == (1, 3, 32, 32)
    with pytest.raises(ConfigError, match=f"multiple: {scale}"):
        method.degrade(images(1, 33), DirectionCall("restore"), torch.Generator())


def test_an_untrained_network_changes_nothing(plugins: Registry) -> None:
    method, nets = game(plugins)
    x = images()
    torch.testing.assert_close(Translator(method, dict(nets), {}).translate_tensor(x, "restore"), x)


def test_it_learns_to_be_better_than_its_input(plugins: Registry) -> None:
    """A few smooth pictures under noise: the mean squared error falls to less than a half of the input's."""
    method, nets = game(plugins, degradation=[NOISE], pixel="mse", generator={**TINY, "filters": 16})
    optimizer, x = torch.optim.Adam(nets.G.parameters(), lr=3e-3), images(4)
    for number in range(120):
        step = Step(number, 0, {"G": number}, torch.Generator().manual_seed(number))
        (update,) = method.step(nets, {"image": x}, step)
        optimizer.zero_grad()
        update.losses["pixel"].backward()
        optimizer.step()
    noisy = method.degrade(x, DirectionCall("restore"), torch.Generator().manual_seed(99))
    assert isinstance(noisy, Tensor)
    with torch.no_grad():
        output = nets.G(noisy)
    assert F.mse_loss(output, x) < 0.5 * F.mse_loss(noisy, x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"second": [NOISE]}, "`second` goes with `order: 2`"),
        ({"fixed": {"restore": [NOISE]}}, "`fixed` cannot name 'restore'"),
        ({"draw": "one", "degradation": [{"uses": "resize"}, NOISE]}, "a `resize` changes the size of a whole batch"),
        ({"draw": "one", "degradation": [{**NOISE, "p": 0}]}, "a step whose `p` is above 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(plugins: Registry, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        game(plugins, **options)


def test_a_network_of_another_scale_is_refused(plugins: Registry) -> None:
    with pytest.raises(ConfigError, match="the generator enlarges 1 times, not 2 times"):
        game(plugins, scale=2, generator={"uses": "unet", "levels": 3, "filters": 4})
