"""Images as the networks see them, by the range of the side that plays the input; and outputs as images of the side
that they imitate: with its type of values and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import FULL, Frames, Image as ImageSide, Route
from translate.errors import ConfigError
from translate.imaging.appearance.around import seen_by_networks
from translate.imaging.convert import Array, Ranges, stated_ranges
from translate.imaging.io import Image
from translate.inference.program import Program


def input_ranges(program: Program, route: Route, name: str) -> Ranges | None:
    """The values of an input that become -1 and 1; None where these are black and white of its type."""
    side = route.side_of(name)
    return stated_ranges(program.method.spec.sides.get(side or "") or route.types.get(name))


def seen(program: Program, route: Route, name: str, image: Image) -> Tensor:
    """An image as the input `name`, 1 x C x H x W in [-1, 1]. Errors: ConfigError, DataError."""
    ranges = input_ranges(program, route, name)
    check_bands(image, ranges)
    return seen_by_networks(image, program.handling, ranges)


def check_bands(image: Image, ranges: Ranges | None) -> None:
    """Errors: ConfigError for an image of other bands than those that have ranges of their own."""
    have = image.pixels.shape[2]
    if ranges is not None and len(ranges) not in (1, have):
        raise ConfigError(f"the image has {have} channels, and this model takes {len(ranges)}")


@dataclass(frozen=True)
class OutputForm:
    """The type of an output's values, and those that -1 and 1 become (None: black and white of the type). `own`: it is
    that of the side that the output imitates, and not that of the image that was translated."""

    dtype: np.dtype[Any]
    ranges: Ranges | None
    own: bool


def output_form(program: Program, route: Route, image: Image) -> OutputForm:
    """The form of an output of an image.

    Where both sides are grey or colour of one integer type, an image keeps its own type (8 or 16 bits); else the output
    has the type and the range of its side.
    """
    target = _target(program, route)
    ranges = stated_ranges(target)
    dtype = target.dtype if target else None
    if ranges is None and (dtype is None or _keeps_type(program, route, dtype)):
        return OutputForm(image.pixels.dtype, None, own=False)
    return OutputForm(np.dtype(dtype or "uint8"), ranges, own=True)


def is_picture(program: Program, route: Route) -> bool:
    """Whether every format of pictures can hold the output: grey or colour of integers that span their type."""
    target = _target(program, route)
    channels = (None, 1, 2, 3, 4) if program.handling.alpha == "channel" else (None, 1, 3)
    return target is None or (target.channels in channels and stated_ranges(target) is None)


def output_suffix(program: Program, route: Route) -> str:
    """`.png`, or `.tif` for what no format of pictures can hold."""
    return ".png" if is_picture(program, route) or route.output != "image" else ".tif"


def with_form(output: Array, form: OutputForm) -> Image:
    """An output, H x W x C, as an image of a form of its own."""
    mode = {1: "grey", 3: "rgb"}.get(output.shape[2], "bands")
    white = FULL.get(form.dtype.name) if form.ranges is None else form.ranges
    return Image(output, mode=mode, ranges=white)


def _target(program: Program, route: Route) -> ImageSide | Frames | None:
    """The side that an image output imitates; else that of the image that is translated."""
    side = program.method.spec.sides.get(route.target or route.source or "")
    return side if isinstance(side, ImageSide | Frames) and route.output == "image" else None


def _keeps_type(program: Program, route: Route, dtype: str) -> bool:
    """Whether the image that is translated is of the type of the output, and spans it too."""
    source = program.method.spec.sides.get(route.source or "")
    if not isinstance(source, ImageSide | Frames):
        return False
    return source.dtype in (None, dtype) and stated_ranges(source) is None
