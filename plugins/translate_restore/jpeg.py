"""Baseline JPEG as operations on batches: what a file of a quality holds once it is read again (ITU-T T.81).

Nothing is coded, since the entropy coder loses nothing. All else that a file does to an image is here, in the whole
numbers of the library by the Independent JPEG Group, which most programs use: the result is that of real files.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8
"""Side of the blocks that the cosine transform sees."""

# The example tables of T.81 (K.1 and K.2), which nearly all encoders scale.
_LUMA = """
16 11 10 16 24 40 51 61     12 12 14 19 26 58 60 55     14 13 16 24 40 57 69 56     14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77   24 35 55 64 81 104 113 92   49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99
"""
_CHROMA = """
17 18 24 47 99 99 99 99     18 21 26 66 99 99 99 99     24 26 56 99 99 99 99 99     47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99     99 99 99 99 99 99 99 99     99 99 99 99 99 99 99 99     99 99 99 99 99 99 99 99
"""
# The left half of each wave; even ones go on as its mirror image, odd ones as the negative of it.
_WAVES = """
8192 8192 8192 8192    11363 9633 6437 2260      10703 4433 -4433 -10703  9633 -2259 -11362 -6436
8192 -8192 -8192 8192  6437 -11362 2261 9633     4433 -10704 10704 -4433  2260 -6436 9633 -11363
"""


def jpeg(images: Tensor, quality: Tensor, *, halved: bool = True) -> Tensor:
    """N x C x H x W in [0, 1] as JPEG files of these qualities (N values from 1 to 100) would give them back, in steps
    of 1/255.

    Three channels are RGB and become YCbCr, `halved`: with the chroma at half the height and width (4:2:0), as most
    programs write it. Any other number of channels is coded as so many grey images. Nothing is differentiable.
    """
    levels = images.mul(255).round()
    if images.shape[1] != 3:
        grey = _coded(levels, _table(_LUMA, quality))
        return grey.div(255).to(images.dtype)
    ycc = _to_ycc(levels)
    luma, chroma = _coded(ycc[:, :1], _table(_LUMA, quality)), ycc[:, 1:]
    if halved:
        height, width = luma.shape[-2:]
        coded = _coded(_halved(chroma), _table(_CHROMA, quality))
        chroma = _doubled(coded[..., : (width + 1) // 2])[..., :height, :width]
    else:
        chroma = _coded(chroma, _table(_CHROMA, quality))
    return _to_rgb(luma, chroma).div(255).to(images.dtype)


def _table(table: str, quality: Tensor) -> Tensor:
    """The quantisation of each image, N x 1 x 64: the library scales the example to 200 % at quality 25, 100 % at 50, 0
    at 100, in whole numbers."""
    example = _example(table, quality.device)
    whole = quality.float().round().clamp(1, 100)
    percent = torch.where(whole < 50, (5000 / whole).floor(), 200 - 2 * whole)
    scaled = ((example * percent.view(-1, 1, 1) + 50) / 100).floor()
    return scaled.clamp(1, 255)


def _coded(planes: Tensor, table: Tensor) -> Tensor:
    """Planes N x C x H x W of levels 0 to 255 after their blocks were transformed, quantised, and transformed back."""
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    wave = _waves(planes.device)
    # In doubles: a GPU may shorten float32 in products (TF32), which would move values across the roundings.
    blocks = (_blocks(padded) - 128).to(wave.dtype)
    # The library's integers: after rows in steps of 1/4, after columns the frequencies in steps of 1/8. Ties between
    # two quantised values are frequent then, and go away from zero.
    rows = _half_up(blocks @ wave.T / 2**11)
    frequencies = _half_up(wave @ rows / 2**15)
    table = table.view(-1, 1, BLOCK, BLOCK)
    quantised = frequencies.sign() * (frequencies.abs() / (8 * table) + 0.5).floor() * table
    columns = _half_up(wave.T @ quantised / 2**11)
    levels = _half_up(columns @ wave / 2**18) + 128
    return _planes(levels.clamp(0, 255).to(planes.dtype), padded.shape)[..., :height, :width]


def _half_up(values: Tensor) -> Tensor:
    """Whole numbers, halves upwards, as shifts of integers round; torch rounds halves to even numbers."""
    return (values + 0.5).floor()


def _blocks(planes: Tensor) -> Tensor:
    """N x C x H x W to N x blocks x 8 x 8."""
    count, channels, height, width = planes.shape
    split = planes.reshape(count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return split.permute(0, 1, 2, 4, 3, 5).reshape(count, -1, BLOCK, BLOCK)


def _planes(blocks: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `_blocks` for planes of this shape."""
    count, channels, height, width = shape
    split = blocks.reshape(count, channels, height // BLOCK, width // BLOCK, BLOCK, BLOCK)
    return split.permute(0, 1, 2, 4, 3, 5).reshape(shape)


@lru_cache(maxsize=8)
def _waves(device: torch.device) -> Tensor:
    """The cosine transform of one row (A.3.3) times the root of 8, in whole numbers of 1 / 8192: 8 x 8, a wave a row.

    They are sums of the constants of Loeffler, Ligtenberg and Moschytz's algorithm (1989), each of them rounded, which
    makes some differ by 1 from the rounded cosine.
    """
    left = torch.tensor([float(number) for number in _WAVES.split()], dtype=torch.float64).view(BLOCK, BLOCK // 2)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(BLOCK // 2)[:, None]
    whole = torch.cat((left, sign * left.flip(1)), 1)
    return whole.float().to(device) if device.type == "mps" else whole.to(device)  # Apple's GPUs have no doubles


@lru_cache(maxsize=8)
def _example(table: str, device: torch.device) -> Tensor:
    return torch.tensor([float(number) for number in table.split()], device=device)


# Colours in whole numbers of 1 / 65536, as the library has the factors of JFIF 1.02. Halves of the chroma go down.
HALF, BITS = 1 << 15, 16


def _to_ycc(rgb: Tensor) -> Tensor:
    """Levels of RGB as those of YCbCr, whole numbers."""
    r, g, b = rgb.int().unbind(1)
    y = 19595 * r + 38470 * g + 7471 * b + HALF
    middle = (128 << BITS) + HALF - 1
    blue = HALF * b - 11059 * r - 21709 * g + middle
    red = HALF * r - 27439 * g - 5329 * b + middle
    return (torch.stack((y, blue, red), 1) >> BITS).to(rgb.dtype)


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    y, (blue, red) = luma[:, 0].int(), (chroma.int() - 128).unbind(1)
    r = y + ((91881 * red + HALF) >> BITS)
    g = y + ((-22554 * blue - 46802 * red + HALF) >> BITS)
    b = y + ((116130 * blue + HALF) >> BITS)
    return torch.stack((r, g, b), 1).clamp(0, 255).to(luma.dtype)


def _halved(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, the border repeated: N x C x ceil(H / 2) x (W / 2, up to whole blocks).

    The library completes the blocks of a row before it takes means, and those of a column behind. Halves go down in
    even columns and up in odd ones, as it adds 1 and 2 in turn.
    """
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (0, -width % (2 * BLOCK), 0, height % 2), mode="replicate")
    sums = padded[..., ::2, ::2] + padded[..., 1::2, ::2] + padded[..., ::2, 1::2] + padded[..., 1::2, 1::2]
    bias = 1 + torch.arange(sums.shape[-1], device=planes.device) % 2
    return ((sums + bias) / 4).floor()


def _doubled(planes: Tensor) -> Tensor:
    """Twice the height and width by triangles: 3/4 of the nearer value and 1/4 of the next, each way ("fancy
    upsampling"). Rows are summed first, so that only one rounding takes place."""
    rows = _interleaved(planes, -2)
    columns = _interleaved(rows, -1)
    # An eighth is added left, and a little less right, in place of rounding halves up on both sides.
    bias = 8 - torch.arange(columns.shape[-1], device=planes.device) % 2
    return ((columns + bias) / 16).floor()


def _interleaved(values: Tensor, axis: int) -> Tensor:
    """3 a + its neighbour before, and 3 a + the one behind, in turn along an axis; borders are their own neighbours."""
    length = values.shape[axis]
    before = torch.cat((values.narrow(axis, 0, 1), values.narrow(axis, 0, length - 1)), axis)
    behind = torch.cat((values.narrow(axis, 1, length - 1), values.narrow(axis, length - 1, 1)), axis)
    both = torch.stack((3 * values + before, 3 * values + behind), axis if axis > 0 else values.ndim + axis + 1)
    return both.flatten(values.ndim + axis, values.ndim + axis + 1)
