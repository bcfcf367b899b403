"""The outputs of a direction, from tensors to the forms in which people hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from translate.contracts import Route
from translate.imaging.appearance.around import Restorer
from translate.imaging.appearance.look import white_of
from translate.imaging.convert import Array, label_map, largest, to_array, with_alpha
from translate.imaging.io import Image
from translate.imaging.metadata.metadata import Metadata, without_geo
from translate.inference.inputs import class_name
from translate.inference.program import MAIN, Program
from translate.inference.side_images import output_form, with_form


def output_of(program: Program, route: Route, name: str, image: Image, tensor: Tensor) -> Any:
    """An output of an image, 1 x ..., in its form.

    An image or a label map becomes an `Image`, a class its name (its index where classes have no names), a vector a
    list of numbers. `image` is the one that was translated.
    """
    form = route.output if name == MAIN else route.further[name]
    if form == "vector":
        return [float(value) for value in tensor[0]]
    if form == "class":
        return class_name(route, program.method, int(tensor[0].argmax()))
    plain = route if name == MAIN else replace(route, output=form, tiles=(1, 1), target=None)
    return finished(program, plain, image, array_of(program, plain, image, tensor))


def array_of(program: Program, route: Route, image: Image, output: Tensor) -> Array:
    """An image or a label map 1 x C x H x W as H x W x C, with the values of its side, or of the image's type."""
    return rows_of(program, route, image)(output, 0)


def rows_of(program: Program, route: Route, image: Image) -> Callable[[Tensor, int], Array]:
    """What gives rows of an output of an image, 1 x C x rows x W, their values, rows x W x C, from the number of the
    first row on: the class with the largest logit, those of the output's side, or of the image's type."""
    if route.output == "labels":
        return lambda strip, first: largest(strip)
    form = output_form(program, route, image)
    if form.own:
        return lambda strip, first: to_array(strip, form.dtype, form.ranges)
    return Restorer(image, program.handling, route.scale, route.tiles).rows


def finished(program: Program, route: Route, image: Image, output: Array) -> Image:
    """An output with what goes around the networks: alpha and profile, or the palette of labels."""
    if route.output == "labels":
        return replace(label_map(output, program.method.spec.palette), metadata=_as_data(image, program, route, output))
    form = output_form(program, route, image)
    if form.own:  # alpha and profile are those of another kind of picture
        return replace(with_form(output, form), metadata=_as_data(image, program, route, output))
    alpha = Restorer(image, program.handling, route.scale, route.tiles).alpha
    target = program.method.spec.channels.get(route.target or "")
    bands = image.mode == "bands" or output.shape[2] == target
    if program.handling.alpha == "channel" and output.shape[2] in (2, 4):
        bands = False  # the last one is alpha
    white = white_of(image, program.handling)
    result = with_alpha(output, alpha, bands)
    ranges = None if white is None else (white,)
    if program.handling.metadata == "none":
        return replace(result, ranges=ranges)
    metadata = _of_output(image, route, output)
    if metadata:
        metadata = replace(metadata, white=white)
    elif white:
        metadata = Metadata(white=white)
    inks = None
    if image.inks and result.pixels.shape == image.pixels.shape and result.pixels.dtype == np.uint8:
        inks = image.inks.of_output(image.pixels, result.pixels)
    return replace(result, icc=image.icc, ranges=ranges, metadata=metadata, inks=inks)


def _of_output(image: Image, route: Route, output: Array) -> Metadata | None:
    """The metadata of an image as far as they are true of an output."""
    if not image.metadata:
        return None
    alike = image.pixels.shape[2] == output.shape[2] and image.mode != "bands"
    metadata = image.metadata.of_output(route.scale, output.shape[:2], alike)
    if route.tiles != (1, 1):
        metadata = without_geo(metadata)
    return metadata if alike else replace(metadata, profile=None, chunks=())


def _as_data(image: Image, program: Program, route: Route, output: Array) -> Metadata | None:
    """The metadata for an output that is another kind of picture: nothing of its colours."""
    metadata = None if program.handling.metadata == "none" else _of_output(image, route, output)
    return replace(metadata, profile=None, chunks=(), white=None) if metadata else None


def flat(image: Image) -> Array:
    """An image as people hold arrays: H x W x C, and H x W where it is grey or a label map."""
    return image.array[..., 0] if image.array.shape[2] == 1 else image.array
