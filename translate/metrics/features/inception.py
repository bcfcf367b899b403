"""The Inception network whose features FID and KID are defined by (Szegedy et al. 2016, as released on 2015-12-05).

It differs from torchvision's network of that name: averages leave out the border, the last block takes the largest of
its neighbours instead of their mean, and there are 1008 classes. Names of layers are those of the published file.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 299
WIDTH = 2048
"""The numbers of an image's vector: the channels of the last block, each averaged over all places."""


class Convolution(nn.Module):
    """A convolution without bias, batch norm, ReLU. `kernel` is height and width; the size stays unless `valid`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, *, valid: bool = False
    ) -> None:
        super().__init__()
        padding = (0, 0) if valid else (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.bn(self.conv(x))
        return F.relu(normed)


ONE, THREE, FIVE = (1, 1), (3, 3), (5, 5)
ROW, COLUMN = (1, 7), (7, 1)
SHORT_ROW, SHORT_COLUMN = (1, 3), (3, 1)


def _mean_of_neighbours(x: Tensor) -> Tensor:
    """The mean of 3 x 3 places, of those that lie inside of the image."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _largest_neighbour(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


class Block35(nn.Module):
    """Four branches at 35 x 35 places: 1 x 1, 5 x 5, twice 3 x 3, and the mean of neighbours."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 64, ONE)
        self.branch5x5_1 = Convolution(inputs, 48, ONE)
        self.branch5x5_2 = Convolution(48, 64, FIVE)
        self.branch3x3dbl_1 = Convolution(inputs, 64, ONE)
        self.branch3x3dbl_2 = Convolution(64, 96, THREE)
        self.branch3x3dbl_3 = Convolution(96, 96, THREE)
        self.branch_pool = Convolution(inputs, pooled, ONE)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(_mean_of_neighbours(x))
        return torch.cat([self.branch1x1(x), wide, double, pooled], 1)


class Halve35(nn.Module):
    """From 35 x 35 to 17 x 17 places."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Convolution(inputs, 384, THREE, 2, valid=True)
        self.branch3x3dbl_1 = Convolution(inputs, 64, ONE)
        self.branch3x3dbl_2 = Convolution(64, 96, THREE)
        self.branch3x3dbl_3 = Convolution(96, 96, THREE, 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class Block17(nn.Module):
    """Four branches at 17 x 17 places, with 7 x 7 filters taken apart into rows and columns."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 192, ONE)
        self.branch7x7_1 = Convolution(inputs, inner, ONE)
        self.branch7x7_2 = Convolution(inner, inner, ROW)
        self.branch7x7_3 = Convolution(inner, 192, COLUMN)
        self.branch7x7dbl_1 = Convolution(inputs, inner, ONE)
        self.branch7x7dbl_2 = Convolution(inner, inner, COLUMN)
        self.branch7x7dbl_3 = Convolution(inner, inner, ROW)
        self.branch7x7dbl_4 = Convolution(inner, inner, COLUMN)
        self.branch7x7dbl_5 = Convolution(inner, 192, ROW)
        self.branch_pool = Convolution(inputs, 192, ONE)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(_mean_of_neighbours(x))
        return torch.cat([self.branch1x1(x), single, double, pooled], 1)


class Halve17(nn.Module):
    """From 17 x 17 to 8 x 8 places."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = Convolution(inputs, 192, ONE)
        self.branch3x3_2 = Convolution(192, 320, THREE, 2, valid=True)
        self.branch7x7x3_1 = Convolution(inputs, 192, ONE)
        self.branch7x7x3_2 = Convolution(192, 192, ROW)
        self.branch7x7x3_3 = Convolution(192, 192, COLUMN)
        self.branch7x7x3_4 = Convolution(192, 192, THREE, 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        small = self.branch3x3_2(self.branch3x3_1(x))
        large = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([small, self.branch7x7x3_4(large), F.max_pool2d(x, 3, stride=2)], 1)


class Block8(nn.Module):
    """Four branches at 8 x 8 places; two of them fork at their end. `largest`: the last branch takes the largest of its
    neighbours, not their mean."""

    def __init__(self, inputs: int, *, largest: bool) -> None:
        super().__init__()
        self.pool = _largest_neighbour if largest else _mean_of_neighbours
        self.branch1x1 = Convolution(inputs, 320, ONE)
        self.branch3x3_1 = Convolution(inputs, 384, ONE)
        self.branch3x3_2a = Convolution(384, 384, SHORT_ROW)
        self.branch3x3_2b = Convolution(384, 384, SHORT_COLUMN)
        self.branch3x3dbl_1 = Convolution(inputs, 448, ONE)
        self.branch3x3dbl_2 = Convolution(448, 384, THREE)
        self.branch3x3dbl_3a = Convolution(384, 384, SHORT_ROW)
        self.branch3x3dbl_3b = Convolution(384, 384, SHORT_COLUMN)
        self.branch_pool = Convolution(inputs, 192, ONE)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        forks = [self.branch3x3_2a(single), self.branch3x3_2b(single)]
        forks += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *forks, self.branch_pool(self.pool(x))], 1)


class Inception(nn.Module):
    """N x 3 x H x W in [0, 255], whole numbers, to N x 2048; 23,850,960 parameters with the classes' layer."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, THREE, 2, valid=True)
        self.Conv2d_2a_3x3 = Convolution(32, 32, THREE, valid=True)
        self.Conv2d_2b_3x3 = Convolution(32, 64, THREE)
        self.Conv2d_3b_1x1 = Convolution(64, 80, ONE)
        self.Conv2d_4a_3x3 = Convolution(80, 192, THREE, valid=True)
        self.Mixed_5b = Block35(192, 32)
        self.Mixed_5c = Block35(256, 64)
        self.Mixed_5d = Block35(288, 64)
        self.Mixed_6a = Halve35(288)
        self.Mixed_6b = Block17(768, 128)
        self.Mixed_6c = Block17(768, 160)
        self.Mixed_6d = Block17(768, 160)
        self.Mixed_6e = Block17(768, 192)
        self.Mixed_7a = Halve17(768)
        self.Mixed_7b = Block8(1280, largest=False)
        self.Mixed_7c = Block8(2048, largest=True)
        self.fc = nn.Linear(WIDTH, 1008)

    def forward(self, images: Tensor) -> Tensor:
        x = (resized(images, SIDE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6b(self.Mixed_6a(x))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(x)))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return torch.mean(x, (2, 3))


def resized(images: Tensor, side: int) -> Tensor:
    """Bilinear to side x side as TensorFlow 1 did it: pixel i of the result lies at i * H / side, with no half pixel
    added and nothing averaged, which every published FID has in it. N x C x H x W, floats."""
    for dim in (3, 2):
        images = _along(images, dim, side)
    return images


def _along(images: Tensor, dim: int, side: int) -> Tensor:
    size = images.shape[dim]
    # a Python quotient, rounded once to float32, as the original has it
    at = torch.arange(side, dtype=torch.float32) * torch.tensor(size / side, dtype=torch.float32)
    low = at.long()
    high = (low + 1).clamp(max=size - 1)
    shape = [1] * images.ndim
    shape[dim] = side
    part = (at - low.float()).to(images).view(shape)
    first = images.index_select(dim, low.to(images.device))
    second = images.index_select(dim, high.to(images.device))
    return first + (second - first) * part
