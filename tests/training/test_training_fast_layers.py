"""Quick layers against torch's own: values, gradients, and gradients of gradients, in float64 and in bf16."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_batches import random_batches
from translate_cyclegan import CycleGAN
from translate_pix2pix import Pix2Pix

from translate.training.fast import products
from translate.training.fast.apply import as_they_lie
from translate.training.fast.choice import Choice
from translate.training.fast.convolution import forget_casts
from translate.training.fast.layers import QuickLayers
from translate.training.fast.variant import Variant

LAST = torch.channels_last
ORDERS = [torch.contiguous_format, LAST]


def stem() -> nn.Module:
    """What takes and makes images, with borders that are not alike on all sides."""
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, 8, 7),
        nn.InstanceNorm2d(8),
        nn.ReLU(inplace=True),
        nn.ReflectionPad2d((1, 2, 0, 1)),
        nn.Conv2d(8, 3, 5, padding=1),
    )


def middle() -> nn.Module:
    """Strides, groups, dilation, transposed convolutions, norms with weights."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 8, 3, groups=4, dilation=2),
        nn.InstanceNorm2d(8, affine=True),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, 1),
        nn.InstanceNorm2d(4),
        nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 2, 2, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
    )


def gradients(
    net: nn.Module, x: Tensor, *, quick: bool, low: bool = False, twice: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """The output, and the gradients of the input and of all parameters but biases that a norm takes away."""
    net.zero_grad()
    last = not x.is_contiguous()
    x = x.clone().requires_grad_(True)
    with QuickLayers([net] if quick else [], last=last).in_place():
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = net(x)
        if twice:
            (slope,) = torch.autograd.grad(y.float().square().sum() if low else y.square().sum(), x, create_graph=True)
            slope.square().sum().backward()
        else:
            weights = torch.linspace(-1, 1, y.numel(), dtype=x.dtype).reshape(y.shape)
            (y * weights).sum().backward()
    layers = [*net] if isinstance(net, nn.Sequential) else []
    dead = {id(a.bias) for a, b in pairwise(layers) if isinstance(b, nn.InstanceNorm2d)}
    assert x.grad is not None
    return y.detach(), [x.grad, *(p.grad for p in net.parameters() if id(p) not in dead and p.grad is not None)]


@pytest.mark.parametrize("order", ORDERS, ids=["contiguous", "last"])
@pytest.mark.parametrize("build", [stem, middle])
@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
def test_values_and_gradients_are_those_of_torch(build: Callable[[], nn.Module], order: Any, twice: bool) -> None:
    torch.manual_seed(0)
    net = build().double()
    for count in (1, 3):
        x = torch.randn(count, 3, 21, 19, dtype=torch.float64)
        # torch's own instance norm has wrong gradients for channels-last ones: the oracle is contiguous
        y, expected = gradients(net.to(memory_format=torch.contiguous_format), x, quick=False, twice=twice)
        near, mine = gradients(net.to(memory_format=order), x.to(memory_format=order), quick=True, twice=twice)
        torch.testing.assert_close(near, y, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(mine, expected, rtol=1e-7, atol=1e-7)


@pytest.fixture
def by_products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets every convolution in float32 go by products of matrices; returns their places."""
    places: list[int] = []

    def pays(weight: Tensor, count: int, stride: Any, low: bool) -> bool:
        places.append(count)
        return True

    monkeypatch.setattr(products, "pays", pays)
    return places


@pytest.mark.parametrize("order", ORDERS, ids=["contiguous", "last"])
@pytest.mark.parametrize("build", [stem, middle])
@pytest.mark.parametrize("low", [False, True], ids=["fp32", "bf16"])
def test_products_of_matrices_are_convolutions(
    build: Callable[[], nn.Module], order: Any, low: bool, by_products: list[int]
) -> None:
    torch.manual_seed(0)
    net = build()
    x = torch.randn(3, 3, 20, 19)
    exact = [value.clone() for value in gradients(net.double(), x.double(), quick=False)[1]]
    net.float()
    _, mine = gradients(net.to(memory_format=order), x.to(memory_format=order), quick=True, low=low)
    assert len(by_products) >= 2
    for near, truth in zip(mine, exact, strict=True):
        # bf16 has 8 bits: a norm takes the large part of a gradient away, and a value near 0 may get another sign
        assert (near - truth).norm() / truth.norm() < (0.3 if low else 1e-5)
        assert near.dtype == torch.float32


def deep() -> nn.Module:
    """Convolutions of many channels, one way and the other."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 6, 3, padding=2, dilation=2),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(6, 5, 3, 2, 1, 1),
        nn.Conv2d(5, 6, (1, 4), padding=(0, 1)),
    )


def test_with_avx2_gradients_of_weights_are_those_of_contiguous_images(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[torch.Size] = []

    def copied(images: Tensor) -> Tensor:
        copies.append(images.shape)
        return images.contiguous()

    torch.manual_seed(0)
    net, x = deep(), torch.randn(2, 3, 20, 18)
    exact = [value.clone() for value in gradients(net.double(), x.double(), quick=False)[1]]
    net.float().to(memory_format=LAST)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    _, mine = gradients(net, x.to(memory_format=LAST), quick=True)
    torch.testing.assert_close([value.double() for value in mine], exact, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr("translate.training.fast.convolution._copied", copied)
    _, same = gradients(net, x.to(memory_format=LAST), quick=True)
    assert all(torch.equal(a, b) for a, b in zip(mine, same, strict=True))
    assert len(copies) == 6  # two of each layer but the first, whose images have three channels
    assert all(param.grad is not None and param.grad.stride() == param.stride() for param in net.parameters())


def test_layers_of_many_weights_and_few_places_go_by_products() -> None:
    many, few = torch.empty(512, 512, 4, 4, device="meta"), torch.empty(64, 64, 3, 3, device="meta")
    for places, low, stride, expected in (
        (64, False, 2, True),
        (1024, False, 2, False),
        (1024, True, 2, True),
        (1024, True, 1, False),
        (4096, True, 2, False),
    ):
        assert products.pays(many, places, (stride, stride), low) == expected
    assert not products.pays(few, 64, (2, 2), True) and not products.pays(many.double(), 64, (2, 2), True)
    assert products.low_pays(256) and not products.low_pays(64)


def test_a_fused_optimizer_sees_weights_as_they_lie() -> None:
    torch.manual_seed(0)
    start, steps = torch.randn(6, 5, 3, 2), [torch.randn(6, 5, 3, 2) for _ in range(3)]
    results = []
    for order, fused in ((torch.contiguous_format, False), (LAST, True)):
        param = nn.Parameter(start.clone(memory_format=order))
        optimizer = torch.optim.Adam([param], lr=0.1, fused=fused)
        for step in steps:
            param.grad = step.clone(memory_format=order)
            with as_they_lie(optimizer):
                assert param.is_contiguous()
                optimizer.step()
        slots = optimizer.state[param]
        assert param.is_contiguous(memory_format=order) and param.shape == start.shape
        assert slots["exp_avg"].stride() == param.stride()
        results.append((param.detach(), slots["exp_avg_sq"]))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("order", ORDERS, ids=["contiguous", "last"])
@pytest.mark.parametrize("build", [stem, middle])
def test_in_bf16_they_are_as_near_to_float64_as_torch_is(build: Callable[[], nn.Module], order: Any) -> None:
    torch.manual_seed(0)
    net = build()
    x = torch.randn(3, 3, 21, 19)
    _, exact = gradients(net.double(), x.double(), quick=False)
    exact = [value.clone() for value in exact]
    net.float()
    _, plain = gradients(net, x, quick=False, low=True)
    plain = [value.clone() for value in plain]
    _, mine = gradients(net.to(memory_format=order), x.to(memory_format=order), quick=True, low=True)
    for near, other, truth in zip(mine, plain, exact, strict=True):
        wrong, usual = (near - truth).norm() / truth.norm(), (other - truth).norm() / truth.norm()
        assert wrong < 1.5 * usual + 0.02
        assert near.dtype == torch.float32


def by_itself(net: nn.Sequential, x: Tensor, seen: list[Tensor]) -> Tensor:
    return net(x)  # type: ignore[no-any-return]


def layer_by_layer(net: nn.Sequential, x: Tensor, seen: list[Tensor]) -> Tensor:
    for layer in net:
        x = layer(x)
        seen.append(x)
    return x


def by_a_slice(net: nn.Sequential, x: Tensor, seen: list[Tensor]) -> Tensor:
    seen.append(net[:2](x))
    return net(x)  # type: ignore[no-any-return]


def by_a_hook(net: nn.Sequential, x: Tensor, seen: list[Tensor]) -> Tensor:
    handle = net[1].register_forward_hook(lambda layer, given, output: seen.append(output))
    try:
        return net(x)  # type: ignore[no-any-return]
    finally:
        handle.remove()


def by_a_hook_of_the_norm(net: nn.Sequential, x: Tensor, seen: list[Tensor]) -> Tensor:
    handle = net[2].register_forward_hook(lambda layer, given, output: seen.append(given[0]))
    try:
        return net(x)  # type: ignore[no-any-return]
    finally:
        handle.remove()


@pytest.mark.parametrize("look", [by_itself, layer_by_layer, by_a_slice, by_a_hook, by_a_hook_of_the_norm])
def test_a_loss_of_what_is_between_two_layers_has_its_gradients(look: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    net, x = stem(), torch.randn(2, 3, 12, 12)
    found = []
    for quick in (False, True):
        net.zero_grad()
        seen: list[Tensor] = []
        with QuickLayers([net] if quick else []).in_place():
            output = look(net, x, seen)
            (output.square().mean() + sum(value.square().mean() for value in seen)).backward()
        found.append([param.grad.clone() for param in net.parameters()])
    for plain, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-4)


def test_a_bias_before_a_norm_stays_as_it_is() -> None:
    net = stem()
    gradients(net, torch.randn(1, 3, 12, 12), quick=True)
    assert net[1].bias.grad.eq(0).all()
    assert "dead_bias" not in vars(net[1])


def test_a_sequence_without_layers_gives_what_it_gets() -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Sequential()), torch.randn(1, 3, 4, 4)
    expected = net(x)
    with QuickLayers([net]).in_place():
        torch.testing.assert_close(net(x), expected)


def test_images_stay_channels_last_behind_those_of_one_pixel() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1), nn.Conv2d(4, 4, 2), nn.ConvTranspose2d(4, 4, 4, 2), nn.Conv2d(4, 2, 1)
    )
    with QuickLayers([net], last=True).in_place():
        assert net(torch.randn(2, 3, 4, 4)).is_contiguous(memory_format=LAST)


