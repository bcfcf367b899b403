"""Doubling the size: shapes and parameters of every generator that has a choice, the first weights of a pixel-shuffle,
and the checkerboards of fresh networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from translate_bicyclegan.networks import CodedUNet
from translate_colorization.networks import Zhang
from translate_discogan import DiscoGAN
from translate_discogan.networks import DiscoGenerator
from translate_genegan import GeneGAN
from translate_genegan.networks import Joiner
from translate_latent.networks import Generator
from translate_pix2pixhd import Global, Pix2PixHD
from translate_pix2pixhd.networks import Coarse, Enhancer
from translate_srgan.networks import SRResNet
from translate_stargan.networks import StarGenerator

from translate import ContractError, Method, Network, NoOptions, doubling, stack
from translate.metrics import Checkerboard
from translate.networks import ResNet, UNet, count_parameters
from translate.testing.harness import MethodHarness

OTHERS = ("nearest", "bilinear", "pixel-shuffle")
Inputs = Callable[[int, int], tuple[Tensor, ...]]


def noise(channels: int) -> Inputs:
    return lambda height, width: (torch.randn(8, channels, height, width),)


def of_the_enhancer(height: int, width: int) -> tuple[Tensor, ...]:
    """Maps of such a size, and features of half of it."""
    return torch.randn(8, 3, 2 * height, 2 * width), torch.randn(8, 4, height, width)


def of_the_coded_unet(height: int, width: int) -> tuple[Tensor, ...]:
    return torch.randn(8, 3, height, width), torch.randn(8, 8)


NETWORKS: dict[str, tuple[type[Network[Any]], dict[str, Any], Inputs, tuple[tuple[int, int], ...]]] = {
    "resnet": (ResNet, {"filters": 4, "blocks": 1}, noise(3), ((5, 7), (33, 34), (12, 8))),
    "unet": (UNet, {"filters": 4, "levels": 3}, noise(3), ((16, 24),)),
    "coded unet": (CodedUNet, {"filters": 4, "levels": 3}, of_the_coded_unet, ((16, 24),)),
    "stargan": (StarGenerator, {"filters": 4, "blocks": 1}, noise(3), ((12, 20), (8, 8))),
    "discogan": (DiscoGenerator, {"width": 4}, noise(3), ((16, 48),)),
    "genegan": (Joiner, {"width": 4}, noise(3), ((3, 5), (4, 2))),
    "coarse": (Coarse, {"filters": 4, "levels": 2, "blocks": 1}, noise(3), ((24, 40),)),
    "enhancer": (Enhancer, {"filters": 4, "blocks": 1}, of_the_enhancer, ((7, 5), (6, 8))),
    "zhang": (Zhang, {"filters": 2}, noise(3), ((24, 40),)),
    "latent": (Generator, {"filters": 4, "size": (24, 40)}, lambda height, width: (torch.randn(8, 3),), ((24, 40),)),
}
"""Networks that double: options, arguments of a call for a height and a width, and sizes."""


def made(name: str, upsample: str, **options: Any) -> nn.Module:
    kind, small, *_ = NETWORKS[name]
    return kind(kind.Config(**{**small, "upsample": upsample, **options}), in_channels=3, out_channels=3)


def shuffled(net: nn.Module) -> list[nn.Conv2d]:
    """The convolutions before a pixel-shuffle."""
    found = []
    for sequence in net.modules():
        layers = [*sequence] if isinstance(sequence, nn.Sequential) else []
        for layer, following in pairwise(layers):
            if isinstance(following, nn.PixelShuffle):
                assert isinstance(layer, nn.Conv2d)
                found.append(layer)
    return found


def enlarged(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_has_the_sizes_of_the_transposed_network(name: str) -> None:
    *_, inputs, sizes = NETWORKS[name]
    transposed = made(name, "transposed")
    for kind in OTHERS:
        net = made(name, kind)
        assert not any(isinstance(layer, nn.ConvTranspose2d) and layer.stride == (2, 2) for layer in net.modules())
        for size in sizes:
            call = inputs(*size)
            assert net(*call).shape == transposed(*call).shape


@pytest.mark.parametrize(("method", "doublings"), [(GeneGAN, 3), (DiscoGAN, 8), (Global, 1), (Pix2PixHD, 2)])
def test_methods_with_networks_of_their_own_pass_the_option_on(method: type[Method[Any]], doublings: int) -> None:
    harness = MethodHarness(method, options={**method.small, "upsample": "pixel-shuffle"})
    nets = harness.built(harness.method()).values()
    layers = [layer for net in nets for layer in net.modules()]
    assert sum(isinstance(layer, nn.PixelShuffle) for layer in layers) == doublings
    assert not any(isinstance(layer, nn.ConvTranspose2d) for layer in layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_of_nine_weights_take_the_place_of_the_transposed_ones(name: str) -> None:
    net = made(name, "transposed")
    transposed = [layer for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d) and layer.stride == (2, 2)]
    others = count_parameters(net) - sum(map(count_parameters, transposed))
    pairs = sum(layer.in_channels * layer.out_channels for layer in transposed)
    biases = sum(layer.out_channels for layer in transposed if layer.bias is not None)
    assert transposed
    for kind, times in (("nearest", 1), ("bilinear", 1), ("pixel-shuffle", 4)):
        assert count_parameters(made(name, kind)) == others + times * (9 * pairs + biases)


def test_the_published_size_of_a_generator_with_nearest() -> None:
    """DCGAN's four doublings of 1024 to 3 channels, with 9 weights where 3,576,704 parameters have 16."""
    net = Generator(Generator.Config(upsample="nearest"), in_channels=100, out_channels=3)
    pairs = 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3
    assert count_parameters(net) == 3_576_704 - 7 * pairs


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("zhang", "enhancer")])
def test_fresh_networks_paint_a_checkerboard_with_transposed_convolutions_alone(name: str) -> None:
    size = {"genegan": (8, 8), "coarse": (128, 128)}.get(name, (64, 64))
    wider = {"width" if name in ("genegan", "discogan") else "filters": 8}
    wider |= {"size": (64, 64)} if name == "latent" else {}
    clear = {}
    for kind in ("transposed", *OTHERS):
        torch.manual_seed(0)
        net, call = made(name, kind, **wider), NETWORKS[name][2](*size)
        if name == "genegan":
            net = Joiner(Joiner.Config(width=8, upsample=kind), in_channels=32, out_channels=3)
            call = (torch.randn(8, 32, 8, 8),)
        with torch.no_grad():
            images = [(image + 1) / 2 for image in net(*call)]
        assert images[0].shape == (3, 64, 64)
        details = Checkerboard(Checkerboard.Config()).details(images, images)
        clear[kind] = details["checkerboard/outputs"]
        assert kind != "transposed" or details["checkerboard/period"] == 2
    assert clear["transposed"] > 50
    assert max(clear[kind] for kind in OTHERS) < 8


