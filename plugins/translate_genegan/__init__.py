"""GeneGAN: Zhou, Xiao, Yang, Feng, He, He, "GeneGAN: Learning Object Transfiguration and Attribute Subspace from
Unpaired Data", BMVC 2017, arXiv 1705.04932."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from translate import (
    Build,
    Config,
    Direction,
    DirectionCall,
    Draw,
    Method,
    Metric,
    Nets,
    Objective,
    Step,
    Update,
    Upsample,
    batched,
    hookimpl,
)
from translate_genegan.metrics import AttributeAccuracy, ColourfulPlace, ExemplarRetrieval, PlaceL1
from translate_genegan.networks import CodeNorm, Critic, Joiner, Norm, PartConfig, Splitter, sum_of_squares

CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
STEPS = 5
"""Pictures of a strip, and of a side of the matrix."""


class GeneGANConfig(Config):
    """Knobs of GeneGAN."""

    width: Annotated[int, Field(ge=4)] = 128
    """Channels after the first convolution of all networks; codes have four times as many."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The part of the code's channels that holds the object; the rest holds the background."""
    norm: Norm = "batch"
    """The norm of splitter and joiner: `batch` as in the authors' code, `instance` or `none`."""
    code_norm: CodeNorm = "learned"
    """The norm of the splitter's last layer: with a `learned` scale and shift (the authors'), a `fixed` one, with which
    nulling cannot be had by making all codes small, or `none`."""
    upsample: Upsample = "transposed"
    """How the joiner doubles the size: by a `transposed` convolution as in the paper; `nearest` and `bilinear` before a
    convolution, which leave no checkerboard; `pixel-shuffle` after one."""
    together: bool = False
    """Shows batch norms both sets at once. Alone, each gives codes of both sets the same spread, which nulling fights,
    and images are later converted with the statistics of both."""
    critic_norm: Norm = "batch"
    """The norm of both critics: `batch` as in the authors' code, `instance` or `none`; not `batch` with `wgan-gp`."""
    objective: Objective = Objective(uses="wgan")
    """The game that the networks play; Wasserstein with clipped weights in the paper."""
    critic_steps: PositiveInt = 1
    """Updates of the critics for one of the generator, outside of bursts."""
    burst: NonNegativeInt = 100
    """Updates of the critics before the first one of the generator, and before every `burst_every`-th; 0: no bursts."""
    burst_every: PositiveInt = 500
    """How many updates of the generator lie between two bursts."""

    @model_validator(mode="after")
    def _penalty_per_image(self) -> GeneGANConfig:
        if self.objective.uses == "wgan-gp" and self.critic_norm == "batch":
            raise ValueError("wgan-gp looks at the slope at each image, and batch norm mixes images: set `critic_norm`")
        return self


