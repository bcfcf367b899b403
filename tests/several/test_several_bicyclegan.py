"""BicycleGAN: its divergence in closed form, whom each loss moves, and where the code goes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from translate_bicyclegan import BicycleGAN, divergence
from translate_bicyclegan.networks import CodedUNet, Encoder, HalvingBlock, with_code

from translate import ConfigError, DataSpec, Nets, Step, Update
from translate.networks import network_builder
from translate.plugins import Registry
from translate.testing.batches import tiny_batch

SMALL = {
    "generator": {"uses": "bicyclegan/unet", "filters": 4, "levels": 3},
    "encoder": {"uses": "bicyclegan/encoder", "filters": 4, "blocks": 2},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
    "code": 5,
}
Game = Callable[..., tuple[BicycleGAN, dict[str, nn.Module]]]


@pytest.fixture
def play() -> Game:
    """play(options) -> the method and its networks, with weights that are not nearly 0."""

    def build(**options: Any) -> tuple[BicycleGAN, dict[str, nn.Module]]:
        spec = DataSpec("paired", {"input": 3, "target": 3}, (32, 32))
        method = BicycleGAN(BicycleGAN.Config(**{**SMALL, **options}), spec, dict(BicycleGAN.losses))
        torch.manual_seed(0)
        nets = method.networks(network_builder(Registry()))
        for net in nets.values():
            for p in net.parameters():
                if p.ndim > 1:
                    nn.init.normal_(p, 0, p[0].numel() ** -0.5)
        return method, nets

    return build


def updates(method: BicycleGAN, nets: dict[str, nn.Module], seed: int = 0) -> list[Update]:
    step = Step(0, 0, {"GE": 0, "D": 0}, torch.Generator().manual_seed(seed))
    return list(method.step(Nets(nets), tiny_batch("paired", size=32), step))


def moved(loss: Tensor, net: nn.Module) -> bool:
    parameters = list(net.parameters())
    slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return any(slope is not None and bool(slope.any()) for slope in slopes)


def test_the_divergence_of_a_unit_shift_is_half_a_unit_per_number() -> None:
    assert float(divergence(torch.ones(3, 8), torch.zeros(3, 8))) == pytest.approx(8 * 0.5)
    assert float(divergence(torch.zeros(3, 8), torch.zeros(3, 8))) == 0


def test_the_divergence_is_that_of_torch() -> None:
    rng = torch.Generator().manual_seed(3)
    mean, log_variance = (torch.randn(4, 6, generator=rng) for _ in range(2))
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0, 1)).sum(1).mean()
    assert float(divergence(mean, log_variance)) == pytest.approx(float(expected), rel=1e-5)


def test_generator_and_encoder_move_together_and_the_latent_loss_moves_the_generator_alone(play: Game) -> None:
    method, nets = play()
    first, second = updates(method, nets)
    assert (first.player, second.player) == ("GE", "D")
    gen, encoder = nets["gen"], nets["encoder"]
    assert {name: (moved(loss, gen), moved(loss, encoder)) for name, loss in first.losses.items()} == {
        "adversarial_encoded": (True, True),
        "adversarial_random": (True, False),
        "l1": (True, True),
        "kl": (False, True),
        "latent": (True, False),
    }
    assert all(p.requires_grad for p in encoder.parameters())
    # each critic has a loss of its own, and none of them moves the others' networks
    for name, critic, other in (("encoded", "D_encoded", "D_random"), ("random", "D_random", "D_encoded")):
        loss = second.losses[f"critic_{name}"]
        assert moved(loss, nets[critic]) and not any(moved(loss, nets[n]) for n in (other, "gen", "encoder"))


class Constant(nn.Module):
    """Returns what it was given at the start, for any input."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value, self.calls = value, list[tuple[Tensor, ...]]()

    def forward(self, *inputs: Tensor) -> Any:
        self.calls.append(inputs)
        return self.value


def test_losses_in_closed_form(play: Game) -> None:
    """With networks that return constants, every loss of the paper is a number that one can write down."""
    method, _ = play()
    batch = {"input": torch.zeros(2, 3, 8, 8), "target": torch.full((2, 3, 8, 8), 0.25)}
    mean, log_variance = torch.full((2, 5), 0.5), torch.full((2, 5), 1.0)
    nets = {
        "gen": Constant(torch.full((2, 3, 8, 8), -0.5)),
        "encoder": Constant((mean, log_variance)),
        "D_encoded": Constant(torch.full((2, 1), 0.8)),
        "D_random": Constant(torch.full((2, 1), 0.3)),
    }
    step = Step(0, 0, {"GE": 0, "D": 0}, torch.Generator().manual_seed(5))
    first, second = method.step(Nets(nets), batch, step)
    draws = torch.Generator().manual_seed(5)
    e, z = (torch.randn(2, 5, generator=draws) for _ in range(2))
    encoded, random = (call[1] for call in nets["gen"].calls)
    assert torch.allclose(encoded, 0.5 + torch.tensor(0.5).exp() * e) and torch.equal(random, z)
    expected = {
        "adversarial_encoded": (1 - 0.8) ** 2,
        "adversarial_random": (1 - 0.3) ** 2,
        "l1": 0.75,
        "kl": 5 * (0.25 + torch.e - 1 - 1) / 2,
        "latent": float((z - 0.5).abs().mean()),
    }
    for name, value in expected.items():
        assert float(first.losses[name]) == pytest.approx(value, rel=1e-5), name
    assert float(second.losses["critic_encoded"]) == pytest.approx((1 - 0.8) ** 2 + 0.8**2)
    assert float(second.losses["critic_random"]) == pytest.approx((1 - 0.3) ** 2 + 0.3**2)
    assert all(call[0].shape[1] == 6 for call in nets["D_encoded"].calls)  # input and output side by side


