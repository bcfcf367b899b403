"""Makes the inputs for data that holds only targets, exactly as files of 8 bits would hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.contracts import DataKind, Image, Method, Route, Sides
from translate.errors import ContractError
from translate.imaging.convert import stated_ranges
from translate.seeding import derive


def degrades(data: DataKind | Sides, route: Route) -> bool:
    """Tells whether a method of this data makes the inputs from the targets; else they are read from sides."""
    sides = list(Sides.of(data).types.values())
    return len(sides) == 1 and isinstance(sides[0], Image) and route.main is not None


def real_input(method: Method[Any] | type[Method[Any]], route: Route, data: Sides) -> str | None:
    """The side of the data with the real inputs of a direction, which nothing has to make then; None without one."""
    if method.real_input not in data or not degrades(method.data, route):
        return None
    return method.real_input


def sides_of_batch(method: Method[Any] | type[Method[Any]], data: Sides) -> Sides:
    """The sides that a training of the method reads: those that it declares, and real inputs where the data has
    them."""
    declared, real = Sides.of(method.data), method.real_input
    if real is None or real not in data:
        return declared
    return data.only([*declared, real])


def degraded_inputs(method: Method[Any], route: Route, target: Tensor, seed: int, key: str) -> dict[str, Tensor]:
    """Makes the inputs of a direction by name from one target; all are C x H x W in [-1, 1], on 8-bit steps (of data
    with a stated range on none).

    The draws depend on (seed, key) alone. Errors: ContractError where the method makes other inputs than it names, or
    of another size than its `scale` says.
    """
    # The word "observe" seeds the draws: another one would make other inputs of the same data.
    rng = torch.Generator().manual_seed(derive(seed, "observe", key))
    with torch.no_grad():
        degraded = method.degrade(target[None], route.call, rng)
    inputs = {route.inputs[0]: degraded} if isinstance(degraded, Tensor) else dict(degraded)
    _check(method, route, target, inputs)
    if stated_ranges(method.spec.sides.get(route.source or "")) is not None:
        return {name: inputs[name][0].float() for name in route.inputs}
    return {name: round_to_8_bits(inputs[name][0]) for name in route.inputs}


def _check(method: Method[Any], route: Route, target: Tensor, inputs: Mapping[str, Tensor]) -> None:
    if set(inputs) != set(route.inputs):
        raise ContractError(
            f"method {method.name}: degrade() makes {', '.join(inputs)} for direction {route.name}, "
            f"whose inputs are {', '.join(route.inputs)}"
        )
    target_height, target_width = target.shape[-2:]
    for name, image in inputs.items():
        height, width = image.shape[-2:]
        if (height * route.scale, width * route.scale) != (target_height, target_width):
            raise ContractError(
                f"method {method.name}: degrade() makes input {name!r} of {width} x {height} pixels from an image of "
                f"{target_width} x {target_height}, which is not times {route.scale}"
            )


def round_to_8_bits(image: Tensor) -> Tensor:
    """Moves values in [-1, 1] to the nearest of the 256 steps that a file holds."""
    return image.float().add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)