class GeneGAN(Method[GeneGANConfig]):
    """A splitter E(Ax) = (A, u), E(Be) = (B, eps) and a joiner J, one of each for both sets, against two critics.

    J(A, u) and J(B, 0) reconstruct, J(B, u) adds the object of Ax to Be, J(A, 0) removes it; eps is driven to zero
    (nulling), and the object moves without loss: Ax + Be = Bu + A0 (parallelogram). Where the authors' images are 0 to
    255, ours are -1 to 1: losses are of images from 0 to 1, with weights that give the same sum. Critics and generator
    play on one batch, where the authors draw a new one for each.
    """

    name = "genegan"
    data = "attribute"
    players = {"D": ("D_with", "D_without"), "G": ("splitter", "joiner")}
    losses = {
        "reconstruction": 1.0,
        "nulling": 1.0,
        "adversarial_with": 1.0,
        "adversarial_without": 1.0,
        "parallelogram": 2.55,
        "decay": 5e-5,
        "critic_with": 1.0,
        "critic_without": 1.0,
    }
    views = {
        "D": ("with", "without", "added", "removed", "critic_with", "critic_without", "critic", "real", "fake"),
        "G": (
            *("with", "without", "added", "removed", "same_with", "same_without", "critic_with", "critic_without"),
            *("input", "output", "critic", "real", "fake"),
        ),
    }
    directions = {
        name: Direction(("splitter", "joiner"), inputs, sides=sides, target=target, tiles=tiles)
        for name, inputs, sides, target, tiles in (
            ("add", ("image", "exemplar"), ("without", "with"), "with", (1, 1)),
            ("remove", ("image",), ("with",), "without", (1, 1)),
            ("swap", ("image", "exemplar"), ("without", "with"), None, (1, 2)),
            ("interpolate", ("image", "exemplar"), ("without", "with"), None, (1, STEPS)),
            ("matrix", ("image", *CORNERS), ("without", *["with"] * 4), None, (STEPS, STEPS)),
            ("reconstruct_with", ("image",), ("with",), "with", (1, 1)),
            ("reconstruct_without", ("image",), ("without",), "without", (1, 1)),
        )
    }
    small = {"width": 4, "burst": 2}

    def networks(self, build: Build) -> dict[str, nn.Module]:
        c, channels = self.config, self.spec.channels["with"]
        parts = PartConfig(width=c.width, norm=c.norm, code_norm=c.code_norm, upsample=c.upsample)
        critic = PartConfig(width=c.width, norm=c.critic_norm)
        return {
            "splitter": Splitter(parts, in_channels=channels, out_channels=4 * c.width),
            "joiner": Joiner(parts, in_channels=4 * c.width, out_channels=channels),
            "D_with": Critic(critic, in_channels=channels, size=self.spec.size),
            "D_without": Critic(critic, in_channels=channels, size=self.spec.size),
        }

    def step(self, nets: Nets, batch: Mapping[str, Tensor], step: Step) -> Iterator[Update]:
        Ax, Be, objective = batch["with"], batch["without"], self.config.objective
        joins = step.updates["D"] + 1 >= self.critic_updates(step.updates["G"])
        with torch.set_grad_enabled(joins):
            (A, u), (B, eps) = map(self._parts, self._both(nets.splitter, Ax, Be))
            Bu, A0 = self._both(nets.joiner, _code(B, u), _code(A, torch.zeros_like(u)))
        critic_with = objective.critic(nets.D_with, Ax, Bu, step)
        critic_without = objective.critic(nets.D_without, Be, A0, step)
        views = {"with": Ax, "without": Be, "critic_with": nets.D_with, "critic_without": nets.D_without}
        views |= {"critic": nets.D_with, "real": Ax, "added": Bu.detach(), "removed": A0.detach(), "fake": Bu.detach()}
        yield Update("D", {"critic_with": critic_with, "critic_without": critic_without}, views)
        objective.constrain(nets.D_with, nets.D_without)
        if not joins:
            return
        Ax2, Be2 = self._both(nets.joiner, _code(A, u), _code(B, torch.zeros_like(u)))
        losses = {
            "reconstruction": (F.l1_loss(Ax2.float(), Ax) + F.l1_loss(Be2.float(), Be)) / 2,
            "nulling": eps.float().abs().mean(),
            "adversarial_with": objective.generator(nets.D_with, Bu, Ax, step),
            "adversarial_without": objective.generator(nets.D_without, A0, Be, step),
            "parallelogram": parallelogram(Ax, Be, Bu.float(), A0.float()),
            "decay": sum_of_squares(nets.splitter, nets.joiner),
        }
        shown = {"added": Bu, "removed": A0, "same_with": Ax2, "same_without": Be2}
        yield Update("G", losses, views | shown | {"input": Be, "output": Bu, "fake": Bu})

    def critic_updates(self, updates: int) -> int:
        """The number of updates of the critics before the generator makes its update `updates`, counted from 0."""
        c = self.config
        bursts = updates // c.burst_every + 1 if c.burst else 0
        return c.critic_steps * (updates + 1) + max(0, c.burst - c.critic_steps) * bursts

    def translate(self, nets: Nets, inputs: Mapping[str, Tensor], direction: DirectionCall, draw: Draw) -> Tensor:
        background, own = self._parts(nets.splitter(inputs["image"]))

        def join(code: Tensor) -> Tensor:
            images: Tensor = nets.joiner(_code(background, code))
            return images

        def code_of(name: str) -> tuple[Tensor, Tensor]:
            return self._parts(nets.splitter(inputs[name]))

        if direction in ("remove", "reconstruct_with", "reconstruct_without"):
            return join(own if direction == "reconstruct_with" else torch.zeros_like(own))
        if direction == "matrix":
            corners = [code_of(name)[1] for name in CORNERS]
            return sheet([list(map(join, row)) for row in bilinear(corners)])
        other, u = code_of("exemplar")
        if direction == "swap":
            return sheet([[join(u), nets.joiner(_code(other, torch.zeros_like(u)))]])
        if direction == "interpolate":
            return sheet([[join(u * n / STEPS) for n in range(1, STEPS + 1)]])
        return join(u)

    def _both(self, net: nn.Module, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        if not self.config.together:
            return batched(net, a, b)
        first, second = net(torch.cat((a, b))).split((len(a), len(b)))
        return first, second

    def _parts(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """(background, object): the object is the last `share` of the channels."""
        channels = max(1, round(self.config.share * 4 * self.config.width))
        return code[:, :-channels], code[:, -channels:]


def _code(background: Tensor, u: Tensor) -> Tensor:
    return torch.cat((background, u.expand(background.shape[0], -1, -1, -1)), 1)


def parallelogram(Ax: Tensor, Be: Tensor, Bu: Tensor, A0: Tensor) -> Tensor:
    """Mean |Ax + Be - Bu - A0| of images from 0 to 1, given from -1 to 1."""
    return ((Ax + Be - Bu - A0) / 2).abs().mean()


def bilinear(corners: list[Tensor]) -> list[list[Tensor]]:
    """Object codes of a matrix whose corners (top left, top right, bottom left, bottom right) are given."""
    a, b, c, d = corners
    at, rows = [n / (STEPS - 1) for n in range(STEPS)], []
    for r in at:  # r of the way down, s of the way to the right
        rows.append([(1 - r) * (1 - s) * a + (1 - r) * s * b + r * (1 - s) * c + r * s * d for s in at])
    return rows


def sheet(rows: list[list[Tensor]]) -> Tensor:
    """Pictures N x C x H x W of equal size, joined to one N x C x (rows H) x (columns W)."""
    return torch.cat([torch.cat(row, 3) for row in rows], 2)


@hookimpl
def translate_methods() -> list[type[Method[GeneGANConfig]]]:
    return [GeneGAN]


@hookimpl
def translate_metrics() -> list[type[Metric[Any]]]:
    return [PlaceL1, ColourfulPlace, ExemplarRetrieval, AttributeAccuracy]