def test_without_condition_critics_see_outputs_alone(play: Game) -> None:
    method, nets = play(conditional=False)
    assert updates(method, nets)
    assert nets["D_random"].in_channels == 3


def test_a_direction_draws_its_code_or_takes_that_of_an_exemplar(play: Game) -> None:
    method, nets = play()
    batch = tiny_batch("paired", size=32)
    image, exemplar = batch["input"], batch["target"]

    class Draw:
        def normal(self, *shape: int) -> Tensor:
            return torch.full((2, *shape), 0.7)

    drawn = method.translate(Nets(nets), {"image": image}, "a_to_b", Draw())
    assert torch.allclose(drawn, nets["gen"](image, torch.full((2, 5), 0.7)))
    like = method.translate(Nets(nets), {"image": image, "exemplar": exemplar}, "like", None)
    assert torch.allclose(like, nets["gen"](image, nets["encoder"](exemplar)[0]))


def test_the_code_stands_beside_every_layer_of_the_encoder() -> None:
    net = CodedUNet(CodedUNet.Config(filters=4, levels=4, code=3), in_channels=2, out_channels=1)
    assert [down.conv.in_channels for down in net.down] == [2 + 3, 4 + 3, 8 + 3, 16 + 3]
    seen: list[Tensor] = []
    for down in net.down:
        down.conv.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    z = torch.tensor([[0.1, -0.2, 0.3]])
    net(torch.rand(1, 2, 16, 32), z)
    for x in seen:
        assert torch.equal(x[:, -3:], z[..., None, None].expand(1, 3, *x.shape[-2:]))


def test_a_code_of_another_length_than_the_method_s_is_refused(play: Game) -> None:
    with pytest.raises(ConfigError, match="the generator takes codes of 4 numbers, and `code` is 5"):
        play(generator={**SMALL["generator"], "code": 4})  # type: ignore[dict-item]


def test_the_unet_is_its_formula() -> None:
    """Without norms: nested convolutions, written here by hand."""
    net = CodedUNet(CodedUNet.Config(filters=2, levels=2, code=1, norm="none"), in_channels=1, out_channels=1).double()
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.5)
    x, z = torch.rand(1, 1, 8, 8).double(), torch.tensor([[0.4]]).double()

    def coded(h: Tensor) -> Tensor:
        return torch.cat((h, torch.full_like(h[:, :1], 0.4)), 1)

    w = [(layer.conv.weight, layer.conv.bias) for layer in [*net.down, *net.up]]
    outer = F.conv2d(coded(x), *w[0], stride=2, padding=1)
    inner = F.conv2d(coded(F.leaky_relu(outer, 0.2)), *w[1], stride=2, padding=1)
    up = F.conv_transpose2d(F.relu(inner), *w[2], stride=2, padding=1)
    last = F.conv_transpose2d(F.relu(torch.cat((outer, up), 1)), *w[3], stride=2, padding=1).tanh()
    assert torch.allclose(net(x, z), last)


@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
def test_sizes_of_the_unet(upsample: Any) -> None:
    net = CodedUNet(CodedUNet.Config(filters=2, levels=3, upsample=upsample), in_channels=3, out_channels=1)
    assert net(torch.rand(2, 3, 16, 24), torch.zeros(2, 8)).shape == (2, 1, 16, 24)
    with pytest.raises(ConfigError, match="that 8 divides"):
        net(torch.rand(1, 3, 12, 16), torch.zeros(1, 8))


def test_the_encoder_takes_the_mean_over_all_places() -> None:
    net = Encoder(Encoder.Config(filters=4, blocks=2), in_channels=3, out_channels=6)
    for size in ((8, 8), (32, 20)):
        mean, log_variance = net(torch.rand(2, 3, *size))
        assert mean.shape == log_variance.shape == (2, 6)
    with pytest.raises(ConfigError, match="at least 8 x 8"):
        net(torch.rand(1, 3, 4, 8))


def test_a_halving_block_is_its_formula() -> None:
    block = HalvingBlock(2, 3, Encoder.Config(norm="none")).double()
    x = torch.rand(1, 2, 6, 4).double()
    branch = block.branch
    h = F.conv2d(F.leaky_relu(x, 0.2), branch.conv1.weight, branch.conv1.bias, padding=1)
    h = F.conv2d(F.leaky_relu(h, 0.2), branch.conv2.weight, branch.conv2.bias, padding=1)
    skip = F.conv2d(F.avg_pool2d(x, 2), block.skip.conv.weight, block.skip.conv.bias)
    assert torch.allclose(block(x), F.avg_pool2d(h, 2) + skip)


def test_a_code_is_a_constant_map() -> None:
    maps = with_code(torch.zeros(2, 1, 2, 3), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert maps.shape == (2, 3, 2, 3) and maps[1, 2].unique().tolist() == [4]