def test_layers_are_torchs_own_outside_of_a_step() -> None:
    class Own(nn.Conv2d):
        pass

    net = nn.Sequential(nn.Conv2d(3, 3, 1), Own(3, 3, 1), nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 3, 1)))
    types, names = [type(layer) for layer in net.modules()], [*net.state_dict()]
    with pytest.raises(ValueError, match="in the midst"), QuickLayers([net]).in_place():
        within = [type(layer) for layer in net.modules()]
        assert within[1] is not types[1] and within[2:] == types[2:] and [*net.state_dict()] == names
        raise ValueError("in the midst")
    assert [type(layer) for layer in net.modules()] == types


def test_weights_are_cast_anew_after_an_update() -> None:
    layer = nn.Sequential(nn.Conv2d(4, 4, 3))
    x = torch.randn(1, 4, 8, 8)
    with QuickLayers([layer]).in_place(), torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        before = layer(x)
        layer[0].weight.mul_(2)
        after = layer(x)
        layer[0].weight.data.mul_(2)  # of which torch keeps no version
        forget_casts()
        later = layer(x)
    bias = layer[0].bias.detach()[:, None, None]
    for value, times in ((after, 2), (later, 4)):
        torch.testing.assert_close(value.float() - bias, times * (before.float() - bias), rtol=0.05, atol=0.05)


