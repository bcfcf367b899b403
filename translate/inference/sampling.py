"""Images from nothing: the samples of a direction that takes no image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import Route, Vector
from translate.errors import ConfigError
from translate.imaging.io import Image
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
    one for all, or a list of as many as there are numbers. `size` is (height, width), by default that of the training.
    Errors: ConfigError for a direction that converts images.
    """
    images = []
    for place, number in enumerate(numbers):
        one = {name: _of_sample(route, name, value, place) for name, value in others.items()}
        tensor = sample_tensor(program, str(number), route, one, size)
        images.append(output_of(program, route, MAIN, BLANK, tensor))
    return images


def sample_tensor(
    program: Program, key: str, route: Route, others: Mapping[str, Any], size: tuple[int, int] | None = None
) -> Tensor:
    """One sample as the networks make it, 1 x C x H x W in [-1, 1]; `key` decides its noise. Errors: ConfigError."""
    if route.main is not None:
        raise ConfigError(f"direction {route.name!r} converts {route.main!r}: give it images, it makes none by itself")
    inputs = {name: value_of(program, route, name, value).to(program.device) for name, value in others.items()}
    return program.sampled(route, inputs, [key], size or program.method.spec.size)[MAIN]


def _of_sample(route: Route, name: str, value: Any, place: int) -> Any:
    """The value of one sample: a list has one for each, but the numbers of a single vector."""
    vector = isinstance(route.types[name], Vector)
    several = isinstance(value, list) and not (vector and value and isinstance(value[0], int | float))
    return value[place] if several else value
