"""Generators of other programs as modules, written down from their published lists of layers, without `translate`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def norm_of(kind: str, channels: int) -> nn.Module:
    kinds = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": nn.Identity}
    return kinds[kind](channels)


# ------------------------------------------------------------------------------- pytorch-CycleGAN-and-pix2pix and CUT


class ResnetBlock(nn.Module):
    def __init__(self, channels: int, norm: str, dropout: bool) -> None:
        super().__init__()
        bias = norm == "instance"

        def half() -> list[nn.Module]:
            return [
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3, bias=bias),
                norm_of(norm, channels),
            ]

        between = [nn.ReLU(True), *([nn.Dropout(0.5)] if dropout else [])]
        self.conv_block = nn.Sequential(*half(), *between, *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Downsample(nn.Module):
    def __init__(self, filt: Tensor) -> None:
        super().__init__()
        self.register_buffer("filt", filt)

    def forward(self, x: Tensor) -> Tensor:
        taps = self.filt.shape[-1]
        low, high = (taps - 1) // 2, -(-(taps - 1) // 2)
        return F.conv2d(F.pad(x, (low, high, low, high), "reflect"), self.filt, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    def __init__(self, filt: Tensor) -> None:
        super().__init__()
        self.register_buffer("filt", filt)

    def forward(self, x: Tensor) -> Tensor:
        taps = self.filt.shape[-1]
        padded = F.pad(x, (1, 1, 1, 1), "replicate")
        y = F.conv_transpose2d(padded, self.filt, stride=2, padding=1 + (taps - 1) // 2, groups=x.shape[1])[
            :, :, 1:, 1:
        ]
        return y if taps % 2 else y[:, :, :-1, :-1]


def filters(channels: int, taps: int, total: float) -> Tensor:
    """Positive filters of their own for each channel, which sum up to `total`: no symmetric ones, to see mirrorings."""
    rng = torch.Generator().manual_seed(channels + taps)
    values = torch.rand(channels, 1, taps, taps, generator=rng) + 0.2
    return values / values.sum((2, 3), keepdim=True) * total


class ResnetGenerator(nn.Module):
    """The ResNet of both programs; `down` and `up` are the sizes of CUT's filters (0: none, strided and transposed)."""

    def __init__(
        self,
        norm: str = "instance",
        *,
        blocks: int = 6,
        filters_: int = 4,
        dropout: bool = False,
        down: int = 0,
        up: int = 0,
        channels: tuple[int, int] = (3, 3),
    ) -> None:
        super().__init__()
        f, bias = filters_, norm == "instance"
        into, onto = channels
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(into, f, 7, bias=bias),
            norm_of(norm, f),
            nn.ReLU(True),
        ]
        for c in (f, 2 * f):
            conv = nn.Conv2d(c, 2 * c, 3, stride=1 if down else 2, padding=1, bias=bias)
            layers += [conv, norm_of(norm, 2 * c), nn.ReLU(True)]
            layers += [Downsample(filters(2 * c, down, 1))] if down else []
        layers += [ResnetBlock(4 * f, norm, dropout) for _ in range(blocks)]
        for c in (4 * f, 2 * f):
            if up:
                layers += [Upsample(filters(c, up, 4)), nn.Conv2d(c, c // 2, 3, padding=1, bias=bias)]
            else:
                layers += [nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1, bias=bias)]
            layers += [norm_of(norm, c // 2), nn.ReLU(True)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(f, onto, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class UnetSkip(nn.Module):
    def __init__(
        self, outer: int, inner: int, into: int, norm: str, place: str, sub: nn.Module | None, dropout: bool
    ) -> None:
        super().__init__()
        self.outermost = place == "outermost"
        bias = norm == "instance"
        down = nn.Conv2d(into, inner, 4, stride=2, padding=1, bias=bias)
        act, relu = nn.LeakyReLU(0.2, True), nn.ReLU(True)
        if place == "outermost":
            layers = [down, sub, relu, nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1), nn.Tanh()]
        elif place == "innermost":
            layers = [act, down, relu, nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias), norm_of(norm, outer)]
        else:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias)
            layers = [act, down, norm_of(norm, inner), sub, relu, up, norm_of(norm, outer)]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UnetGenerator(nn.Module):
    def __init__(self, norm: str = "batch", *, downs: int = 7, f: int = 4, dropout: bool = False) -> None:
        super().__init__()
        block = UnetSkip(8 * f, 8 * f, 8 * f, norm, "innermost", None, False)
        for _ in range(downs - 5):
            block = UnetSkip(8 * f, 8 * f, 8 * f, norm, "middle", block, dropout)
        for outer, inner in ((4 * f, 8 * f), (2 * f, 4 * f), (f, 2 * f)):
            block = UnetSkip(outer, inner, outer, norm, "middle", block, False)
        self.model = UnetSkip(3, f, 3, norm, "outermost", block, False)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


# ------------------------------------------------------------------------------------------------------------ ESRGAN


def dense_forward(convs: list[nn.Module], x: Tensor) -> Tensor:
    seen = [x]
    for conv in convs[:-1]:
        y = conv(torch.cat(seen, 1))
        seen.append(F.leaky_relu(y, 0.2) if isinstance(conv, nn.Conv2d) else y)
    return convs[-1](torch.cat(seen, 1)) * 0.2 + x