@pytest.mark.parametrize("name", ["resnet", "unet", "coded unet", "stargan", "coarse", "enhancer", "zhang"])
@pytest.mark.parametrize("spectral", [False, True])
def test_the_four_channels_of_a_place_begin_alike(name: str, spectral: bool) -> None:
    for init in ("normal", "xavier", "kaiming", "orthogonal"):
        torch.manual_seed(3)
        net = made(name, "pixel-shuffle", init=init, spectral=spectral)
        torch.manual_seed(3)
        again = made(name, "pixel-shuffle", init=init, spectral=spectral)
        layers = shuffled(net)
        assert layers
        for layer, same in zip(layers, shuffled(again), strict=True):
            weight, first = layer.weight, same.weight[::4]  # in training each look moves the vectors of a spectral norm
            assert torch.equal(weight, first.repeat_interleave(4, 0))
            assert len(first) == 1 or not torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", ["resnet", "unet", "coded unet", "stargan", "coarse", "enhancer", "latent"])
def test_every_kind_has_the_names_of_the_transposed_network(name: str) -> None:
    names = made(name, "transposed").state_dict().keys()
    for kind in OTHERS:
        assert made(name, kind).state_dict().keys() == names


@pytest.mark.parametrize("name", ["discogan", "genegan", "latent"])
def test_so_they_do_in_networks_without_an_option_for_the_first_weights(name: str) -> None:
    layers = shuffled(made(name, "pixel-shuffle"))
    assert layers
    for layer in layers:
        assert torch.equal(layer.weight, layer.weight[::4].repeat_interleave(4, 0))
        assert layer.bias is None or torch.equal(layer.bias, layer.bias[::4].repeat_interleave(4))


