"""SRResNet and SRGAN: the papers' losses written out by hand, options of ESRGAN, and what the engine is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import ConfigError, Method, Nets, Step, Update, bicubic
from translate.contracts import DataSpec, NetworkUse
from translate.inference.directions import describe
from translate.inference.translator import Translator
from translate.models.bundle import structure_hash
from translate.networks import network_builder
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig

TINY = {"uses": "srresnet", "blocks": 1, "filters": 4}
CRITIC = {"uses": "srgan-critic", "filters": 2, "crop": 32}
FEATURES = {"uses": "random-features", "filters": 4, "levels": 2}
GAN: Mapping[str, Any] = {"generator": TINY, "discriminator": CRITIC, "features": FEATURES}


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return Registry()


def game(plugins: Registry, name: str, options: Mapping[str, Any], **weights: float) -> tuple[Method[Any], Nets]:
    cls = plugins.get("methods", name)
    spec = DataSpec("single", {"image": 3}, (32, 32))
    method = cls(cls.Config.model_validate(dict(options)), spec, {**cls.losses, **weights})
    torch.manual_seed(0)
    return method, Nets(method.networks(network_builder(plugins)))


def images(count: int = 2, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def updates(method: Method[Any], nets: Nets, batch: Tensor) -> list[Update]:
    step = Step(0, 0, dict.fromkeys(method.players, 0), torch.Generator().manual_seed(0))
    return list(method.step(nets, {"image": batch}, step))


def reduced(batch: Tensor, by: int = 4) -> Tensor:
    levels = (bicubic(batch, 1 / by).clamp(-1, 1) + 1) * 127.5
    return levels.round() / 127.5 - 1


@pytest.mark.parametrize(("pixel", "distance"), [("mse", F.mse_loss), ("l1", F.l1_loss)])
def test_srresnet_minimises_the_distance_of_pixels(plugins: Registry, pixel: str, distance: Any) -> None:
    method, nets = game(plugins, "srresnet", {"generator": TINY, "pixel": pixel})
    real = images()
    (update,) = updates(method, nets, real)
    assert (update.player, set(update.losses)) == ("G", {"pixel"})
    torch.testing.assert_close(update.losses["pixel"], distance(nets.G(reduced(real)), real))
    torch.testing.assert_close(update.views["input"], reduced(real))


@pytest.mark.parametrize("objective", ["non-saturating", "relativistic-average"])
def test_srgan_s_game(plugins: Registry, objective: str) -> None:
    """Equation 6 and the usual critic; or equations 1 and 2 of ESRGAN."""
    method, nets = game(plugins, "srgan", {**GAN, "objective": objective})
    real = images()
    critic, generator = updates(method, nets, real)
    fake = nets.G(reduced(real))
    a, b = nets.D(real), nets.D(fake)
    if objective == "non-saturating":
        expected = F.softplus(-a).mean() + F.softplus(b).mean(), F.softplus(-b).mean()
    else:
        up, down = a - b.mean(), b - a.mean()
        expected = (
            F.softplus(-up).mean() + F.softplus(down).mean(),
            F.softplus(-down).mean() + F.softplus(up).mean(),
        )
    torch.testing.assert_close(critic.losses["critic"], expected[0])
    torch.testing.assert_close(generator.losses["adversarial"], expected[1])
    torch.testing.assert_close(generator.losses["pixel"], F.mse_loss(fake, real))
    maps = zip(nets.features(fake), nets.features(real), strict=True)
    perceptual = torch.stack([(f - g).square().mean() for f, g in maps]).mean()
    torch.testing.assert_close(generator.losses["random_features"], perceptual)
    assert set(generator.losses) == {"adversarial", "pixel", "random_features"}


def test_the_perceptual_term_has_the_name_of_its_network(plugins: Registry) -> None:
    class Eyes(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return (2 * x,)

    options = {**GAN, "features": {"uses": "vgg19"}, "feature_distance": "l1"}
    method, nets = game(plugins, "srgan", options)
    assert method.weights["vgg"] == 0.006
    real, seen = images(), Nets({**nets, "features": Eyes()})
    _, generator = updates(method, seen, real)
    torch.testing.assert_close(generator.losses["vgg"], 2 * F.l1_loss(nets.G(reduced(real)), real))
    assert "random_features" not in generator.losses
    method, nets = game(plugins, "srgan", options, vgg=0)
    assert set(updates(method, nets, real)[1].losses) == {"adversarial", "pixel"}  # no weights were asked for


def test_gradients_reach_their_player_alone(plugins: Registry) -> None:
    method, nets = game(plugins, "srgan", GAN)
    critic, generator = updates(method, nets, images())
    assert not any(p.requires_grad for p in nets.features.parameters())
    on_g = torch.autograd.grad(critic.losses["critic"], list(nets.G.parameters()), allow_unused=True)
    assert all(g is None for g in on_g)
    total = sum(generator.losses.values())
    assert isinstance(total, Tensor)
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(total, list(nets.G.parameters())))


def test_scale_is_an_option(plugins: Registry) -> None:
    method, nets = game(plugins, "srresnet", {"scale": 2, "generator": TINY})
    assert nets.G(torch.zeros(1, 3, 5, 6)).shape == (1, 3, 10, 12)
    assert method.directions["enlarge"].scale == 2
    translator = Translator(method, dict(nets), {})
    assert translator.translate_tensor(torch.zeros(1, 3, 5, 20)).shape == (1, 3, 10, 40)
    train = TrainStage(TrainConfig(method="srresnet", options={"scale": 2}), plugins)
    assert train.promise({})["directions"]["enlarge"]["scale"] == 2
    assert describe(type(method))["enlarge"]["scale"] == 4
    with pytest.raises(ConfigError, match="srresnet: the generator enlarges 4 times, not 2 times"):
        game(plugins, "srresnet", {"scale": 2, "generator": {**TINY, "scale": 4}})
    with pytest.raises(ConfigError, match="the generator enlarges 1 times, not 4 times"):
        game(plugins, "srresnet", {"generator": "resnet_6"})


def test_rrdb_plays_too(plugins: Registry) -> None:
    rrdb = {"uses": "rrdb", "blocks": 1, "filters": 4, "growth": 2}
    method, nets = game(plugins, "srgan", {**GAN, "generator": rrdb, "objective": "relativistic-average"})
    assert len(updates(method, nets, images())) == 2


def test_sizes_that_have_no_exact_reduction(plugins: Registry) -> None:
    method, _ = game(plugins, "srresnet", {"generator": TINY})
    with pytest.raises(
        ConfigError, match=r"an image of 30 x 32 pixels has no exact reduction by 4; add \{uses: modcrop"
    ):
        method.degrade(torch.zeros(1, 3, 32, 30), "enlarge", torch.Generator())


def test_srgan_starts_from_srresnet_s_weights(plugins: Registry) -> None:
    _, first = game(plugins, "srresnet", {"generator": TINY})
    _, second = game(plugins, "srgan", GAN)
    second.G.load_state_dict(first.G.state_dict())
    assert set(first) & set(second) == {"G"}


@pytest.mark.parametrize(
    ("use", "recorded"),
    [
        ({"uses": "srresnet"}, "f94d1480394985c3433d8a4932951acfdaa78eec31d1165dc8d61aa6879cb080"),
        ({"uses": "rrdb", "growth": 2}, "c5e62f4f995a2ee1d97649be35673b4a5ef2cc6893528c65d5c90d0d880342a3"),
    ],
)
def test_models_of_version_0_1_0_still_fit(use: dict[str, Any], recorded: str) -> None:
    """Their bundles record the structure of the network, which has to be the one that is built today."""
    net = Registry().build(NetworkUse.model_validate({**use, "blocks": 1, "filters": 4}), in_channels=3, out_channels=3)
    assert structure_hash(net) == recorded