class Dense(nn.Module):
    """`conv1` to `conv5`; in the old program each is a sequence of a convolution and its activation."""

    def __init__(self, nf: int, gc: int, old: bool) -> None:
        super().__init__()
        for k in range(5):
            conv = nn.Conv2d(nf + k * gc, nf if k == 4 else gc, 3, 1, 1)
            layers = [conv, nn.LeakyReLU(0.2, True)] if k < 4 else [conv]
            setattr(self, f"conv{k + 1}", nn.Sequential(*layers) if old else conv)

    def forward(self, x: Tensor) -> Tensor:
        return dense_forward([getattr(self, f"conv{k}") for k in range(1, 6)], x)


class Block(nn.Module):
    def __init__(self, nf: int, gc: int, name: str, old: bool = False) -> None:
        super().__init__()
        self.names = [f"{name}{m}" for m in (1, 2, 3)]
        for each in self.names:
            setattr(self, each, Dense(nf, gc, old))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for each in self.names:
            y = getattr(self, each)(y)
        return y * 0.2 + x


class NewRRDBNet(nn.Module):
    """Of BasicSR and Real-ESRGAN: scale 4, or 2 and 1 with pixel unshuffling."""

    def __init__(self, scale: int = 4, nf: int = 8, nb: int = 2, gc: int = 4, channels: int = 3) -> None:
        super().__init__()
        self.factor = {4: 1, 2: 2, 1: 4}[scale]
        self.conv_first = nn.Conv2d(channels * self.factor**2, nf, 3, 1, 1)
        self.body = nn.Sequential(*(Block(nf, gc, "rdb") for _ in range(nb)))
        for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
            setattr(self, name, nn.Conv2d(nf, nf, 3, 1, 1))
        self.conv_last = nn.Conv2d(nf, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.factor > 1:
            r, (n, c, h, w) = self.factor, x.shape
            x = x.view(n, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class TrunkRRDBNet(nn.Module):
    """Of ESRGAN's own program."""

    def __init__(self, nf: int = 8, nb: int = 2, gc: int = 4) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, nf, 3, 1, 1)
        self.RRDB_trunk = nn.Sequential(*(Block(nf, gc, "RDB") for _ in range(nb)))
        for name in ("trunk_conv", "upconv1", "upconv2", "HRconv"):
            setattr(self, name, nn.Conv2d(nf, nf, 3, 1, 1))
        self.conv_last = nn.Conv2d(nf, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(x)
        x = x + self.trunk_conv(self.RRDB_trunk(x))
        for conv in (self.upconv1, self.upconv2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.HRconv(x), 0.2))


class Shortcut(nn.Module):
    def __init__(self, sub: nn.Module) -> None:
        super().__init__()
        self.sub = sub

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sub(x)


class OldRRDBNet(nn.Module):
    """Of ESRGAN's program before 2020: one sequence; `doublings` 0 to 3, or one step of another `factor`."""

    def __init__(self, doublings: int = 2, nf: int = 8, nb: int = 2, gc: int = 4, factor: int = 2) -> None:
        super().__init__()
        trunk = nn.Sequential(*(Block(nf, gc, "RDB", old=True) for _ in range(nb)), nn.Conv2d(nf, nf, 3, 1, 1))
        layers: list[nn.Module] = [nn.Conv2d(3, nf, 3, 1, 1), Shortcut(trunk)]
        for _ in range(doublings):
            layers += [nn.Upsample(scale_factor=factor), nn.Conv2d(nf, nf, 3, 1, 1), nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(nf, nf, 3, 1, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(nf, 3, 3, 1, 1)]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class SRGANBlock(nn.Module):
    def __init__(self, f: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(f, f, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(f)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(f, f, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(f)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))


class SRGANUp(nn.Module):
    def __init__(self, f: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(f, 4 * f, 3, padding=1)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(F.pixel_shuffle(self.conv(x), 2))


class SRGANGenerator(nn.Module):
    """SRGAN's generator as most programs name it, from images in [0, 1] to images in [0, 1]."""

    def __init__(self, doublings: int = 2, f: int = 8, blocks: int = 5) -> None:
        super().__init__()
        self.blocks = blocks
        self.block1 = nn.Sequential(nn.Conv2d(3, f, 9, padding=4), nn.PReLU())
        for n in range(2, blocks + 2):
            setattr(self, f"block{n}", SRGANBlock(f))
        setattr(self, f"block{blocks + 2}", nn.Sequential(nn.Conv2d(f, f, 3, padding=1), nn.BatchNorm2d(f)))
        ups = [SRGANUp(f) for _ in range(doublings)]
        setattr(self, f"block{blocks + 3}", nn.Sequential(*ups, nn.Conv2d(f, 3, 9, padding=4)))

    def forward(self, x: Tensor) -> Tensor:
        x = first = self.block1(x)
        for n in range(2, self.blocks + 3):
            x = getattr(self, f"block{n}")(x)
        return (torch.tanh(getattr(self, f"block{self.blocks + 3}")(first + x)) + 1) / 2


def lively(net: nn.Module, seed: int = 0) -> nn.Module:
    """The same with weights that are not nearly zero, and running averages as after a training."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            size = parameter[0].numel() if parameter.ndim > 1 else 1
            deviation = 0.7 / size**0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * deviation)
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.add_(1)
                layer.running_mean.copy_(torch.randn(layer.num_features, generator=rng) * 0.2)
                layer.running_var.copy_(torch.rand(layer.num_features, generator=rng) + 0.5)
                layer.num_batches_tracked.fill_(9)
    return net.eval()
