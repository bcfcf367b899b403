"""Inputs for data that holds only the truth: what a method makes of it, exactly as files of 8 bits would hold it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from translate.contracts import DataKind, Method, Route
from translate.errors import ContractError
from translate.seeding import derive


def observes(kind: DataKind) -> bool:
    """Whether the inputs of a direction are made from the truth, not read from sides of their own."""
    return kind == "single"


def observed(method: Method[Any], route: Route, truth: Tensor, seed: int, key: str) -> dict[str, Tensor]:
    """The inputs of a direction by name, each C x H x W in [-1, 1] on 8-bit steps, from one truth, likewise.

    The draws depend on (seed, key) alone. Errors: ContractError where the method makes other inputs than it names, or
    of another size than its `scale` says.
    """
    rng = torch.Generator().manual_seed(derive(seed, "observe", key))
    with torch.no_grad():
        made = method.observe(truth[None], route.name, rng)
    inputs = {route.inputs[0]: made} if isinstance(made, Tensor) else dict(made)
    if set(inputs) != set(route.inputs):
        raise ContractError(
            f"method {method.name}: observe() makes {', '.join(inputs)} for direction {route.name}, "
            f"whose inputs are {', '.join(route.inputs)}"
        )
    wanted = tuple(truth.shape[-2:])
    for name, image in inputs.items():
        height, width = image.shape[-2:]
        if (height * route.scale, width * route.scale) != wanted:
            raise ContractError(
                f"method {method.name}: observe() makes input {name!r} of {width} x {height} pixels from an image of "
                f"{wanted[1]} x {wanted[0]}, which is not times {route.scale}"
            )
    return {name: round_to_8_bits(inputs[name][0]) for name in route.inputs}


def round_to_8_bits(image: Tensor) -> Tensor:
    """Values in [-1, 1] on the nearest of the 256 steps that a file holds."""
    return image.float().add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)
