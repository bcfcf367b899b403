"""Chooses the square that networks train on: the largest one that the images hold and the networks take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from translate.contracts import DataSpec, Labels, Method, NetworkUse, Sides
from translate.errors import TranslateError
from translate.plugins import Registry

LARGEST, SMALLEST = 256, 64
"""The side of the square of most papers, and one below which images are enlarged."""
ENLARGED = 96
"""The square that small images are made of where a method enlarges them (SRResNet and SRGAN)."""
LEVELS = 5
"""A U-Net that is made shallower, so that it takes other sizes, halves them so often at least."""


@dataclass(frozen=True)
class Square:
    """The `side` of the square that a method trains on, and the `options` by which its networks take it."""

    side: int
    options: Mapping[str, Any] = field(default_factory=dict)


def networks_of(method: type[Method[Any]]) -> dict[str, NetworkUse]:
    """The networks that a method's options name, by option."""
    fields = method.Config.model_fields
    return {name: each.default for name, each in fields.items() if isinstance(each.default, NetworkUse)}


def is_unet(use: NetworkUse) -> bool:
    """Whether it is the U-Net of one size of images, such as `unet_256`."""
    return bool(re.fullmatch(r"unet_\d+", use.uses))


def training_square(name: str, least: int, registry: Registry) -> Square:
    """The largest square of at most `LARGEST` in images whose least side is `least` that a method can train on.

    Smaller images than `SMALLEST` count as if they were enlarged to it.
    """
    limit = max(SMALLEST, min(LARGEST, least))
    squares = [Square(limit // multiple * multiple, options) for options, multiple in _variants(name, registry)]
    fitting = [square for square in squares if square.side >= SMALLEST // 2]
    if not fitting:
        return Square(next(side for side in (256, 128, 64) if side <= limit))
    # Of equal squares the first: the networks as they are, then the deepest.
    return max(fitting, key=lambda square: square.side)


def _variants(name: str, registry: Registry) -> Iterator[tuple[dict[str, Any], int]]:
    """Options of a method, and the multiple that sides of images have to be of, from its own networks on downwards."""
    method = registry.get("methods", name)
    own = _multiple(name, {}, registry)
    if own in (None, 1):
        return  # nothing is said of it: a power of two suits all
    deep = {option: use for option, use in networks_of(method).items() if _levels(use, registry) > LEVELS}
    yield {}, own
    for levels in range(max((_levels(use, registry) for use in deep.values()), default=0) - 1, LEVELS - 1, -1):
        options = {option: _with_levels(use, levels) for option, use in deep.items()}
        multiple = _multiple(name, options, registry)
        if multiple is not None and multiple < own:
            yield options, multiple


def _with_levels(use: NetworkUse, levels: int) -> Any:
    if is_unet(use):
        return f"unet_{2**levels}" if levels in (6, 7, 8) else {"uses": "unet", "levels": levels}
    return {"uses": use.uses, "levels": levels}


def _levels(use: NetworkUse, registry: Registry) -> int:
    """How often a network halves its images, where an option says so; else 0."""
    option = registry.get("networks", use.uses).Config.model_fields.get("levels")
    return int(option.default) if option is not None and isinstance(option.default, int) else 0


def _multiple(name: str, options: Mapping[str, Any], registry: Registry) -> int | None:
    """The multiple of the networks of a method, which are built without memory; None where they cannot be."""
    from translate import networks  # late: `--help` needs no torch

    method = registry.get("methods", name)
    declared = Sides.of(method.data)
    labels = any(isinstance(side, Labels) for side in declared.types.values())
    channels = {side: 1 if isinstance(kind, Labels) else 3 for side, kind in declared.types.items()}
    spec = DataSpec(declared, channels, (LARGEST, LARGEST), ("a", "b") if labels else ())
    try:
        config = registry.config("methods", name, dict(options))
        return networks.measure.common_multiple(
            method(config, spec, dict(method.losses)), networks.network_builder(registry)
        )
    except (TranslateError, RuntimeError, NotImplementedError):
        return None
