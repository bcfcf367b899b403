"""Checkpoints with random weights in the reference's names and shapes, and its networks, written down once more.

The layers follow the published list of names; nothing here uses the networks of `translate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """A generator of the reference: `unet` of 7 or 8 levels, `resnet` of 6 or 9 blocks."""

    kind: str
    depth: int
    norm: str
    dropout: bool = False
    filters: int = 4
    inputs: int = 3
    outputs: int = 3

    @property
    def size(self) -> int:
        return 2**self.depth if self.kind == "unet" else 32

    def checkpoint(self, seed: int = 0) -> State:
        """Random tensors by name, in the order of the file; trained-looking running averages."""
        rng = torch.Generator().manual_seed(seed)
        state: State = {}

        def conv(name: str, out: int, into: int, k: int, transposed: bool = False, bias: bool | None = None) -> None:
            shape = (into, out, k, k) if transposed else (out, into, k, k)
            state[f"{name}.weight"] = torch.randn(shape, generator=rng) * 0.5 / (into * k * k) ** 0.5
            if self.norm != "batch" if bias is None else bias:
                state[f"{name}.bias"] = torch.randn(out, generator=rng) * 0.1

        def norm(name: str, n: int) -> None:
            if self.norm == "batch":
                state[f"{name}.weight"] = 1 + 0.2 * torch.randn(n, generator=rng)
                state[f"{name}.bias"] = 0.2 * torch.randn(n, generator=rng)
                state[f"{name}.running_mean"] = 0.2 * torch.randn(n, generator=rng)
                state[f"{name}.running_var"] = 0.5 + torch.rand(n, generator=rng)
                state[f"{name}.num_batches_tracked"] = torch.tensor(7)

        f = self.filters
        if self.kind == "resnet":
            for n, out, into, k in ((1, f, self.inputs, 7), (4, 2 * f, f, 3), (7, 4 * f, 2 * f, 3)):
                conv(f"model.{n}", out, into, k)
                norm(f"model.{n + 1}", out)
            for n in range(10, 10 + self.depth):
                for m in (1, 6 if self.dropout else 5):
                    conv(f"model.{n}.conv_block.{m}", 4 * f, 4 * f, 3)
                    norm(f"model.{n}.conv_block.{m + 1}", 4 * f)
            for n, out, into in ((10 + self.depth, 2 * f, 4 * f), (13 + self.depth, f, 2 * f)):
                conv(f"model.{n}", out, into, 3, transposed=True)
                norm(f"model.{n + 1}", out)
            conv(f"model.{17 + self.depth}", self.outputs, f, 7, bias=True)
            return state
        widths = [f * min(2**level, 8) for level in range(self.depth)]
        conv("model.model.0", f, self.inputs, 4)
        for level in range(1, self.depth):
            conv(f"{block(level)}.1", widths[level], widths[level - 1], 4)
            if level < self.depth - 1:
                norm(f"{block(level)}.2", widths[level])
        for level in reversed(range(1, self.depth)):
            inner = level == self.depth - 1
            conv(f"{block(level)}.{3 if inner else 5}", widths[level - 1], widths[level] * (2 - inner), 4, True)
            norm(f"{block(level)}.{4 if inner else 6}", widths[level - 1])
        conv("model.model.3", self.outputs, 2 * f, 4, transposed=True, bias=True)
        return state

    def forward(self, state: State, x: Tensor, statistics: str) -> Tensor:
        """The generator without dropout. `statistics`: of each `image`, or the `running` averages, for batch norms."""

        def conv(x: Tensor, name: str, **options: int) -> Tensor:
            return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

        def up(x: Tensor, name: str, **options: int) -> Tensor:
            return F.conv_transpose2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=2, **options)

        def norm(x: Tensor, name: str) -> Tensor:
            if self.norm == "instance":
                centred = x - x.mean((2, 3), keepdim=True)
                return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
            weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
            if statistics == "running":
                mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
                return F.batch_norm(x, mean, var, weight, bias)
            images = x.split(1)  # train mode, one image at a time
            return torch.cat([F.batch_norm(image, None, None, weight, bias, training=True) for image in images])

        if self.kind == "resnet":
            x = F.relu(norm(conv(F.pad(x, (3, 3, 3, 3), "reflect"), "model.1"), "model.2"))
            for n in (4, 7):
                x = F.relu(norm(conv(x, f"model.{n}", stride=2, padding=1), f"model.{n + 1}"))
            for n in range(10, 10 + self.depth):
                here, second = f"model.{n}.conv_block", 6 if self.dropout else 5
                y = F.relu(norm(conv(F.pad(x, (1, 1, 1, 1), "reflect"), f"{here}.1"), f"{here}.2"))
                y = conv(F.pad(y, (1, 1, 1, 1), "reflect"), f"{here}.{second}")
                x = x + norm(y, f"{here}.{second + 1}")
            for n in (10 + self.depth, 13 + self.depth):
                x = F.relu(norm(up(x, f"model.{n}", padding=1, output_padding=1), f"model.{n + 1}"))
            return conv(F.pad(x, (3, 3, 3, 3), "reflect"), f"model.{17 + self.depth}").tanh()

        def inside(x: Tensor, level: int) -> Tensor:
            """Block `level` with its skip: what stands inside is itself a block."""
            here, inner = block(level), level == self.depth - 1
            y = conv(F.leaky_relu(x, 0.2), f"{here}.1", stride=2, padding=1)
            if not inner:
                y = inside(norm(y, f"{here}.2"), level + 1)
            y = up(F.relu(y), f"{here}.{3 if inner else 5}", padding=1)
            return torch.cat((x, norm(y, f"{here}.{4 if inner else 6}")), 1)

        x = inside(conv(x, "model.model.0", stride=2, padding=1), 1)
        return up(F.relu(x), "model.model.3", padding=1).tanh()


def block(level: int) -> str:
    """The path of a U-Net's block: place 1 of the outermost, then place 3 of the one around it."""
    return f"model.model.1{'.model.3' * (level - 1)}.model"


LAYOUTS = [
    *(Layout("unet", depth, norm) for depth in (7, 8) for norm in ("batch", "instance")),
    *(Layout("resnet", n, norm, drop) for n in (6, 9) for norm in ("batch", "instance") for drop in (False, True)),
]
"""Every generator of the published list, with few filters."""
FULL = [
    Layout("unet", 8, "batch", filters=64),
    Layout("unet", 7, "instance", filters=64),
    Layout("resnet", 9, "instance", filters=64),
    Layout("resnet", 6, "batch", True, filters=64),
]
