"""Images in strips against the same networks on whole images: torch's own answer is the oracle."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from translate_colorization.networks import Zhang
from translate_srgan.networks import RRDB, SRResNet

from translate.contracts import TestTime
from translate.errors import ConfigError
from translate.inference.streaming.disk_tensors import DiskTensors
from translate.inference.streaming.execute import execute
from translate.inference.streaming.op import UnsupportedOp
from translate.inference.streaming.schedule import make_schedule
from translate.inference.streaming.statistics import ChannelStatistics
from translate.inference.streaming.trace import Untraceable, trace
from translate.networks import ResNet, UNet, bicubic, prepare_for_inference
from translate.networks.resnet import BlurredResNet
from translate.networks.restoration.layer_norm import LayerNorm2d
from translate.networks.restoration.nafnet import NAFNet
from translate.networks.restoration.swinir import SwinIR

CPU = torch.device("cpu")


def in_strips(program, image, **options):
    """A program on one image, strip by strip."""
    recorded = trace(program, [image.shape], CPU, dtype=image.dtype)
    schedule = make_schedule(recorded, **{"budget": 1 << 30, **options})
    strips = []

    def write(first, strip):
        strips.append((first, strip.clone()))

    with DiskTensors(schedule.disk_bytes) as disk:
        reads = [(recorded.inputs[0], lambda a, b: image[..., a:b, :])]
        execute(schedule, reads, write, disk, device=CPU, dtype=image.dtype)
        assert disk.used == 0 and disk.most == schedule.disk_bytes * image.dtype.itemsize // 4
    assert [first for first, _ in strips] == np.cumsum([0, *(s.shape[-2] for _, s in strips)])[:-1].tolist()
    return torch.cat([strip for _, strip in strips], -2)


def whole(program, image):
    with torch.inference_mode():
        return program(image)


def assert_close(output, expected):
    assert output.shape == expected.shape
    assert torch.allclose(output, expected, atol=1e-8), (output - expected).abs().max()


NETWORKS = {
    "resnet_6": (lambda lively: lively(ResNet, filters=4, blocks=6), "image", (44, 36)),
    "resnet_9, batch": (lambda lively: lively(ResNet, filters=4, blocks=9, norm="batch"), "image", (41, 39)),
    "resnet, running": (lambda lively: lively(ResNet, filters=4, blocks=2, norm="batch"), "running", (44, 36)),
    "resnet, nearest": (lambda lively: lively(ResNet, filters=4, blocks=1, upsample="nearest"), "image", (44, 36)),
    "resnet, bilinear": (lambda lively: lively(ResNet, filters=4, blocks=1, upsample="bilinear"), "image", (44, 36)),
    "resnet, spectral": (lambda lively: lively(ResNet, filters=4, blocks=1, spectral=True), "image", (44, 36)),
    "resnet_blurred": (lambda lively: lively(BlurredResNet, filters=4, blocks=2), "image", (44, 36)),
    "unet of 4 levels": (lambda lively: lively(UNet, filters=4, levels=4), "image", (64, 48)),
    "unet_128": (lambda lively: lively(UNet, filters=2, levels=7), "image", (256, 128)),
    "unet_256, running": (lambda lively: lively(UNet, filters=2, levels=8), "running", (256, 256)),
    "unet, pixel-shuffle": (
        lambda lively: lively(UNet, filters=4, levels=4, upsample="pixel-shuffle"),
        "image",
        (64, 48),
    ),
    "unet, attention": (lambda lively: lively(UNet, filters=4, levels=4, attention=True), "image", (64, 48)),
    "srresnet": (lambda lively: lively(SRResNet, filters=4, blocks=2), "image", (23, 17)),
    "srresnet, residual": (lambda lively: lively(SRResNet, filters=4, blocks=1, residual=True), "running", (23, 17)),
    "srresnet, resized": (lambda lively: lively(SRResNet, filters=4, blocks=1, tail="resized"), "image", (23, 17)),
    "srresnet, direct": (lambda lively: lively(SRResNet, filters=4, blocks=1, tail="direct"), "image", (23, 17)),
    "rrdb": (lambda lively: lively(RRDB, filters=4, blocks=1, growth=2), "running", (23, 17)),
    "nafnet": (
        lambda lively: lively(NAFNet, filters=4, encoder=(1, 2), middle=1, decoder=1),
        "running",
        (44, 36),
    ),
    "swinir": (
        lambda lively: lively(SwinIR, filters=4, groups=2, layers=2, heads=2, window=4, scale=3),
        "running",
        (23, 17),
    ),
    "zhang": (lambda lively: lively(Zhang, filters=4), "image", (64, 40)),
}


@pytest.mark.parametrize("strips", [2, 5, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_in_strips_give_what_they_give_for_the_whole_image(name, strips, rng, lively):
    build, norm, size = NETWORKS[name]
    net = prepare_for_inference(build(lively).double(), TestTime(norm=norm))
    image = torch.rand(1, 3, *size, generator=rng, dtype=torch.float64) * 2 - 1
    assert_close(in_strips(net, image, strips=strips), whole(net, image))


class Excite(nn.Module):
    """Squeeze and excitation: the mean of each channel decides on its weight."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.mix(F.adaptive_avg_pool2d(x, 1))) + x.mean((2, 3), keepdim=True)


