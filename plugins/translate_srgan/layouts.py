"""The names of RRDB's tensors in ESRGAN, its old program, and Real-ESRGAN with BasicSR; of SRResNet's in SRGAN."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from translate import ConfigError, Guess, Layout

Shapes = Mapping[str, Sequence[int]]

DENSE = 5
"""Convolutions of a dense block."""


class ESRGAN(Layout):
    """ESRGAN's `RRDBNet_arch.py`, which enlarges by 4. Its images are RGB in [0, 1]."""

    name, program = "esrgan", "ESRGAN"
    takes = gives = "unit"
    first, block, trunk, last = "conv_first", "RRDB_trunk.{n}.RDB{m}.conv{k}", "trunk_conv", "conv_last"
    ups, hr = ("upconv1", "upconv2"), "HRconv"

    def guess(self, shapes: Shapes) -> Guess | None:
        pattern = re.escape(self.block).replace(r"\{n\}", r"(\d+)").replace(r"\{m\}", "1").replace(r"\{k\}", "1")
        blocks = sum(bool(re.fullmatch(rf"{pattern}\.weight", name)) for name in shapes)
        dense, first = _weight(shapes, self.block.format(n=0, m=1, k=1)), _weight(shapes, self.first)
        doublings = self.doublings(shapes)
        last = _weight(shapes, self.ends(doublings)[1])
        if not blocks or not dense or not first:
            return None
        # Pixel unshuffling makes 4 or 16 channels of each.
        inputs, outputs = first[1], last[0] if last else 3
        unshuffle = {4: 2, 16: 4}.get(inputs // outputs if outputs and inputs % outputs == 0 else 1, 1)
        whole = 2**doublings % unshuffle == 0
        options = {
            "scale": 2**doublings // unshuffle if whole else f"{2**doublings}/{unshuffle}",
            "unshuffle": unshuffle,
            "blocks": blocks,
            "filters": first[0],
            "growth": dense[0],
        }
        return Guess(options, inputs // unshuffle**2, outputs)

    def doublings(self, shapes: Shapes) -> int:
        """How often the program doubles the size: twice."""
        return len(self.ups)

    def ends(self, doublings: int) -> tuple[str, str]:
        """The names of the last convolution but one, and of the last."""
        return self.hr, self.last

    def up(self, number: int) -> str:
        """The name of the convolution behind a doubling."""
        return self.ups[number]

    def keys(self, net: Any) -> dict[str, str]:
        """See `Layout.keys`. Errors: ConfigError for networks that do not enlarge by 4."""
        self.check(net)
        doublings = len(net.up)
        layers = {"stem": self.first}
        for n in range(net.config.blocks):
            for m in range(3):
                for k in range(DENSE):
                    layers[f"blocks.{n}.dense.{m}.convs.{k}"] = self.block.format(n=n, m=m + 1, k=k + 1)
        layers["trunk"] = self.trunk.format(n=net.config.blocks)
        layers |= {f"up.{number}": self.up(number) for number in range(doublings)}
        layers["last"], layers["head"] = self.ends(doublings)
        return {f"{ours}.{each}": f"{theirs}.{each}" for ours, theirs in layers.items() for each in ("weight", "bias")}

    def check(self, net: Any) -> None:
        """Errors: ConfigError where the program has no such network."""
        if len(net.up) != len(self.ups) or net.config.unshuffle != 1:
            raise ConfigError(
                f"rrdb: ESRGAN's program enlarges by 4, and this network by {net.scale}; its older program has other "
                "scales (`layout=esrgan-old`), Real-ESRGAN those with `unshuffle` (`layout=real-esrgan`)"
            )

    def outer(self, net: Any) -> tuple[str, str]:
        return "stem", "head"

    def advice(self, net: Any) -> str:
        c = net.config
        return f"RRDBNet({net.in_channels}, {net.out_channels}, {c.filters}, {c.blocks}, gc={c.growth})"


class RealESRGAN(ESRGAN):
    """BasicSR and Real-ESRGAN, which double twice, and unshuffle pixels before where the scale is 2 or 1."""

    name, program = "real-esrgan", "Real-ESRGAN"
    block, trunk = "body.{n}.rdb{m}.conv{k}", "conv_body"
    ups, hr = ("conv_up1", "conv_up2"), "conv_hr"

    def check(self, net: Any) -> None:
        """Errors: ConfigError for a scale of 2 or 1 without unshuffling, and for 8."""
        if len(net.up) != len(self.ups):
            raise ConfigError(
                f"rrdb: Real-ESRGAN doubles the size twice, and this network enlarges {net.scale} times; `scale: 2` "
                "has `unshuffle: 2` there, `scale: 1` has `unshuffle: 4`; `layout=esrgan-old` has other scales"
            )

    def content(self, state: Mapping[str, Tensor]) -> Any:
        """The state dict under `params`, where the program looks for it."""
        return {"params": dict(state)}

    def advice(self, net: Any) -> str:
        c = net.config
        return (
            f"RRDBNet(num_in_ch={net.in_channels}, num_out_ch={net.out_channels}, scale={net.scale}, "
            f"num_feat={c.filters}, num_block={c.blocks}, num_grow_ch={c.growth})"
        )


class OldESRGAN(ESRGAN):
    """ESRGAN before 2020, whose names most models of the community have: one sequence, 3 places for each doubling."""

    name, program = "esrgan-old", "ESRGAN (its old names)"
    first, block, trunk = "model.0", "model.1.sub.{n}.RDB{m}.conv{k}.0", "model.1.sub.{n}"

    def guess(self, shapes: Shapes) -> Guess | None:
        guess = super().guess({f"model.{name}": shape for name, shape in shapes.items()})
        # One enlargement is by 2, or by 3: nearest neighbours have no tensors that would tell.
        if guess is None or guess.options["scale"] != 2 or guess.options["unshuffle"] != 1:
            return guess
        return replace(guess, assumed=("scale",))

    def doublings(self, shapes: Shapes) -> int:
        """Two convolutions stand behind the doublings."""
        return max(0, sum(bool(re.fullmatch(r"model\.([2-9]|\d\d)\.weight", name)) for name in shapes) - 2)

    def ends(self, doublings: int) -> tuple[str, str]:
        return f"model.{2 + 3 * doublings}", f"model.{4 + 3 * doublings}"

    def up(self, number: int) -> str:
        return f"model.{3 + 3 * number}"

    def check(self, net: Any) -> None:
        """It has all scales."""

    def advice(self, net: Any) -> str:
        c = net.config
        channels = f"{net.in_channels}, {net.out_channels}"
        return f"RRDB_Net({channels}, {c.filters}, {c.blocks}, gc={c.growth}, upscale={net.scale})"


def _weight(shapes: Shapes, layer: str) -> tuple[int, ...]:
    """The shape of a convolution's weights; empty where there is none of this name."""
    shape = tuple(shapes.get(f"{layer}.weight", ()))
    return shape if len(shape) == 4 else ()


class SRGANLayout(Layout):
    """The program from which most generators of SRGAN for PyTorch descend: `block1` to `block8` with five residual
    blocks. Its images are in [0, 1]; its last step, (tanh + 1) / 2, is none of the tensors."""

    name, program = "srgan", "SRGAN (leftthomas)"
    takes = "unit"

    def guess(self, shapes: Shapes) -> Guess | None:
        numbers = [int(found[1]) for name in shapes if (found := re.fullmatch(r"block(\d+)\.bn1\.weight", name))]
        first = _weight(shapes, "block1.0")
        if not numbers or not first:
            return None
        blocks = len(numbers)
        doublings = sum(bool(re.fullmatch(rf"block{blocks + 3}\.\d+\.conv\.weight", name)) for name in shapes)
        last = _weight(shapes, f"block{blocks + 3}.{doublings}")
        options = {"scale": 2**doublings, "blocks": blocks, "filters": first[0], "output": "tanh"}
        return Guess(options, first[1], last[0] if last else 3)

    def keys(self, net: Any) -> dict[str, str]:
        """See `Layout.keys`. Errors: ConfigError for another norm or end than the program's."""
        c = net.config
        paper = c.norm == "batch" and c.output == "tanh" and c.tail == "doublings"
        if not paper or c.residual or c.spectral or c.scale == 3:
            raise ConfigError(
                "srresnet: SRGAN's program has `norm: batch`, `output: tanh`, doublings, no `residual`; ONNX takes all"
            )
        n, layers = c.blocks, {"stem.conv": "block1.0", "stem.prelu": "block1.1"}
        for number in range(n):
            ours, theirs = f"trunk.{number}.branch", f"block{number + 2}"
            layers |= {f"{ours}.conv1": f"{theirs}.conv1", f"{ours}.norm1": f"{theirs}.bn1"}
            layers |= {f"{ours}.prelu": f"{theirs}.prelu"}
            layers |= {f"{ours}.conv2": f"{theirs}.conv2", f"{ours}.norm2": f"{theirs}.bn2"}
        layers |= {f"trunk.{n}.conv": f"block{n + 2}.0", f"trunk.{n}.norm": f"block{n + 2}.1"}
        for number in range(len(net.up)):
            for each in ("conv", "prelu"):
                layers[f"up.{number}.{each}"] = f"block{n + 3}.{number}.{each}"
        layers["head.conv"] = f"block{n + 3}.{len(net.up)}"
        keys = {}
        for key in net.state_dict():
            layer, _, tensor = key.rpartition(".")
            keys[key] = f"{layers[layer]}.{tensor}"
        return keys

    def outer(self, net: Any) -> tuple[str, str]:
        return "stem.conv", "head.conv"

    def advice(self, net: Any) -> str:
        c = net.config
        more = "" if c.blocks == 5 else f", with {c.blocks} residual blocks in place of 5"
        return f"Generator(scale_factor={net.scale}){more}"
