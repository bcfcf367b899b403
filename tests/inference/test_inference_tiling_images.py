"""Pictures and tensors in strips through the translator: when, with which result, and what otherwise."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate.contracts import DataSpec, Direction
from translate.errors import ConfigError
from translate.imaging.io import Image
from translate.inference import memory
from translate.inference.program import Program
from translate.inference.streaming.approximate import cut
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig
from translate.networks import ResNet, UNet


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
def test_pictures_with_padding_and_alpha(dtype, lively):
    model = translator(lively(UNet, filters=4, levels=4))
    alpha = waves(53, 41, dtype, 1)[..., 0]
    image = Image(waves(53, 41, dtype), alpha, icc=b"profile")
    expected, output = (model.translate_image(image, tile=tile) for tile in ("off", 8))
    step = 1 if dtype == np.uint8 else 4
    assert np.abs(expected.pixels.astype(int) - output.pixels).max() <= step and output.pixels.dtype == dtype
    assert np.array_equal(output.alpha, alpha) and output.icc == b"profile"


def test_naive_tiles_would_differ_where_strips_do_not(lively):
    net = lively(ResNet, filters=8, blocks=2)
    model, image = translator(net), waves(96, 40)
    expected = model.translate_image(Image(image), tile="off").pixels.astype(int)
    output = model.translate_image(Image(image), tile=12).pixels
    naive = np.concatenate([model(image[row : row + 48]) for row in (0, 48)])
    assert np.abs(expected - output).max() <= 1
    assert np.abs(expected - naive).mean() > 3


def test_tensors_grey_images_and_batches(rng, lively):
    model = translator(lively(ResNet, filters=4, blocks=1))
    images = torch.rand(3, 1, 37, 30, generator=rng) * 2 - 1
    expected, output = (model.translate_tensor(images, tile=tile) for tile in ("off", 9))
    assert torch.allclose(expected, output, atol=2e-5)


def test_the_scale_and_several_inputs(make, tiny, rng):
    class Mixed(tiny):
        directions = {"mix": Direction(nets=("gen",), inputs=("image", "other"), scale=2)}

        def translate(self, nets, inputs, direction, draw):
            both = torch.cat((inputs["image"], inputs["other"]), 1)
            return F.interpolate(F.instance_norm(nets.gen(both)), scale_factor=2, mode="bilinear")

        def compose(self, output, original, direction):
            return output * 0.5 + F.interpolate(original, scale_factor=2) * 0.5

    gen = nn.Conv2d(6, 3, 5, padding=2)
    model = make(Mixed, {"gen": gen})
    image, other = Image(waves(37, 22)), Image(waves(50, 40))
    expected, output = (model.translate_image(image, None, {"other": other}, tile=tile) for tile in ("off", 10))
    assert output.pixels.shape == (74, 44, 3)
    assert np.abs(expected.pixels.astype(int) - output.pixels).max() <= 1


def test_label_maps(make, tiny):
    class Labels(tiny):
        data = "labelled"
        directions = {"segment": Direction(nets=("gen",), output="labels")}

    torch.manual_seed(0)
    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 32), ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    method = Labels(Labels.Config(), spec, {"l1": 1.0})
    model = Translator(method, {"gen": nn.Conv2d(3, 3, 3, padding=1)}, {})
    expected, output = (model.translate_image(Image(waves(45, 33)), tile=tile) for tile in ("off", 7))
    assert np.array_equal(expected.pixels, output.pixels)
    assert output.mode == "palette" and len(np.unique(output.pixels)) > 1


def test_strips_of_a_model_that_keeps_dropout_on_are_refused_with_the_reason(rng):
    net = nn.Sequential(nn.Conv2d(3, 3, 5, padding=2), nn.Dropout(0.5), nn.Conv2d(3, 3, 3, padding=1))
    images = torch.rand(1, 3, 40, 24, generator=rng)
    on = translator(net, dropout=True)
    with pytest.raises(ConfigError, match=r"takes an image as a whole only: it keeps dropout on .* `--tile off`"):
        on.translate_tensor(images, tile=7)
    off = on.without_dropout()
    assert torch.allclose(off.translate_tensor(images, tile=7), off.translate_tensor(images, tile="off"), atol=1e-6)


def test_bf16_in_strips_is_as_near_as_bf16_is(rng, lively):
    net = lively(ResNet, filters=8, blocks=2)
    images = torch.rand(1, 3, 48, 32, generator=rng) * 2 - 1
    exact = translator(net).translate_tensor(images)
    low = translator(net, precision="bf16")
    whole_error, strip_error = ((low.translate_tensor(images, tile=tile) - exact).abs().mean() for tile in ("off", 12))
    assert 0 < strip_error < 2 * whole_error + 1e-3


# ------------------------------------------------------------------------------------------- when, and what otherwise


def test_auto_looks_at_the_free_memory(monkeypatch, rng, lively):
    model, image = translator(lively(ResNet, filters=4, blocks=1)), torch.rand(1, 3, 64, 64, generator=rng)
    heights = []
    whole_pass = Program.whole

    def counted(program, route, given, key):
        heights.append(1)
        return whole_pass(program, route, given, key)

    monkeypatch.setattr(Program, "whole", counted)
    monkeypatch.setattr(memory, "SMALL", 0)
    for free, passes in ((1 << 30, 1), (1 << 16, 0)):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        heights.clear()
        model.translate_tensor(image)
        assert len(heights) == passes
    assert model.streamer.fits(model.route(), 16 * 16)


def test_tensors_of_more_values_than_kernels_count_are_not_made_whole(monkeypatch, lively):
    """The largest tensor here has 64 channels at the full size."""
    model = translator(lively(ResNet, filters=64, blocks=1))
    monkeypatch.setattr(memory, "free_memory", lambda device: 1 << 50)
    assert model.streamer.fits(model.route(), 1 << 24)
    assert not model.streamer.fits(model.route(), 1 << 26)


@pytest.mark.usefixtures("batches_in_fp32")
def test_out_of_memory_halves_the_batch_then_takes_strips_and_remembers(monkeypatch, rng, lively):
    model, images = translator(lively(ResNet, filters=4, blocks=1)), torch.rand(4, 3, 32, 32, generator=rng)
    expected, tried = model.translate_tensor(images, tile="off"), []

    def full(program, route, given, key):
        tried.append(len(given["image"]))
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(Program, "whole", full)
    assert torch.allclose(model.translate_tensor(images), expected, atol=2e-5)
    assert tried == [4, 2, 1]
    model.translate_tensor(images)
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

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.cumsum(0))


def test_unknown_networks_go_in_bands_with_the_statistics_of_all_and_say_how_near_that_is(lively):
    net, image = Foreign(lively(ResNet, filters=8, blocks=1)), waves(256, 40)
    messages = []
    model = translator(net, tell=messages.append)
    expected = model.translate_image(Image(image), tile="off").pixels.astype(int)
    output = model.translate_image(Image(image), tile=64).pixels.astype(int)
    naive = np.concatenate([model(image[row : row + 64]) for row in range(0, 256, 64)]).astype(int)
    assert np.abs(output - expected).mean() < 0.2 * np.abs(naive - expected).mean()
    assert len(messages) == 1 and "(cumsum); mean difference to the whole: " in messages[0]


def test_bands_of_a_local_network_are_exact_and_values_decide_nothing(rng):
    class Looks(nn.Module):
        def forward(self, x):
            return F.avg_pool2d(x, 3, 1, 1) * (2 if float(x.max()) > 100 else 1)

    model = translator(Looks(), tell=lambda text: None)
    image = torch.rand(1, 3, 150, 20, generator=rng)
    assert torch.allclose(model.translate_tensor(image, tile=40), model.translate_tensor(image), atol=1e-6)


def test_bands_cover_all_rows_once():
    for rows, height, multiple in ((100, 30, 4), (7, 100, 4), (64, 1, 16)):
        bands = cut(rows, height, multiple)
        assert [band.first for band in bands] == [0, *(band.last for band in bands[:-1])] and bands[-1].last == rows
        assert all(band.start % multiple == 0 and band.start <= band.first and band.stop >= band.last for band in bands)
