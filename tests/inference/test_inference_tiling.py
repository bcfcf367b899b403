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

from translate.contracts import DataSpec, Direction, TestTime
from translate.data.image import Image
from translate.errors import ConfigError
from translate.inference import bands, tiling
from translate.inference.moments import Moments
from translate.inference.recording import Unrecordable, record
from translate.inference.rows import Unknown
from translate.inference.scratch import Scratch
from translate.inference.segments import plan
from translate.inference.single import SingleNetwork, SingleNetworkConfig
from translate.inference.strips import run
from translate.inference.translator import Translator
from translate.networks import ResNet, SRResNet, UNet, bicubic, prepare_for_inference
from translate.networks.resnet import BlurredResNet
from translate.networks.rrdb import RRDB
from translate.networks.zhang import Zhang

CPU = torch.device("cpu")


def lively(cls, **options):
    """A network whose activations are neither tiny nor all alike, with running averages that are not 0 and 1."""
    torch.manual_seed(3)
    net = cls(cls.Config(**options), in_channels=3, out_channels=3)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias) if layer.bias is not None else None
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return net


def in_strips(program, image, **options):
    """A program on one image, strip by strip."""
    recording = record(program, [image.shape], CPU, dtype=image.dtype)
    made = plan(recording, **{"budget": 1 << 30, **options})
    strips = []
    with Scratch(made.scratch) as scratch:
        reads = [(recording.inputs[0], lambda a, b: image[..., a:b, :])]
        put = strips.append
        run(made, reads, lambda first, strip: put((first, strip.clone())), scratch, device=CPU, dtype=image.dtype)
        assert scratch.used == 0 and scratch.most == made.scratch * image.dtype.itemsize // 4
    assert [first for first, _ in strips] == np.cumsum([0, *(s.shape[-2] for _, s in strips)])[:-1].tolist()
    return torch.cat([strip for _, strip in strips], -2)


def whole(program, image):
    with torch.inference_mode():
        return program(image)


NETWORKS = {
    "resnet_6": (lambda: lively(ResNet, filters=4, blocks=6), "image", (44, 36)),
    "resnet_9, batch": (lambda: lively(ResNet, filters=4, blocks=9, norm="batch"), "image", (41, 39)),
    "resnet, running": (lambda: lively(ResNet, filters=4, blocks=2, norm="batch"), "running", (44, 36)),
    "resnet, nearest": (lambda: lively(ResNet, filters=4, blocks=1, upsample="nearest"), "image", (44, 36)),
    "resnet, bilinear": (lambda: lively(ResNet, filters=4, blocks=1, upsample="bilinear"), "image", (44, 36)),
    "resnet, spectral": (lambda: lively(ResNet, filters=4, blocks=1, spectral=True), "image", (44, 36)),
    "resnet_blurred": (lambda: lively(BlurredResNet, filters=4, blocks=2), "image", (44, 36)),
    "unet of 4 levels": (lambda: lively(UNet, filters=4, levels=4), "image", (64, 48)),
    "unet_128": (lambda: lively(UNet, filters=2, levels=7), "image", (256, 128)),
    "unet_256, running": (lambda: lively(UNet, filters=2, levels=8), "running", (256, 256)),
    "unet, pixel-shuffle": (lambda: lively(UNet, filters=4, levels=4, upsample="pixel-shuffle"), "image", (64, 48)),
    "srresnet": (lambda: lively(SRResNet, filters=4, blocks=2), "image", (23, 17)),
    "srresnet, residual": (lambda: lively(SRResNet, filters=4, blocks=1, residual=True), "running", (23, 17)),
    "rrdb": (lambda: lively(RRDB, filters=4, blocks=1, growth=2), "running", (23, 17)),
    "zhang": (lambda: lively(Zhang, filters=4), "image", (64, 40)),
}


@pytest.mark.parametrize("strips", [2, 5, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_in_strips_give_what_they_give_for_the_whole_image(name, strips, rng):
    build, norm, size = NETWORKS[name]
    net = prepare_for_inference(build().double(), TestTime(norm=norm))
    image = torch.rand(1, 3, *size, generator=rng, dtype=torch.float64) * 2 - 1
    wanted, found = whole(net, image), in_strips(net, image, strips=strips)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-8), (found - wanted).abs().max()


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

    wanted, found = whole(program, image), in_strips(program, image, strips=strips)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-8), (found - wanted).abs().max()