CRITIC = {"uses": "patchgan", "filters": 8, "layers": 2}
GAMES = [
    (Pix2Pix, {"generator": {"uses": "unet", "levels": 5, "filters": 8}, "discriminator": CRITIC}),
    (CycleGAN, {"generator": {"uses": "resnet", "blocks": 2, "filters": 8}, "discriminator": CRITIC, "pool": 2}),
]


@pytest.mark.parametrize(("cls", "options"), GAMES, ids=["pix2pix", "cyclegan"])
@pytest.mark.parametrize(
    ("order", "layers"), [("contiguous", "quick"), ("channels_last", "quick"), ("channels_last", "plain")]
)
def test_steps_in_another_variant_are_those_of_the_plain_loop(
    cls: Any, options: Any, order: Any, layers: Any, make_engine: Any, one_thread: None
) -> None:
    plain, quick = make_engine(cls, options), make_engine(cls, options)
    quick.choice = Choice(Variant("fp32", order, merge=True, layers=layers))
    quick.apply_choice()
    sides = {"paired": ("input", "target"), "unpaired": ("a", "b")}[cls.data]
    for batch in random_batches(sides, 4):
        for engine in (plain, quick):
            engine.step([batch], 0)
        expected, losses = plain.read_meters(), quick.read_meters()
        assert all(losses[name] == pytest.approx(value, abs=2e-5, rel=1e-3) for name, value in expected.items())
