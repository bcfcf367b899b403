"""The layers of fast networks: float64 and torch's own layers are the oracles; a batch gives what its images give."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate.contracts import TestTime
from translate.inference.fast.image_dropout import drawing_from, image_dropout
from translate.inference.fast.low_layers import SplitConvolution
from translate.inference.fast.norms import SMALL, ImageNorm, LowImageNorm, fast_norm
from translate.inference.fast_kernels import optimized
from translate.networks import ResNet, UNet, prepare_for_inference

CPU = torch.device("cpu")
ULP = 2.0**-7
"""The distance of neighbouring bf16 numbers, relative to them, at most."""


@pytest.mark.parametrize("stride", [1, 2])
def test_a_split_convolution_is_the_exact_one_rounded_once(rng, stride):
    layer = nn.Conv2d(3, 8, 5, stride=stride, padding=2).requires_grad_(False)
    x = torch.rand(2, 3, 20, 30, generator=rng) * 2 - 1
    with torch.inference_mode():
        exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), stride, 2)
        split = SplitConvolution(layer, torch.bfloat16)(x).double()
        rounded = layer.to(torch.bfloat16)(x.bfloat16()).double()
    # The bias is rounded, too, and what is left out is 2^-16 of each product.
    assert ((split - exact).abs() <= ULP / 2 * exact.abs() + 4e-3 * layer.bias.abs().max() + 1e-4).all()
    assert (split - exact).abs().mean() < (rounded - exact).abs().mean()


@pytest.mark.parametrize("affine", [False, True])
def test_fast_norms_are_instance_norms(rng, affine):
    layer = nn.InstanceNorm2d(6, affine=affine)
    if affine:
        nn.init.normal_(layer.weight, generator=rng)
        nn.init.normal_(layer.bias, generator=rng)
    x = torch.randn(3, 6, 9, 17, generator=rng) * 3 + 2
    weight, bias = (layer.weight, layer.bias) if affine else (None, None)
    mean, variance = x.double().mean((2, 3), keepdim=True), x.double().var((2, 3), keepdim=True, correction=0)
    exact = (x.double() - mean) / (variance + layer.eps).sqrt()
    if affine:
        exact = exact * weight.double()[:, None, None] + bias.double()[:, None, None]
    with torch.inference_mode():
        assert type(fast_norm(layer, low=False)) is ImageNorm and type(layer) is nn.InstanceNorm2d
        assert (fast_norm(layer, low=False)(x) - exact).abs().max() < 1e-5
        low = fast_norm(layer, low=True)(x.to(memory_format=torch.channels_last))
        assert (low - exact).abs().max() < 1e-5 and low.is_contiguous(memory_format=torch.channels_last)


def test_norms_of_small_images_leave_the_low_type_and_those_of_large_ones_stay(rng):
    norm = LowImageNorm(2)
    with torch.inference_mode():
        assert norm(torch.randn(1, 2, 8, 8, generator=rng).bfloat16()).dtype == torch.float32
        large = torch.zeros(1, 2, SMALL // 1024, 1024).bfloat16()
        assert norm(large).dtype == torch.bfloat16
    with pytest.raises(ValueError, match=r"1 spatial element|1 value per channel"):
        ImageNorm(2)(torch.zeros(1, 2, 1, 1))
    tracked = nn.InstanceNorm2d(2, track_running_stats=True)
    assert fast_norm(tracked, low=True) is tracked


def test_batch_norms_become_part_of_convolutions(lively, rng):
    net = prepare_for_inference(lively(UNet, filters=8, levels=3, norm="batch"), TestTime(norm="running"))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -1, 1, generator=rng)
            nn.init.uniform_(layer.running_var, 0.5, 2, generator=rng)
    x = torch.rand(2, 3, 16, 24, generator=rng) * 2 - 1
    with torch.inference_mode():
        exact = net(x)
        fast = optimized({"net": net}, CPU, "fp32")["net"]
        assert (fast(x) - exact).abs().max() < 1e-4
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


def test_a_norm_that_others_see_stays(rng):
    shared = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    net = nn.Sequential(shared, nn.Sequential(shared[0], nn.ReLU())).eval()
    fast = optimized({"net": net}, CPU, "fp32")["net"]
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())
    x = torch.rand(1, 3, 5, 5, generator=rng)
    with torch.inference_mode():
        assert torch.allclose(fast(x), net(x), atol=1e-6)


NETS = {
    "unet": lambda lively, **more: lively(UNet, filters=8, levels=5, norm="batch", **more),
    "resnet": lambda lively, **more: lively(ResNet, filters=16, blocks=2, **more),
}


@pytest.mark.parametrize("norm", ["image", "running"])
@pytest.mark.parametrize("name", NETS)
def test_a_batch_gives_the_bits_of_its_images(lively, rng, name, norm):
    """In bf16; in float32 a program takes images one by one."""
    net = prepare_for_inference(NETS[name](lively), TestTime(norm=norm))
    fast = optimized({"net": net}, CPU, "bf16")["net"]
    x = torch.rand(5, 3, 64, 96, generator=rng) * 2 - 1
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        alone = torch.cat([fast(image) for image in x.split(1)])
        for batch in (2, 3, 5):
            assert torch.equal(torch.cat([fast(images) for images in x.split(batch)]), alone)


@pytest.mark.parametrize("low", [False, True])
def test_dropout_of_a_batch_is_that_of_its_images(rng, low):
    layer, x = nn.Dropout(0.3), torch.randn(4, 6, 5, 7, generator=rng)
    own = image_dropout(layer)
    expected = []
    for seed, image in enumerate(x.split(1)):
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            expected.append(F.dropout(image, 0.3))
    given = x.to(torch.bfloat16, memory_format=torch.channels_last) if low else x
    with drawing_from(range(4)):
        together = own(given)
    wanted = torch.cat(expected)
    assert torch.equal(together == 0, wanted == 0) and type(layer) is nn.Dropout
    assert torch.equal(together, wanted) or (low and torch.allclose(together.float(), wanted, rtol=ULP))