def conv(*args, **options):
    return nn.Conv2d(6, 6, *args, **options)


def transposed(*args, **options):
    return nn.ConvTranspose2d(6, 6, *args, **options)


LAYERS = {
    "stride 2": lambda: conv(4, 2, 1),
    "stride 3, kernel 2": lambda: conv(2, 3, 0),
    "dilated": lambda: conv(3, 1, 4, dilation=4),
    "grouped": lambda: conv(3, padding="same", groups=2),
    "wider than the strip": lambda: conv(9, padding=4),
    "reflecting": lambda: conv(5, padding=2, padding_mode="reflect"),
    "circular": lambda: conv(3, padding=1, padding_mode="circular"),
    "replicating": lambda: conv(3, padding=(1, 2), padding_mode="replicate"),
    "transposed": lambda: transposed(4, 2, 1),
    "transposed, output padding": lambda: transposed(3, 2, 1, output_padding=1),
    "transposed, stride over kernel": lambda: transposed(1, 3, 0, output_padding=2),
    "transposed, dilated": lambda: transposed(3, 2, 2, dilation=2),
    "zero padding": lambda: nn.ZeroPad2d((1, 2, 3, 4)),
    "padding with a value, and cutting off": lambda: lambda x: F.pad(x, (0, 1, -2, 3), value=0.5),
    "average": lambda: nn.AvgPool2d(3, 2, 1),
    "largest": lambda: nn.MaxPool2d(3, 2, 1),
    "unshuffle and shuffle": lambda: lambda x: F.pixel_shuffle(F.pixel_unshuffle(x[:, :4, :38, :26], 2) * 2, 4),
    "nearest to a size": lambda: lambda x: F.interpolate(x, (31, 50)),
    "nearest by a fraction": lambda: lambda x: F.interpolate(x, scale_factor=1.7),
    "bilinear to a size": lambda: lambda x: F.interpolate(x, (57, 11), mode="bilinear"),
    "bilinear, corners": lambda: lambda x: F.interpolate(x, (57, 11), mode="bilinear", align_corners=True),
    "bilinear by a fraction": lambda: lambda x: F.interpolate(x, scale_factor=2.3, mode="bilinear"),
    "bicubic, smooth": lambda: lambda x: F.interpolate(x, (11, 13), mode="bicubic", antialias=True),
    "area": lambda: lambda x: F.interpolate(x, (13, 9), mode="area"),
    "our bicubic": lambda: lambda x: bicubic(x, 0.5) + 1,
    "group norm": lambda: nn.GroupNorm(2, 6),
    "instance norm with weights": lambda: nn.InstanceNorm2d(6, affine=True),
    "squeeze and excitation": Excite,
    "layer norm": lambda: LayerNorm2d(6),
    "channels": lambda: lambda x: torch.cat([x.softmax(1), *x.chunk(2, 1), x[:, 1:4]], 1).mean(1, keepdim=True) * x,
    "rows cut off": lambda: lambda x: x[..., 3:30, 1:] - x[:, :, 4:31, :-1],
    "planes": lambda: lambda x: torch.stack([x[:, 0] * 2, x[..., 1, :, :].clamp(min=0)], -3),
    "in place": lambda: lambda x: F.relu(x * 2, inplace=True).add_(1).mul_(x),
    "a constant of the image's size": lambda: lambda x: x + torch.arange(39.0).view(39, 1),
    "a choice": lambda: lambda x: torch.where(x > 0.3, x, torch.tensor(2.0)) ** 2,
}


@pytest.mark.parametrize("strips", [2, 7, 39])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_strips_behind_and_before_a_norm(name, strips, rng):
    torch.manual_seed(1)
    layer, image = LAYERS[name](), torch.randn(1, 6, 39, 27, generator=rng, dtype=torch.float64)
    if isinstance(layer, nn.Module):
        layer.double()

    def program(x):
        return F.instance_norm(layer(F.instance_norm(x) + 0.1 * x)) * 0.5 + layer(x)

    assert_close(in_strips(program, image, strips=strips), whole(program, image))


def test_statistics_are_exact_where_the_mean_is_large(rng):
    image = torch.randn(1, 4, 300, 50, generator=rng) * torch.tensor([1.0, 1e-2, 30.0, 1.0]).view(1, 4, 1, 1)
    image += torch.tensor([3e3, 10.0, -1e5, 0.0]).view(1, 4, 1, 1)
    statistics = ChannelStatistics()
    for strip in image.split([1, 120, 7, 172], 2):
        statistics.add(strip)
    mean, variance = statistics.finish()
    exact = image.double().flatten(2)[0]
    assert torch.allclose(mean, exact.mean(1), rtol=1e-8, atol=1e-8)
    assert torch.allclose(variance, exact.var(1, unbiased=False), rtol=1e-5)
    mean, variance = statistics.finish(group=2)
    exact = exact.reshape(2, -1)
    assert torch.allclose(mean[::2], exact.mean(1), rtol=1e-9) and torch.equal(mean[::2], mean[1::2])
    assert torch.allclose(variance[1::2], exact.var(1, unbiased=False), rtol=1e-5)


