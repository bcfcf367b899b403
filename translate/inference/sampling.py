"""Images from nothing: the samples of a direction that takes no image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import Class, Route, Vector
from translate.errors import ConfigError
from translate.imaging.io import Image
from translate.inference.directions import check_inputs
from translate.inference.inputs import value_of
from translate.inference.outputs import output_of
from translate.inference.program import MAIN, Program

BLANK = Image(np.zeros((1, 1, 1), np.uint8))
"""Stands for the image that a sample has not: its outputs are of 8 bits."""


def sampled(
    program: Program,
    numbers: Sequence[int],
    route: Route,
    others: Mapping[str, Any],
    size: tuple[int, int] | None = None,
) -> list[Image]:
    """The samples of these numbers.

    Each is made by itself, so that it depends on the seed and on its number alone. `others` are classes and vectors,
    one for all, or a list of as many as there are numbers; classes that are not given take turns, by the number.
    `size` is (height, width), by default that of the training. Errors: ConfigError for a direction that converts
    images, and for a vector that is missing.
    """
    images = []
    for place, number in enumerate(numbers):
        given = of_sample(route, others, place)
        tensor = sample_tensor(program, str(number), route, of_number(route, number, given), size)
        images.append(output_of(program, route, MAIN, BLANK, tensor))
    return images


def mixture(
    program: Program,
    parts: Sequence[tuple[int, float]],
    route: Route,
    others: Mapping[str, Any],
    size: tuple[int, int] | None = None,
) -> Image:
    """One image whose noise is a mixture of that of samples: their numbers with weights. Errors: ConfigError."""
    if not route.draws:
        raise ConfigError(f"direction {route.name!r} draws no noise that could be mixed")
    inputs = _inputs(program, route, of_number(route, parts[0][0], others))
    weights = [(str(number), weight) for number, weight in parts]
    tensor = program.mixed(route, inputs, weights, size or program.method.spec.size)[MAIN]
    image: Image = output_of(program, route, MAIN, BLANK, tensor)
    return image


def sample_tensor(
    program: Program, key: str, route: Route, others: Mapping[str, Any], size: tuple[int, int] | None = None
) -> Tensor:
    """One sample as the networks make it, 1 x C x H x W in [-1, 1]; `key` decides its noise. Errors: ConfigError."""
    return program.sampled(route, _inputs(program, route, others), [key], size or program.method.spec.size)[MAIN]


def of_number(route: Route, number: int, others: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a sample: those that are given, and of classes the next one in turn. Errors: ConfigError."""
    values = dict(others)
    for name in route.others:
        kind = route.types[name]
        if name not in values and isinstance(kind, Class) and kind.names:
            values[name] = number % len(kind.names)
    return values


def _inputs(program: Program, route: Route, others: Mapping[str, Any]) -> dict[str, Tensor]:
    """Classes and vectors as in a batch of one. Errors: ConfigError (the direction converts images; wrong inputs)."""
    if route.main is not None:
        raise ConfigError(f"direction {route.name!r} converts {route.main!r}: give it images, it makes none by itself")
    check_inputs(route, others)
    return {name: value_of(program, route, name, value).to(program.device) for name, value in others.items()}


def of_sample(route: Route, others: Mapping[str, Any], place: int) -> dict[str, Any]:
    """The inputs of one of several samples: a list has a value for each, but the numbers of a single vector."""
    values: dict[str, Any] = {}
    for name, value in others.items():
        row = isinstance(route.types.get(name), Vector) and bool(value) and isinstance(value[0], int | float)
        values[name] = value[place] if isinstance(value, list) and not row else value
    return values
