"""The networks' fast copies: torch's own convolutions, autocast and the originals are the oracles."""

import platform

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from translate_srgan.networks import SRResNet

from translate.contracts import TestTime
from translate.inference.fast_kernels import ROOM, FastConv2d, fast_conv2d, optimized
from translate.networks import ResNet, UNet, prepare_for_inference

CPU = torch.device("cpu")
NNPACK = torch.backends.nnpack.is_available()


@pytest.mark.parametrize("kernel", [3, 4, 5, 7, 8])
@pytest.mark.parametrize("count", [1, 3])
def test_fast_convolutions_are_convolutions(rng, kernel, count):
    for height, width, padding in ((8, 8, (0, 0)), (33, 47, (1, 2)), (9, 70, (kernel // 2, kernel // 2))):
        x, w = (torch.randn(*shape, generator=rng) for shape in ((count, 16, height, width), (6, 16, kernel, kernel)))
        for bias in (None, torch.randn(6, generator=rng)):
            exact = F.conv2d(x.double(), w.double(), None if bias is None else bias.double(), padding=padding)
            for given in (x, x.to(memory_format=torch.channels_last), x.repeat(1, 1, 2, 1)[:, :, :height]):
                made = fast_conv2d(given, w, bias, padding)
                assert made.shape == exact.shape and (made - exact).abs().max() < 1e-4 * exact.abs().max()


def test_what_they_are_not_made_for_is_left_to_torch(rng):
    x, w = torch.randn(1, 16, 9, 9, generator=rng).double(), torch.randn(4, 16, 3, 3, generator=rng).double()
    assert torch.equal(fast_conv2d(x, w, None, (1, 1)), F.conv2d(x, w, padding=1))
    assert fast_conv2d(x.to("meta"), w.to("meta"), None, (1, 1)).shape == (1, 4, 9, 9)
    wide = torch.zeros(1, 16, 1, ROOM // 16 + 2)
    assert fast_conv2d(wide, torch.ones(1, 16, 3, 3), None, (1, 0)).shape == (1, 1, 1, ROOM // 16)


def test_the_fast_copy_shares_its_weights_and_leaves_the_original_alone(lively, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    net = prepare_for_inference(lively(ResNet, filters=8, blocks=2), TestTime())
    made = optimized({"net": net}, CPU, "fp32")["net"]
    kinds = {name: type(layer) for name, layer in made.named_modules() if isinstance(layer, nn.Conv2d)}
    assert not any(isinstance(layer, FastConv2d) for layer in net.modules())
    assert all(a is b for a, b in zip(net.parameters(), made.parameters(), strict=True))
    if NNPACK:
        assert kinds["blocks.0.branch.conv1"] is FastConv2d and kinds["stem.conv"] is nn.Conv2d  # three channels
        assert kinds["down.0.conv"] is nn.Conv2d  # stride 2
    x = torch.rand(1, 3, 44, 36) * 2 - 1
    with torch.inference_mode():
        assert (made(x) - net(x)).abs().max() < 2e-3


def test_direct_kernels_are_taken_where_they_are_twice_as_wide(lively, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    changed = optimized({"net": prepare_for_inference(lively(ResNet, filters=16, blocks=1), TestTime())}, CPU, "fp32")
    assert not any(isinstance(layer, FastConv2d) for layer in changed["net"].modules())


@pytest.mark.skipif(not NNPACK or platform.machine() != "x86_64", reason="needs NNPACK")
def test_threads_are_torchs(lively):
    before = torch.get_num_threads()
    optimized({"net": lively(ResNet, filters=4, blocks=1)}, CPU, "fp32")
    assert torch.get_num_threads() == before


LOW = {
    "unet": (lambda lively: lively(UNet, filters=8, levels=4), (32, 48)),
    "resnet": (lambda lively: lively(ResNet, filters=8, blocks=2), (44, 36)),
    "resnet, spectral": (lambda lively: lively(ResNet, filters=8, blocks=1, spectral=True), (44, 36)),
    "srresnet": (lambda lively: lively(SRResNet, filters=8, blocks=2), (23, 17)),
}


@pytest.mark.parametrize("norm", ["image", "running"])
@pytest.mark.parametrize("name", LOW)
def test_low_weights_give_what_autocast_gives(lively, rng, name, norm):
    build, size = LOW[name]
    net = prepare_for_inference(build(lively), TestTime(norm=norm))
    low = optimized({"net": net}, CPU, "bf16")["net"]
    x = torch.rand(2, 3, *size, generator=rng) * 2 - 1
    with torch.inference_mode():
        exact = net(x)
        with torch.autocast("cpu", torch.bfloat16):
            wanted, made = net(x).float(), low(x).float()
    far, near = (wanted - exact).abs().mean(), (made - exact).abs().mean()
    assert near > 0 and near < far
    for layer in low.modules():
        if type(layer) in (nn.Conv2d, nn.ConvTranspose2d):
            # What makes images computes in float32.
            wanted_type = torch.float32 if layer.out_channels <= 3 else torch.bfloat16
            assert layer.weight.dtype == wanted_type and not layer.weight.requires_grad
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
            assert layer.weight.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in net.parameters())


def test_statistics_of_norms_are_good_in_low_precision(rng):
    """A norm of 65,536 values whose mean is far from zero: a sum in bfloat16 would be off by far."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4))
    with torch.no_grad():
        net[0].bias.fill_(3.0)
    low = optimized({"net": net.eval()}, CPU, "bf16")["net"]
    x = torch.randn(1, 3, 256, 256, generator=rng)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        made = low(x).float()
    assert made.mean((2, 3)).abs().max() < 0.01 and (made.var((2, 3)) - 1).abs().max() < 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_that_change_afterwards_count(precision, make, rng):
    """As in the validations of a training."""
    images = torch.rand(1, 3, 8, 8, generator=rng) * 2 - 1
    old, new = (nn.Conv2d(3, 3, 1) for _ in range(2))
    translator = make(nets={"gen": old}, precision=precision)
    before = translator.translate_tensor(images)
    translator.nets["gen"].load_state_dict(new.state_dict())
    after = translator.refreshed().translate_tensor(images)
    assert not torch.equal(before, after)
    assert torch.equal(after, make(nets={"gen": new}, precision=precision).translate_tensor(images))