# ------------------------------------------------------------------------------------------------------------ memory


def test_the_memory_of_a_strip_and_the_scratch_are_what_was_planned(rng, lively):
    """What a strip holds does not grow with the height of the image; skips are freed after their last use."""
    net = prepare_for_inference(lively(ResNet, filters=8, blocks=3), TestTime())
    budget, sizes = 400_000, []
    for height in (64, 256):
        recorded = trace(net, [(1, 3, height, 64)], CPU)
        schedule = make_schedule(recorded, budget=budget)
        assert all(pass_.memory(pass_.strips) <= budget for pass_ in schedule.passes)
        sizes.append(schedule.disk_bytes / height)
        inner = 4 * 8 * (height // 4) * 16 * 4  # bytes of a tensor of the residual blocks; d128 has twice as many
        assert schedule.disk_bytes <= 4 * inner
    assert sizes[0] == sizes[1]


def test_long_chains_are_cut_so_that_strips_do_not_make_their_neighbours_rows_again(lively):
    net = prepare_for_inference(lively(RRDB, filters=8, blocks=2, growth=4), TestTime())
    recorded = trace(net, [(1, 3, 128, 128)], CPU)
    schedule = make_schedule(recorded, budget=2_000_000)
    again = total = 0
    for pass_ in schedule.passes:
        for number in range(pass_.strips):
            _, rows = pass_.spans(number, pass_.strips)
            for op in pass_.ops:
                node = getattr(op, "node", op)
                if node in rows and getattr(op, "work", 0):
                    again += op.work * (rows[node][1] - rows[node][0]) / node.rows
    total = sum(op.work for pass_ in schedule.passes for op in pass_.ops if getattr(op, "work", 0))
    assert len(schedule.passes) > 3
    assert again < 1.3 * total


def test_scratch_has_no_name_and_is_gone_after_an_error(tmp_path, monkeypatch, rng, lively):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    net = prepare_for_inference(lively(ResNet, filters=4, blocks=1), TestTime())
    recorded = trace(net, [(1, 3, 32, 32)], CPU)
    schedule, seen = make_schedule(recorded, strips=4, budget=1 << 30), []

    def read(a, b):
        seen.append(disk.used)
        return torch.zeros(1, 3, b - a, 32)

    def write(first, strip):
        seen.append(disk.used)
        assert not list(tmp_path.glob("*/*")), "a killed process leaves no files"
        raise RuntimeError("the output cannot be taken")

    with pytest.raises(RuntimeError, match="cannot be taken"), DiskTensors(schedule.disk_bytes) as disk:
        execute(schedule, [(recorded.inputs[0], read)], write, disk, device=CPU)
    assert max(seen) > 0 and not list(tmp_path.iterdir())


def test_too_little_room_on_the_disk_is_said_before_the_work(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(ConfigError, match=r"needs [\d.]+ GB of scratch in .* where [\d.]+ GB are free.*TMPDIR"):
        DiskTensors(free, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_an_error_that_says_so(tmp_path):
    with DiskTensors(0, tmp_path) as disk:
        disk.add("x", (1, 2, 8, 8), torch.float32)
        file = disk._files["x"]
        file._file.close()
        file._file = os.fdopen(os.open("/dev/full", os.O_RDWR), "r+b", buffering=0)
        with pytest.raises(ConfigError, match="cannot be written: No space left"):
            disk.write("x", 0, torch.zeros(1, 2, 4, 8))


def test_scratch_in_bf16_keeps_bf16(tmp_path, rng):
    values = torch.randn(1, 3, 8, 5, generator=rng).bfloat16()
    with DiskTensors(0, tmp_path) as disk:
        disk.add("x", tuple(values.shape), torch.bfloat16)
        disk.write("x", 4, values[..., 4:, :].float())
        disk.write("x", 0, values[..., :4, :])
        assert torch.equal(disk.read("x", 2, 7), values[..., 2:7, :])


def test_programs_that_cannot_be_recorded_or_are_not_known_are_refused():
    def writes(x):
        x[:, :1] = 0
        return x

    def changes_a_view(x):
        y = x * 1
        y[:, :1].relu_()
        return y

    for program in (writes, changes_a_view, lambda x: x * float(x.mean()), lambda x: torch.ones(1, 3, 4, 4)):
        with pytest.raises(Untraceable):
            trace(program, [(1, 3, 16, 16)], CPU)
    for program in (lambda x: x.flip(2), lambda x: x.transpose(2, 3), lambda x: x[:, :, ::2], lambda x: x.softmax(2)):
        with pytest.raises(UnsupportedOp):
            make_schedule(trace(program, [(1, 3, 16, 16)], CPU), budget=1)
