"""Holes of free form: Yu, Lin, Yang, Shen, Lu, Huang, "Free-Form Image Inpainting with Gated Convolution", ICCV 2019.

Brush strokes as section 3.4 draws them, all images of a batch at once and on any device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STROKES = 4
"""The most strokes of a hole; the least is one."""
SEGMENTS = 8
"""The most straight pieces of a stroke; the least is three."""
LENGTHS = (0.08, 0.35)
"""The shortest and the longest piece, as shares of the image's shorter side."""
WIDTHS = (0.04, 0.14)
"""The thinnest and the thickest brush, likewise."""
TURN = 2 * math.pi / 5
"""Pieces go to one side of a stroke's own direction and to the other in turns, by this angle, a third more or less."""


def strokes(count: int, size: tuple[int, int], rng: torch.Generator, device: torch.device) -> Tensor:
    """`count` holes, count x 1 x H x W: 1 where a brush of free form went, else 0.

    Each stroke starts anywhere, has a width of its own and round ends, and goes in zigzags; where it would leave the
    image it follows the border.
    """
    height, width = size
    side = min(size)

    def draw(*shape: int) -> Tensor:
        return torch.rand((count, STROKES, *shape), generator=rng, device=device)

    def between(ends: tuple[float, float], drawn: Tensor) -> Tensor:
        return side * (ends[0] + (ends[1] - ends[0]) * drawn)

    # The first stroke is always there, and the first three pieces of each.
    number = 1 + (STROKES * torch.rand((count, 1), generator=rng, device=device)).floor()
    present = torch.arange(STROKES, device=device) < number
    pieces = torch.arange(SEGMENTS, device=device) < 3 + ((SEGMENTS - 2) * draw(1)).floor()
    radius = between(WIDTHS, draw()) / 2
    angles = TURN * (1 + (2 * draw(SEGMENTS) - 1) / 3)
    angles[..., 1::2] *= -1
    angles = angles + 2 * math.pi * draw(1)
    lengths = between(LENGTHS, draw(SEGMENTS))
    y, x = height * draw(), width * draw()
    rows = torch.arange(height, device=device).view(1, 1, -1, 1) + 0.5
    columns = torch.arange(width, device=device).view(1, 1, 1, -1) + 0.5
    hole = torch.zeros((count, height, width), dtype=torch.bool, device=device)
    for piece in range(SEGMENTS):
        end_y = (y + lengths[..., piece] * angles[..., piece].sin()).clamp(0, height)
        end_x = (x + lengths[..., piece] * angles[..., piece].cos()).clamp(0, width)
        near = _distance(rows, columns, y, x, end_y, end_x) <= radius[..., None, None]
        hole |= (near & (present & pieces[..., piece])[..., None, None]).any(1)
        y, x = end_y, end_x
    return hole[:, None].float()


def _distance(rows: Tensor, columns: Tensor, y: Tensor, x: Tensor, end_y: Tensor, end_x: Tensor) -> Tensor:
    """How far each pixel is from the straight piece between two points, N x strokes x H x W."""
    y, x, end_y, end_x = (each[..., None, None] for each in (y, x, end_y, end_x))
    along_y, along_x = end_y - y, end_x - x
    squared = (along_y.square() + along_x.square()).clamp(min=1e-6)
    share = (((rows - y) * along_y + (columns - x) * along_x) / squared).clamp(0, 1)
    return torch.hypot(rows - y - share * along_y, columns - x - share * along_x)
