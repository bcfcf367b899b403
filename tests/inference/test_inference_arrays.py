"""Conversions between images and tensors, against numpy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from translate.errors import ConfigError, DataError
from translate.imaging.convert import as_image, match_channels, resize, to_array, to_tensor, with_alpha
from translate.inference.padding import pad, reflect_index


@pytest.mark.parametrize("length", [1, 2, 3, 5, 16, 33])
@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_reflection_is_numpys_iterated_reflection(length, factor):
    padded = length * factor + 5
    mode = "edge" if length == 1 else "reflect"
    wanted = np.pad(np.arange(length), (0, padded - length), mode=mode)
    assert reflect_index(length, padded, torch.device("cpu")).tolist() == wanted.tolist()


def test_padding_reaches_the_multiple_and_keeps_the_image():
    image = torch.rand(2, 3, 37, 21)
    padded = pad(image, 16)
    assert padded.shape == (2, 3, 48, 32)
    assert torch.equal(padded[..., :37, :21], image)
    wanted = np.pad(image.numpy(), ((0, 0), (0, 0), (0, 11), (0, 11)), mode="reflect")
    assert np.array_equal(padded.numpy(), wanted)
    assert pad(padded, 16) is padded
    assert pad(image[..., :1, :1], 24).shape == (2, 3, 24, 24)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_grey_level_survives_the_way_to_a_tensor_and_back(dtype):
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1)
    tensor = to_tensor(levels)
    assert tensor.min() == -1 and tensor.max() == 1 and tensor.dtype == torch.float32
    assert np.array_equal(to_array(tensor, np.dtype(dtype)), levels)


def test_32_bits_pass_with_the_precision_of_a_float():
    deep = np.random.default_rng(0).integers(0, 1 << 32, (50, 40, 5), np.uint32)
    back = to_array(to_tensor(deep), np.dtype(np.uint32))
    assert np.abs(back.astype(np.int64) - deep).max() <= 1 << 8  # 24 bits of a float32, over a range of two
    ends = np.array([[[0], [1 << 31], [(1 << 32) - 1]]], np.uint32)
    assert to_array(to_tensor(ends), np.dtype(np.uint32)).ravel()[[0, 2]].tolist() == [0, (1 << 32) - 1]
    real = np.random.default_rng(0).random((50, 40, 2), np.float32)
    assert np.abs(to_array(to_tensor(real), np.dtype(np.float32)) - real).max() <= 2**-23


def test_bands_bring_no_alpha():
    four = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    bands = with_alpha(four, None, bands=True)
    assert bands.mode == "bands" and bands.alpha is None and np.array_equal(bands.pixels, four)
    assert with_alpha(four, None).alpha is not None
    assert with_alpha(np.zeros((5, 4, 7), np.uint8), None).mode == "bands"


def test_values_outside_the_range_are_clipped():
    assert to_array(torch.tensor([[[[-3.0, 3.0]]]]), np.dtype(np.uint8)).ravel().tolist() == [0, 255]


def test_stated_ranges_are_those_of_each_band():
    rng = np.random.default_rng(0)
    ranges = [(0.0, 4000.0), (-10.0, 10.0), (1e6, 1e6 + 3)]
    low, high = np.array(ranges).T
    for dtype in (np.uint16, np.float32):
        array = rng.uniform(low, high, (9, 7, 3)).clip(0, 60000).astype(dtype)
        tensor = to_tensor(array, ranges)
        wanted = ((array.astype(np.float64) - low) / (high - low) * 2 - 1).clip(-1, 1)
        assert tensor.dtype == torch.float32 and np.abs(tensor[0].permute(1, 2, 0).numpy() - wanted).max() < 1e-6
    single = to_tensor(np.array([[[0], [2000], [4000], [60000]]], np.uint16), [(0, 4000)])
    assert single.ravel().tolist() == [-1, 0, 1, 1]


def test_what_comes_back_lies_in_the_stated_range():
    tensor = torch.tensor([[[[-1.5, -1.0, 0.0, 1.0, 7.0]], [[-1.5, -1.0, 0.0, 1.0, 7.0]]]])
    real = to_array(tensor, np.dtype(np.float32), [(-3.5, 8.25), (0, 1)])
    assert real[0].T.tolist() == [[-3.5, -3.5, 2.375, 8.25, 8.25], [0, 0, 0.5, 1, 1]]
    whole = to_array(tensor, np.dtype(np.uint16), [(100, 4000), (0, 65535)])
    assert whole[0].T.tolist() == [[100, 100, 2050, 4000, 4000], [0, 0, 32768, 65535, 65535]]
    values = np.random.default_rng(0).uniform(-400, 9000, (64, 64, 2)).astype(np.float32)
    ends = [(float(v.min()), float(v.max())) for v in np.moveaxis(values, 2, 0)]
    back = to_array(to_tensor(values, ends), np.dtype(np.float32), ends)
    assert np.abs(back - values).max() <= 9400 * 2**-23 and back.min() >= values.min() and back.max() <= values.max()


def test_floats_without_a_stated_range_have_white_at_one():
    with pytest.raises(DataError, match=r"floats from -2 to 1.5, and this model takes black at 0 and white at 1"):
        to_tensor(np.array([[[-2.0], [1.5]]], np.float32))


def test_grey_from_colour_agrees_with_pillow():
    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    grey = to_array(match_channels(to_tensor(colour), 1), np.dtype(np.uint8))[..., 0]
    wanted = np.asarray(Pillow.fromarray(colour).convert("L"))
    assert np.abs(grey.astype(int) - wanted).max() <= 1
    assert torch.equal(match_channels(to_tensor(colour[..., :1]), 3)[:, 2], to_tensor(colour[..., :1])[:, 0])
    with pytest.raises(ConfigError, match="5 channels, and this model takes 3"):
        match_channels(torch.zeros(1, 5, 4, 4), 3)


def test_resizing_keeps_the_range_and_a_constant():
    assert torch.allclose(resize(torch.full((1, 3, 8, 8), 0.25), (5, 13)), torch.full((1, 3, 5, 13), 0.25), atol=1e-6)
    assert resize(torch.randint(0, 2, (1, 1, 9, 9)) * 2.0 - 1, (18, 18)).abs().max() <= 1


def test_what_is_no_image_is_refused():
    for wrong in (3, np.full((4, 4), np.nan, np.float32), np.zeros((4, 4, 5), np.int64), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ConfigError):
            as_image(wrong)
    palette = as_image(Pillow.new("P", (4, 3)))
    assert palette.pixels.shape == (3, 4, 3) and palette.alpha is None
    assert as_image(np.zeros((3, 4, 2), np.uint16)).alpha is not None
