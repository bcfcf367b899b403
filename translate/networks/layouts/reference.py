"""Layouts of pytorch-CycleGAN-and-pix2pix (Zhu et al.) and of CUT by the same authors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from translate.errors import ConfigError
from translate.networks.layouts.layout import Guess, Layout, Shapes, Slots

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class Reference(Layout):
    """What its layouts have in common."""

    name = "reference"
    program = "pytorch-CycleGAN-and-pix2pix"
    eval_switch = " --eval"

    def slots(self, net: Any) -> Slots:
        raise NotImplementedError

    def keys(self, net: Any) -> dict[str, str]:
        """See `Layout.keys`. Errors: ConfigError for upsampling other than `transposed`, spectral norm."""
        config = net.config
        if config.spectral or getattr(config, "upsample", "transposed") != "transposed":
            raise ConfigError(
                f"{net.name}: only plain weights and transposed convolutions have a counterpart in the reference"
            )
        return self.named(net)

    def named(self, net: Any) -> dict[str, str]:
        """The keys by the slots, without those of `zeros`."""
        zeros = self.zeros(net)
        return {ours: theirs for ours, theirs in self.slots(net).keys(net).items() if ours not in zeros}

    def zeros(self, net: Any) -> tuple[str, ...]:
        """Without norms the program gives its convolutions no bias, as before batch norms, and those here have one."""
        if net.config.norm != "none":
            return ()
        state = _with_norm(net, "batch").state_dict()
        return tuple(key for key in net.state_dict() if key not in state)

    def strays(self, net: Any) -> Shapes:
        """Statistics of instance norms, which programs before 2018 kept."""
        if net.config.norm != "instance":
            return {}
        other = _with_norm(net, "batch")
        state = other.state_dict()
        names = self.keys(other)
        return {names[key]: tuple(state[key].shape) for key in state if key.endswith(_STATISTICS)}


def _channels(net: Any) -> dict[str, int]:
    return {"in_channels": net.in_channels, "out_channels": net.out_channels}


def _with_norm(net: Any, norm: str) -> Any:
    """The same network with another norm, without memory for its weights."""
    options = {**net.config.model_dump(), "norm": norm}
    with torch.device("meta"):
        return type(net)(type(net).Config.model_validate(options), **_channels(net))


def norm_of(shapes: Shapes) -> str:
    """Batch norms have weights, instance norms none; at least every third convolution has a norm behind it.

    Convolutions before an instance norm have a bias. Where there are no norms, those inside have none.
    """
    weights = [len(shape) for name, shape in shapes.items() if name.endswith(".weight")]
    if 3 * weights.count(1) >= max(1, weights.count(4)):
        return "batch"
    biases = sum(name.endswith(".bias") for name in shapes)
    return "none" if biases < weights.count(4) else "instance"


def weight(shapes: Shapes, layer: object) -> tuple[int, ...]:
    """The shape of a convolution's weights; empty where there is none of this name."""
    shape = tuple(shapes.get(f"{layer}.weight", ()))
    return shape if len(shape) == 4 else ()


class ReferenceUNet(Reference):
    """Of `unet`. Its file does not tell whether there is dropout, which the program has by default."""

    def guess(self, shapes: Shapes) -> Guess | None:
        first, last = weight(shapes, 0), weight(shapes, 3)
        levels = 1 + sum(bool(re.fullmatch(r"1(\.model\.3)*\.model\.1\.weight", name)) for name in shapes)
        if not first or not last or levels < 2:
            return None
        options = {"levels": levels, "filters": first[0], "norm": norm_of(shapes), "dropout": True}
        return Guess(options, first[1], last[1], assumed=("dropout",))

    def keys(self, net: Any) -> dict[str, str]:
        """See `Layout.keys`. Errors: ConfigError as for all, for attention gates, and for fewer than 5 levels."""
        if net.config.attention:
            raise ConfigError(f"{net.name}: the reference's U-Nets have no `attention`; ONNX takes all")
        if net.config.levels < 5:
            raise ConfigError(f"{net.name}: the reference's U-Nets have 5 levels and more, not {net.config.levels}")
        return super().keys(net)

    def slots(self, net: Any) -> Slots:
        outer, levels = "model.model", net.config.levels
        inner = [f"{outer}.1{'.model.3' * level}.model" for level in range(levels - 1)]
        names = [(f"{outer}.0", "")]
        for block in inner:
            names.append((f"{block}.1", f"{block}.2"))
        for block in reversed(inner):
            n = 3 if block == inner[-1] else 5
            names.append((f"{block}.{n}", f"{block}.{n + 1}"))
        return Slots([*names, (f"{outer}.3", "")])

    def advice(self, net: Any) -> str:
        c = net.config
        there = f"--netG unet_{2**c.levels}" if c.levels in (7, 8) else f"a U-Net of num_downs={c.levels}"
        return " ".join([there, *_arguments(net)])