class Twice(Network[NoOptions]):
    """A doubling, and nothing beside it."""

    def __init__(self) -> None:
        super().__init__(NoOptions(), in_channels=3, out_channels=5)
        self.layers = stack(doubling("pixel-shuffle", nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1)))


@pytest.mark.parametrize("drawn", [False, True])
def test_a_fresh_pixel_shuffle_repeats_the_pixels_of_a_smaller_convolution(drawn: bool) -> None:
    """Exactly: images of whole numbers and weights in steps of 1 / 4096 have sums without rounding."""
    net = Twice()
    if drawn:
        net.initialise("kaiming")
    layers = net.layers
    for values in layers.parameters():
        values.data = (4096 * values.data).round() / 4096
    x = torch.randint(-128, 128, (2, 3, 6, 7)).float()
    smaller = F.conv2d(x, layers.conv.weight[::4], layers.conv.bias[::4], padding=1)
    assert torch.equal(layers(x), enlarged(smaller)) and smaller.std() > 1


def test_it_is_drawn_as_the_smaller_kernel_that_it_is() -> None:
    """Orthogonal weights: the rows of the kernel are, of which the larger one has each four times."""
    net = made("resnet", "pixel-shuffle", init="orthogonal", gain=2.0, filters=8)
    for layer in shuffled(net):
        rows = layer.weight[::4].flatten(1)
        torch.testing.assert_close(rows @ rows.T, 4 * torch.eye(len(rows)), rtol=0, atol=1e-4)


def test_a_copy_of_a_network_is_drawn_alike_as_well() -> None:
    net = copy.deepcopy(made("unet", "pixel-shuffle"))
    assert isinstance(net, UNet)
    net.initialise("normal", 1.0)
    for layer in shuffled(net):
        assert torch.equal(layer.weight, layer.weight[::4].repeat_interleave(4, 0)) and layer.weight.std() > 0.5


def test_the_pixel_shuffle_of_super_resolution_begins_as_its_paper_says() -> None:
    net = SRResNet(SRResNet.Config(filters=4, blocks=1), in_channels=3, out_channels=3)
    layers = shuffled(net)
    assert layers and not any(torch.equal(layer.weight[0], layer.weight[1]) for layer in layers)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(4, 4, 4, stride=2),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1),
        nn.ConvTranspose2d(4, 4, 4, stride=1, padding=1),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=2),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, dilation=2),
        nn.ConvTranspose2d(4, 4, (4, 3), stride=2, padding=1),
    ],
)
def test_what_does_not_double_is_refused(layer: nn.ConvTranspose2d) -> None:
    with pytest.raises(ContractError, match=r"ConvTranspose2d\(4, 4, .* does not make 2 n pixels of n in one group"):
        doubling("nearest", layer)


@pytest.mark.parametrize(("kernel", "padding", "more"), [(2, 0, 0), (3, 1, 1), (4, 1, 0), (6, 2, 0)])
def test_what_doubles_is_accepted(kernel: int, padding: int, more: int) -> None:
    layer = nn.ConvTranspose2d(4, 3, kernel, stride=2, padding=padding, output_padding=more)
    assert layer(torch.zeros(1, 4, 5, 6)).shape == (1, 3, 10, 12)
    assert stack(doubling("bilinear", layer))(torch.zeros(1, 4, 5, 6)).shape == (1, 3, 10, 12)
