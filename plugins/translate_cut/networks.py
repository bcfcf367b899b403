"""F of CUT: what compares features of patches (Park et al. 2020, section 3.2)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Config, Network, features_of


class HeadsConfig(Config):
    """Options of the heads F."""

    width: Annotated[int, Field(ge=1)] = 256
    """The length of the hidden layer and of the vectors that are compared."""
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "xavier"
    """How the initial weights are drawn; `xavier` as in the authors' code, like those of the generator."""
    gain: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.02
    """The standard deviation of `normal` weights, or the factor of `xavier` and `orthogonal` ones."""


class Heads(Network[HeadsConfig]):
    """One head of two linear layers for each depth, whose features have `widths` channels.

    Patches N x P x widths[i], a tensor for each depth, to vectors of length one, N x P x width in float32.
    """

    name = "heads"

    def __init__(self, config: HeadsConfig, *, widths: Sequence[int]) -> None:
        super().__init__(config, in_channels=sum(widths), out_channels=config.width)
        w = config.width
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(n, w), nn.ReLU(), nn.Linear(w, w)) for n in widths)
        self.initialise(config.init, config.gain)

    def forward(self, patches: Sequence[Tensor]) -> list[Tensor]:
        vectors = [head(x) for head, x in zip(self.heads, patches, strict=True)]
        return [F.normalize(v.float(), dim=-1, eps=1e-7) for v in vectors]


def widths_of(gen: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]) -> list[int]:
    """The channels of some layers of a generator on images C x H x W, found without computing anything.

    Errors: ConfigError for a layer that it does not have.
    """
    probe = copy.deepcopy(gen).to("meta").eval()
    return [f.shape[1] for f in features_of(probe, torch.empty(1, *shape, device="meta"), layers)]
