"""Batches: each image comes out as it does alone, whatever it shares the batch with, and the sizes are known before."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from translate_srgan.networks import SRResNet

from translate.contracts import DataSpec, Direction, TestTime
from translate.errors import ConfigError
from translate.imaging.io import Image
from translate.inference.fast.image_by_image import image_by_image
from translate.inference.program import Program
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig
from translate.networks import ResNet, UNet

DRAW = np.random.default_rng(11)
SIZES = [(60, 41), (64, 48), (49, 48), (64, 33)]  # of one padded size under multiples of 16


def translator(net, scale=1, norm="image", **options):
    method = SingleNetwork(SingleNetworkConfig(norm=norm, scale=scale), DataSpec("single", {"image": 3}, (32, 32)), {})
    return Translator(method, {"net": net}, {}, **options)


def picture(height, width, channels=3, dtype=np.uint8, alpha=False):
    """Of a contrast of its own, so that statistics of a batch are not those of its images."""
    top, low = np.iinfo(dtype).max, DRAW.uniform(0, 0.6)
    values = DRAW.uniform(low, low + DRAW.uniform(0.05, 0.4), (height, width, channels))
    beside = DRAW.integers(0, top + 1, (height, width)).astype(dtype) if alpha else None
    return Image((values * top).astype(dtype), beside, icc=bytes([height]), mode="grey" if channels == 1 else "rgb")


def same(made, wanted, steps=1):
    """At most `steps` of 255 apart, with the same alpha and profile."""
    assert made.pixels.shape == wanted.pixels.shape and made.pixels.dtype == wanted.pixels.dtype
    step = 1 if made.bits == 8 else 257
    assert np.abs(made.pixels.astype(int) - wanted.pixels).max() <= steps * step
    assert made.icc == wanted.icc and np.array_equal(made.alpha, wanted.alpha)


NETWORKS = {
    "unet, norms by image": (UNet, {"filters": 4, "levels": 4, "dropout": False}, "image", 1),
    "unet, running norms": (UNet, {"filters": 4, "levels": 4, "dropout": False}, "running", 1),
    "resnet": (ResNet, {"filters": 16, "blocks": 2}, "image", 1),
    "resnet, batch": (ResNet, {"filters": 4, "blocks": 2, "norm": "batch"}, "image", 1),
    "superresolution": (SRResNet, {"filters": 4, "blocks": 2}, "running", 4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_a_batch_come_out_as_alone(lively, name):
    kind, options, norm, scale = NETWORKS[name]
    model = translator(lively(kind, **options), scale, norm, precision="bf16")
    sizes = {16: SIZES, 4: [(63, 48), (64, 45), (61, 46), (64, 48)], 1: [(33, 21)] * 4}[model.nets["net"].multiple]
    images = [
        picture(*sizes[0]),
        picture(*sizes[1], alpha=True),
        picture(*sizes[2], dtype=np.uint16),
        picture(*sizes[3], dtype=np.uint16, alpha=True),
    ]
    passes = []
    run = model.method.translate
    model.method.translate = lambda nets, inputs, *more: passes.append(len(inputs["image"])) or run(nets, inputs, *more)
    made = model.translate_images(images)
    assert passes == [4]
    for image, found in zip(images, made, strict=True):
        wanted = model.translate_image(image)
        assert wanted.pixels.shape[:2] == tuple(scale * n for n in image.pixels.shape[:2])
        assert wanted.pixels.std() > 2
        same(found, wanted, 0)


def test_labels_inputs_of_other_sizes_and_what_composes(make, tiny):
    class Mixed(tiny):
        directions = {"mix": Direction(nets=("gen",), inputs=("image", "other"))}

        def translate(self, nets, inputs, direction, draw):
            return F.instance_norm(nets.gen(torch.cat((inputs["image"], inputs["other"]), 1))) / 3

        def compose(self, output, original, direction):
            assert len(output) == len(original) == 1 and output.shape == original.shape
            return output * 0.7 + original.mean() * 0.3

    model = make(Mixed, {"gen": nn.Conv2d(6, 3, 5, padding=2)})
    images = [picture(17, 20), picture(19, 18), picture(20, 20)]
    others = [{"other": picture(9, 30)}, {"other": picture(19, 18)}, {"other": picture(40, 40, 1)}]
    for image, other, made in zip(images, others, model.translate_images(images, None, others), strict=True):
        same(made, model.translate_image(image, None, other))
    with pytest.raises(ConfigError, match="the further inputs other; given"):
        model.translate_images(images)

    class Labels(tiny):
        data = "labelled"
        directions = {"segment": Direction(nets=("gen",), output="labels")}

    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 32), ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    model = Translator(Labels(Labels.Config(), spec, {}), {"gen": nn.Conv2d(3, 3, 3, padding=1)}, {})
    for image, made in zip(images, model.translate_images(images), strict=True):
        wanted = model.translate_image(image)
        assert np.array_equal(made.pixels, wanted.pixels) and made.palette == wanted.palette
        assert len(np.unique(made.pixels)) > 1


def test_where_dropout_stays_on_each_draws_by_its_values(make):
    model = make(nets={"gen": nn.Sequential(nn.Dropout(0.5))}, test_time=TestTime(dropout=True))
    images = [picture(16, 16) for _ in range(3)]
    for image, output in zip(images, model.translate_images(images), strict=True):
        same(output, model.translate_image(image), 0)
        assert not np.array_equal(output.pixels, model.translate_image(image, sample=1).pixels)
    assert model.batch_size(None, (16, 16)) == 1
    plain = model.without_dropout().translate_images(images)
    assert all(np.array_equal(output.pixels, image.pixels) for output, image in zip(plain, images, strict=True))


@pytest.mark.usefixtures("batches_in_fp32")
def test_images_of_other_padded_sizes_share_no_batch(make):
    model = make()
    assert model.padded_key(None, (17, 20), 3) == model.padded_key("a_to_b", (20, 18), 3) == (20, 20, 3)
    assert model.padded_key(None, (17, 20), 1) != model.padded_key(None, (17, 20), 3)
    assert model.padded_key(None, (3, 5), 3) == (16, 16, 3)
    with pytest.raises(AssertionError, match="of one padded size"):
        model.translate_images([picture(16, 16), picture(17, 16)])
    assert model.translate_images([]) == []


@pytest.mark.usefixtures("batches_in_fp32")
def test_a_batch_that_does_not_fit_is_halved_then_goes_in_strips_and_that_is_remembered(monkeypatch, lively):
    model = translator(lively(ResNet, filters=4, blocks=1))
    images = [picture(32, 32) for _ in range(5)]
    wanted, tried = [model.translate_image(image) for image in images], []

    def full(program, route, each, sample=0):
        tried.append(len(each))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(Program, "outputs", full)
    for _ in range(2):
        for made, whole in zip(model.translate_images(images), wanted, strict=True):
            same(made, whole)
        assert tried == [5, 2, 1]


@pytest.mark.usefixtures("batches_in_fp32")
def test_only_as_much_is_halved_as_has_to_be(monkeypatch, lively):
    model, tried = translator(lively(ResNet, filters=4, blocks=1)), []
    together = Program.outputs

    def narrow(program, route, each, sample=0):
        tried.append(len(each))
        if len(each) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return together(program, route, each, sample)

    images = [picture(32, 32) for _ in range(4)]
    wanted = [model.translate_image(image) for image in images]
    monkeypatch.setattr(Program, "outputs", narrow)
    for _ in range(2):
        for made, alone in zip(model.translate_images(images), wanted, strict=True):
            same(made, alone)
    assert tried == [4, 2, 2, 2, 2]


# ---------------------------------------------------------------------------------------------------- how many at once


def test_float32_on_a_cpu_goes_image_by_image_since_its_kernels_are_others_for_a_batch(make):
    assert make().batch_size(None, (16, 16)) == 1 < make(precision="bf16").batch_size(None, (16, 16))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 4])
def test_transposed_convolutions_give_the_bits_of_each_image(rng, threads, kernel):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for channels, size in ((8, (32, 32)), (16, (8, 8)), (64, (16, 12)), (64, (2, 2))):
            layer = nn.ConvTranspose2d(channels, 16, kernel, 2, 1).to(torch.bfloat16, memory_format=torch.channels_last)
            images = torch.randn(9, channels, *size, generator=rng).to(torch.bfloat16)
            images = images.contiguous(memory_format=torch.channels_last)
            for count in (2, 3, 4, 8, 9):
                outputs = image_by_image(layer)(images[:count])
                for number in range(count):
                    assert torch.equal(outputs[number : number + 1], layer(images[number : number + 1]))
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("batches_in_fp32")
def test_batches_are_for_networks_that_wait_for_their_weights(lively):
    unet = translator(UNet(UNet.Config(dropout=False, filters=32), in_channels=3, out_channels=3))
    resnet = translator(ResNet(ResNet.Config(filters=32, blocks=3), in_channels=3, out_channels=3))
    assert unet.batch_size(None, (256, 256)) == unet.batch_size("translate", (200, 255)) == 8
    assert 1 <= unet.batch_size(None, (512, 512)) <= 2 and unet.batch_size(None, (2000, 1500)) == 1
    assert resnet.batch_size(None, (256, 256)) == 1 and resnet.batch_size(None, (16, 16)) == 8
    again = translator(UNet(UNet.Config(dropout=False, filters=32), in_channels=3, out_channels=3))
    again.streamer.fits = None  # type: ignore[assignment]  # the free memory is nothing to it
    assert again.batch_size(None, (256, 256)) == 8


@pytest.mark.usefixtures("batches_in_fp32")
def test_networks_that_mix_the_images_of_a_batch_go_one_by_one(make):
    mixing = nn.BatchNorm2d(3, track_running_stats=False)
    assert make(nets={"gen": nn.Sequential(nn.Conv2d(3, 3, 1), mixing)}).batch_size(None, (16, 16)) == 1
    assert make(nets={"gen": nn.Sequential(nn.Conv2d(3, 3, 1))}).batch_size(None, (16, 16)) > 1


@pytest.mark.usefixtures("batches_in_fp32")
def test_a_list_takes_batches_and_keeps_its_order(lively, monkeypatch):
    model = translator(lively(ResNet, filters=4, blocks=1))
    monkeypatch.setattr(model.streamer, "batch_size", lambda route, pixels: 2)
    together, passes = Program.outputs, []

    def counted(program, route, each, sample=0):
        passes.append(len(each))
        return together(program, route, each, sample)

    monkeypatch.setattr(Program, "outputs", counted)
    small = [DRAW.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(5)]
    large = DRAW.integers(0, 256, (40, 20, 3), dtype=np.uint8)
    given = [*small[:3], large, small[3], torch.zeros(3, 16, 16), small[4]]
    made = model(given)
    assert passes == [2, 1, 1, 1, 1, 1]
    for one, found in zip(given, made, strict=True):
        alone = model(one)
        if isinstance(one, torch.Tensor):
            assert torch.allclose(found, alone, atol=1e-5)
        else:
            assert found.shape == alone.shape and np.abs(found.astype(int) - alone).max() <= 1