def test_statistics_are_exact_where_the_mean_is_large(rng):
    image = torch.randn(1, 4, 300, 50, generator=rng) * torch.tensor([1.0, 1e-2, 30.0, 1.0]).view(1, 4, 1, 1)
    image += torch.tensor([3e3, 10.0, -1e5, 0.0]).view(1, 4, 1, 1)
    moments = Moments()
    for strip in image.split([1, 120, 7, 172], 2):
        moments.add(strip)
    mean, variance = moments.finish()
    exact = image.double().flatten(2)[0]
    assert torch.allclose(mean, exact.mean(1), rtol=1e-8, atol=1e-8)
    assert torch.allclose(variance, exact.var(1, unbiased=False), rtol=1e-5)
    mean, variance = moments.finish(group=2)
    exact = exact.reshape(2, -1)
    assert torch.allclose(mean[::2], exact.mean(1), rtol=1e-9) and torch.equal(mean[::2], mean[1::2])
    assert torch.allclose(variance[1::2], exact.var(1, unbiased=False), rtol=1e-5)


# ------------------------------------------------------------------------------------------------------------ memory


def test_the_memory_of_a_strip_and_the_scratch_are_what_was_planned(rng):
    """What a strip holds does not grow with the height of the image; skips are freed after their last use."""
    net = prepare_for_inference(lively(ResNet, filters=8, blocks=3), TestTime())
    budget, sizes = 400_000, []
    for height in (64, 256):
        recording = record(net, [(1, 3, height, 64)], CPU)
        made = plan(recording, budget=budget)
        assert all(part.memory(part.strips) <= budget for part in made.parts)
        sizes.append(made.scratch / height)
        inner = 4 * 8 * (height // 4) * 16 * 4  # bytes of a tensor of the residual blocks; d128 has twice as many
        assert made.scratch <= 4 * inner
    assert sizes[0] == sizes[1]


def test_long_chains_are_cut_so_that_strips_do_not_make_their_neighbours_rows_again():
    net = prepare_for_inference(lively(RRDB, filters=8, blocks=2, growth=4), TestTime())
    recording = record(net, [(1, 3, 128, 128)], CPU)
    made = plan(recording, budget=2_000_000)
    again = total = 0
    for part in made.parts:
        for number in range(part.strips):
            _, rows = part.spans(number, part.strips)
            for step in part.steps:
                node = getattr(step, "node", step)
                if node in rows and getattr(step, "work", 0):
                    again += step.work * (rows[node][1] - rows[node][0]) / node.rows
    total = sum(step.work for part in made.parts for step in part.steps if getattr(step, "work", 0))
    assert len(made.parts) > 3
    assert again < 1.3 * total


def test_scratch_is_gone_after_an_error(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    net = prepare_for_inference(lively(ResNet, filters=4, blocks=1), TestTime())
    recording = record(net, [(1, 3, 32, 32)], CPU)
    made, seen = plan(recording, strips=4, budget=1 << 30), []

    def read(a, b):
        seen.append(sum(file.stat().st_size for file in tmp_path.glob("*/*")))
        return torch.zeros(1, 3, b - a, 32)

    def write(first, strip):
        seen.append(sum(file.stat().st_size for file in tmp_path.glob("*/*")))
        raise RuntimeError("the output cannot be taken")

    with pytest.raises(RuntimeError, match="cannot be taken"), Scratch(made.scratch) as scratch:
        run(made, [(recording.inputs[0], read)], write, scratch, device=CPU)
    assert max(seen) > 0 and not list(tmp_path.iterdir())


def test_too_little_room_on_the_disk_is_said_before_the_work(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(ConfigError, match=r"needs [\d.]+ GB of scratch in .* where [\d.]+ GB are free.*TMPDIR"):
        Scratch(free, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_an_error_that_says_so(tmp_path):
    with Scratch(0, tmp_path) as scratch:
        scratch.add("x", (1, 2, 8, 8), torch.float32)
        file = scratch._files["x"]
        os.close(file._file)
        file._file = os.open("/dev/full", os.O_RDWR)
        with pytest.raises(ConfigError, match="cannot be written: No space left"):
            scratch.write("x", 0, torch.zeros(1, 2, 4, 8))


def test_scratch_in_bf16_keeps_bf16(tmp_path, rng):
    values = torch.randn(1, 3, 8, 5, generator=rng).bfloat16()
    with Scratch(0, tmp_path) as scratch:
        scratch.add("x", tuple(values.shape), torch.bfloat16)
        scratch.write("x", 4, values[..., 4:, :].float())
        scratch.write("x", 0, values[..., :4, :])
        assert torch.equal(scratch.read("x", 2, 7), values[..., 2:7, :])


# -------------------------------------------------------------------------------------------------------- translator


def translator(net, channels=3, norm="image", dropout=False, **options):
    config = SingleNetworkConfig(dropout=dropout, norm=norm)
    method = SingleNetwork(config, DataSpec("single", {"image": channels}, (32, 32)), {})
    return Translator(method, {"net": net}, {}, **options)


def waves(height, width, dtype=np.uint8, channels=3):
    """Colours that differ from top to bottom, so that strips have other statistics than the whole."""
    rows, columns = np.mgrid[:height, :width]
    planes = [np.sin(rows / (9 + c) + columns / 7) * 0.3 + rows / height * 0.6 - 0.3 for c in range(channels)]
    top = np.iinfo(dtype).max
    return ((np.stack(planes, -1) + 1) * (top / 2)).clip(0, top).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_with_padding_and_alpha(dtype):
    made_by = translator(lively(UNet, filters=4, levels=4))
    alpha = waves(53, 41, dtype, 1)[..., 0]
    image = Image(waves(53, 41, dtype), alpha, icc=b"profile")
    wanted, found = (made_by.translate_image(image, tile=tile) for tile in ("off", 8))
    step = 1 if dtype == np.uint8 else 4
    assert np.abs(wanted.pixels.astype(int) - found.pixels).max() <= step and found.pixels.dtype == dtype
    assert np.array_equal(found.alpha, alpha) and found.icc == b"profile"


def test_naive_tiles_would_differ_where_strips_do_not():
    net = lively(ResNet, filters=8, blocks=2)
    made_by, image = translator(net), waves(96, 40)
    wanted = made_by.translate_image(Image(image), tile="off").pixels.astype(int)
    found = made_by.translate_image(Image(image), tile=12).pixels
    naive = np.concatenate([made_by(image[row : row + 48]) for row in (0, 48)])
    assert np.abs(wanted - found).max() <= 1
    assert np.abs(wanted - naive).mean() > 3


def test_tensors_grey_images_and_batches(rng):
    made_by = translator(lively(ResNet, filters=4, blocks=1))
    images = torch.rand(3, 1, 37, 30, generator=rng) * 2 - 1
    wanted, found = (made_by.translate_tensor(images, tile=tile) for tile in ("off", 9))
    assert torch.allclose(wanted, found, atol=2e-5)


def test_the_scale_and_several_inputs(make, tiny, rng):
    class Mixed(tiny):
        directions = {"mix": Direction(nets=("gen",), inputs=("image", "other"), scale=2)}

        def translate(self, nets, inputs, direction):
            both = torch.cat((inputs["image"], inputs["other"]), 1)
            return F.interpolate(F.instance_norm(nets.gen(both)), scale_factor=2, mode="bilinear")

        def compose(self, output, original, direction):
            return output * 0.5 + F.interpolate(original, scale_factor=2) * 0.5

    gen = nn.Conv2d(6, 3, 5, padding=2)
    made_by = make(Mixed, {"gen": gen})
    image, other = Image(waves(37, 22)), Image(waves(50, 40))
    wanted, found = (made_by.translate_image(image, None, {"other": other}, tile=tile) for tile in ("off", 10))
    assert found.pixels.shape == (74, 44, 3)
    assert np.abs(wanted.pixels.astype(int) - found.pixels).max() <= 1


def test_label_maps(make, tiny):
    class Labels(tiny):
        data = "labelled"
        directions = {"segment": Direction(nets=("gen",), output="labels")}

    torch.manual_seed(0)
    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 32), ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    method = Labels(Labels.Config(), spec, {"l1": 1.0})
    made_by = Translator(method, {"gen": nn.Conv2d(3, 3, 3, padding=1)}, {})
    wanted, found = (made_by.translate_image(Image(waves(45, 33)), tile=tile) for tile in ("off", 7))
    assert np.array_equal(wanted.pixels, found.pixels) and found.mode == "palette" and len(np.unique(found.pixels)) > 1


def test_dropout_that_stays_on_draws_the_same_for_every_height_of_strips(rng):
    net = nn.Sequential(nn.Conv2d(3, 3, 5, padding=2), nn.Dropout(0.5), nn.Conv2d(3, 3, 3, padding=1))
    images = torch.rand(1, 3, 40, 24, generator=rng)
    on = translator(net, dropout=True)
    a, b = (on.translate_tensor(images, tile=tile) for tile in (40, 7))
    assert torch.allclose(a, b, atol=1e-6)
    assert not torch.allclose(a, on.translate_tensor(images, keys=["other"], tile=7))
    mask = translator(nn.Sequential(nn.Dropout(0.5)), dropout=True).translate_tensor(torch.ones(1, 3, 64, 64), tile=9)
    assert set(mask.unique().tolist()) == {0.0, 2.0} and abs(float(mask.mean()) - 1) < 0.05


def test_bf16_in_strips_is_as_near_as_bf16_is(rng):
    net = lively(ResNet, filters=8, blocks=2)
    images = torch.rand(1, 3, 48, 32, generator=rng) * 2 - 1
    exact = translator(net).translate_tensor(images)
    low = translator(net, precision="bf16")
    wanted, found = ((low.translate_tensor(images, tile=tile) - exact).abs().mean() for tile in ("off", 12))
    assert 0 < found < 2 * wanted + 1e-3


# ------------------------------------------------------------------------------------------- when, and what otherwise


def test_auto_looks_at_the_free_memory(monkeypatch, rng):
    made_by, image = translator(lively(ResNet, filters=4, blocks=1)), torch.rand(1, 3, 64, 64, generator=rng)
    heights = []
    whole_pass = made_by.whole
    monkeypatch.setattr(made_by, "whole", lambda r, given, key: heights.append(1) or whole_pass(r, given, key))
    monkeypatch.setattr(tiling, "SMALL", 0)
    for free, passes in ((1 << 30, 1), (1 << 16, 0)):
        monkeypatch.setattr(tiling, "free_memory", lambda device, free=free: free)
        heights.clear()
        made_by.translate_tensor(image)
        assert len(heights) == passes
    assert made_by.tiler.fits(made_by.route(), 16 * 16)


def test_out_of_memory_halves_the_batch_then_takes_strips_and_remembers(monkeypatch, rng):
    made_by, images = translator(lively(ResNet, filters=4, blocks=1)), torch.rand(4, 3, 32, 32, generator=rng)
    wanted, tried = made_by.translate_tensor(images, tile="off"), []

    def full(route, given, key):
        tried.append(len(given["image"]))
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(made_by, "whole", full)
    assert torch.allclose(made_by.translate_tensor(images), wanted, atol=2e-5)
    assert tried == [4, 2, 1]
    made_by.translate_tensor(images)
    assert tried == [4, 2, 1]


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory(make):
    with pytest.raises(RuntimeError, match="expected input"):
        make(nets={"gen": nn.Conv2d(5, 3, 1)}).translate_tensor(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("tile", ["on", 0, -3, 1.5])
def test_a_wrong_tile_is_refused(make, tile):
    with pytest.raises(ConfigError, match="tile is auto, off or a number"):
        make(tile=tile)


class Foreign(nn.Module):
    """Holds an operation that nobody knows to be local: its norms are known all the same."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.net = lively(ResNet, filters=8, blocks=1)

    def forward(self, x):
        return self.net(x.cumsum(0))


def test_unknown_networks_go_in_bands_with_the_statistics_of_all_and_say_how_near_that_is():
    net, image = Foreign(), waves(256, 40)
    made_by, told = translator(net), []
    made_by.tiler.tell = told.append
    wanted = made_by.translate_image(Image(image), tile="off").pixels.astype(int)
    found = made_by.translate_image(Image(image), tile=64).pixels.astype(int)
    naive = np.concatenate([made_by(image[row : row + 64]) for row in range(0, 256, 64)]).astype(int)
    assert np.abs(found - wanted).mean() < 0.2 * np.abs(naive - wanted).mean()
    assert len(told) == 1 and "(cumsum); mean difference to the whole: " in told[0]


def test_bands_of_a_local_network_are_exact_and_values_decide_nothing(rng):
    class Looks(nn.Module):
        def forward(self, x):
            return F.avg_pool2d(x, 3, 1, 1) * (2 if float(x.max()) > 100 else 1)

    made_by = translator(Looks())
    made_by.tiler.tell = lambda text: None
    image = torch.rand(1, 3, 150, 20, generator=rng)
    assert torch.allclose(made_by.translate_tensor(image, tile=40), made_by.translate_tensor(image), atol=1e-6)


def test_programs_that_cannot_be_recorded_or_are_not_known_are_refused():
    def writes(x):
        x[:, :1] = 0
        return x

    def changes_a_view(x):
        y = x * 1
        y[:, :1].relu_()
        return y

    for program in (writes, changes_a_view, lambda x: x * float(x.mean()), lambda x: torch.ones(1, 3, 4, 4)):
        with pytest.raises(Unrecordable):
            record(program, [(1, 3, 16, 16)], CPU)
    for program in (lambda x: x.flip(2), lambda x: x.transpose(2, 3), lambda x: x[:, :, ::2], lambda x: x.softmax(2)):
        with pytest.raises(Unknown):
            plan(record(program, [(1, 3, 16, 16)], CPU), budget=1)


def test_bands_cover_all_rows_once():
    for rows, height, multiple in ((100, 30, 4), (7, 100, 4), (64, 1, 16)):
        cut = bands._bands(rows, height, multiple)
        assert [band.first for band in cut] == [0, *(band.last for band in cut[:-1])] and cut[-1].last == rows
        assert all(band.a % multiple == 0 and band.a <= band.first and band.b >= band.last for band in cut)