class ReferenceResNet(Reference):
    """Of `resnet`. A dropout layer moves the second convolution of a block by one."""

    def guess(self, shapes: Shapes) -> Guess | None:
        blocks = sum(bool(re.fullmatch(r"\d+\.conv_block\.1\.weight", name)) for name in shapes)
        first, last = weight(shapes, 1), weight(shapes, 17 + blocks)
        if not blocks or not first or not last:
            return None
        dropout = bool(weight(shapes, "10.conv_block.6"))
        options = {"blocks": blocks, "filters": first[0], "norm": norm_of(shapes), "dropout": dropout}
        return Guess(options, first[1], last[0])

    def slots(self, net: Any) -> Slots:
        return _resnet_slots(net.config.blocks, net.config.dropout, down=0, up=0)

    def advice(self, net: Any) -> str:
        return " ".join([f"--netG resnet_{net.config.blocks}blocks", *_arguments(net)])


class CUT(Reference):
    """Of `resnet_antialiased`: blurs behind convolutions of stride 1, and before those that follow an upsampling."""

    name = "cut"
    program = "CUT (contrastive-unpaired-translation)"

    def guess(self, shapes: Shapes) -> Guess | None:
        blocks = sum(bool(re.fullmatch(r"\d+\.conv_block\.1\.weight", name)) for name in shapes)
        filters = {name: shape for name, shape in shapes.items() if name.endswith(".filt") and len(shape) == 4}
        first = weight(shapes, 1)
        if not blocks or not filters or not first:
            return None
        down = "7.filt" in filters
        start = 12 if down else 10
        up = f"{start + blocks}.filt" in filters
        last = weight(shapes, start + blocks + (9 if up else 7))
        options = {
            "blocks": blocks,
            "filters": first[0],
            "norm": norm_of(shapes),
            "dropout": bool(weight(shapes, f"{start}.conv_block.6")),
            "down": "blurred" if down else "strided",
            "up": "blurred" if up else "transposed",
        }
        if down:
            options["down_taps"] = filters["7.filt"][-1]
        if up:
            options["up_taps"] = filters[f"{start + blocks}.filt"][-1]
        return Guess(options, first[1], last[0] if last else 0)

    def keys(self, net: Any) -> dict[str, str]:
        """See `Layout.keys`: of `resnet_antialiased`, and of `resnet_blurred`, whose filters have no tensors here."""
        if net.config.spectral or getattr(net.config, "upsample", "bilinear") != "bilinear":
            raise ConfigError(f"{net.name}: only plain weights and blurred upsampling have a counterpart in CUT")
        return self.named(net)

    def slots(self, net: Any) -> Slots:
        c = net.config
        down, up = getattr(c, "down", "blurred") == "blurred", getattr(c, "up", "blurred") == "blurred"
        return _resnet_slots(c.blocks, c.dropout, down=int(down), up=int(up))

    def constants(self, net: Any) -> dict[str, Tensor]:
        """The filters of `resnet_blurred`: (1 2 1) / 4 downwards, and upwards (1 3 3 1) / 4, which is bilinear."""
        slots = self.slots(net)
        if any(key.endswith(".filt") for key in net.state_dict()):
            return {}
        f = net.config.filters
        widths, taps = (2 * f, 4 * f, 4 * f, 2 * f), (3, 3, 4, 4)
        return {
            f"{name}.filt": binomial(n, 1 if n == 3 else 2).repeat(width, 1, 1, 1)
            for name, width, n in zip(slots.filters, widths, taps, strict=True)
        }

    def advice(self, net: Any) -> str:
        c = net.config
        switches = [
            *(["--no_antialias"] if getattr(c, "down", "blurred") != "blurred" else []),
            *(["--no_antialias_up"] if getattr(c, "up", "blurred") != "blurred" else []),
        ]
        return " ".join([f"--netG resnet_{c.blocks}blocks", *_arguments(net), *switches])


class ReferencePatchGAN(Reference):
    """Of `patchgan`."""

    generates = False

    def guess(self, shapes: Shapes) -> Guess | None:
        places = [n for n in range(40) if weight(shapes, n)]
        convolutions = [weight(shapes, n) for n in places]
        if places[:2] != [0, 2] or len(places) < 3 or convolutions[0][-1] != 4:
            return None
        options = {"layers": len(places) - 2, "filters": convolutions[0][0], "norm": norm_of(shapes)}
        return Guess(options, convolutions[0][1], convolutions[-1][0])

    def slots(self, net: Any) -> Slots:
        return Slots([(f"model.{max(0, 3 * n - 1)}", f"model.{3 * n}") for n in range(net.config.layers + 2)])


class ReferencePixelGAN(Reference):
    """Of `pixel`."""

    generates = False

    def guess(self, shapes: Shapes) -> Guess | None:
        first, last = weight(shapes, 0), weight(shapes, 5)
        if not first or not last or not weight(shapes, 2) or first[-1] != 1:
            return None
        return Guess({"filters": first[0], "norm": norm_of(shapes)}, first[1], last[0])

    def slots(self, net: Any) -> Slots:
        return Slots([(f"net.{n}", f"net.{n + 1}") for n in (0, 2, 5)])


def binomial(taps: int, gain: int) -> Tensor:
    """Pascal's triangle as a filter of `taps` x `taps`, 1 x taps x taps; a row and a column sum up to `gain` each."""
    row = torch.ones(1, dtype=torch.float64)
    for _ in range(taps - 1):
        row = nn.functional.pad(row, (0, 1)) + nn.functional.pad(row, (1, 0))
    return (torch.outer(row, row) / row.sum() ** 2 * gain**2).float()[None]


def _resnet_slots(blocks: int, dropout: bool, *, down: int, up: int) -> Slots:
    """The names of a ResNet's layers in their sequence, where a blur (1: it is there) takes a place of its own."""

    def names() -> Iterator[tuple[str, str]]:
        place = 1
        yield f"model.{place}", f"model.{place + 1}"
        for _ in range(2):
            place += 3
            yield f"model.{place}", f"model.{place + 1}"
            if down:
                filters.append(f"model.{place + 3}")
                place += 1
        place += 3
        for n in range(place, place + blocks):
            for m in (1, 6 if dropout else 5):
                yield f"model.{n}.conv_block.{m}", f"model.{n}.conv_block.{m + 1}"
        place += blocks
        for _ in range(2):
            if up:
                filters.append(f"model.{place}")
                place += 1
            yield f"model.{place}", f"model.{place + 1}"
            place += 3
        yield f"model.{place + 1}", ""

    filters: list[str] = []
    return Slots(list(names()), filters)


def _arguments(net: Any) -> list[str]:
    """The program's options beside `--netG`."""
    c = net.config
    arguments: Mapping[str, Any] = {
        "norm": c.norm,
        "ngf": c.filters,
        "input_nc": net.in_channels,
        "output_nc": net.out_channels,
    }
    switch = [] if getattr(c, "dropout", False) else ["--no_dropout"]
    return [*(f"--{key} {value}" for key, value in arguments.items()), *switch]
