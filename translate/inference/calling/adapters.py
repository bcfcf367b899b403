"""Images in the forms in which people hold them, through a translator and back: see `Translator.__call__`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from translate.contracts import Route
from translate.errors import ConfigError
from translate.imaging.appearance.pillow_images import to_pillow
from translate.imaging.convert import as_image
from translate.imaging.io import Image
from translate.inference.program import Program


class ImageTranslator(Protocol):
    """What is asked of a translator here; see `Translator` for each method."""

    program: Program

    def route(self, direction: str | None = None) -> Route:
        """A direction with its defaults filled in."""

    def translate_image(
        self, image: Image, direction: str | None = None, others: Mapping[str, Any] = ..., sample: int = 0
    ) -> Image:
        """Translates an image."""

    def translate_outputs(
        self, image: Image, direction: str | None = None, others: Mapping[str, Any] = ..., sample: int = 0
    ) -> dict[str, Any]:
        """All outputs of a direction by name."""

    def translate_images(
        self, images: Sequence[Image], direction: str | None = None, others: Sequence[Mapping[str, Any]] = ()
    ) -> list[Image]:
        """Translates images of one padded size."""

    def translate_tensor(
        self, images: Tensor, direction: str | None = None, *, sample: int = 0, **others: Any
    ) -> Tensor:
        """Translates a batch N x C x H x W in [-1, 1]."""

    def draws(self, direction: str | None = None) -> bool:
        """Whether an image has many answers."""

    def padded_key(self, direction: str | None, size: tuple[int, int], channels: int) -> tuple[int, int, int]:
        """What images that may share a batch have in common."""

    def batch_size(self, direction: str | None, size: tuple[int, int]) -> int:
        """The number of images of a size to translate at once."""


def called(
    translator: ImageTranslator, image: Any, direction: str | None, others: Mapping[str, Any], sample: int = 0
) -> Any:
    """What `translator(image, direction, **others)` gives; `sample` is its number among the answers to an image."""
    if isinstance(image, np.ndarray) and image.ndim == 4:
        return _stacked(translator, image, direction, others, sample)
    if not isinstance(image, list | tuple):
        return _each(translator, [image], direction, [others], sample)[0]
    for name, other in others.items():
        if isinstance(other, list | tuple) and len(other) != len(image):
            raise ConfigError(f"{len(image)} images, but {len(other)} of {name!r}: give one for all, or as many")
    each = [
        {name: other[number] if isinstance(other, list | tuple) else other for name, other in others.items()}
        for number in range(len(image))
    ]
    return _each(translator, image, direction, each, sample)


def _stacked(
    translator: ImageTranslator, images: Any, direction: str | None, others: Mapping[str, Any], sample: int
) -> Any:
    """The outputs of an array N x H x W x C, in one array where they are arrays; of no images an array of none."""
    if not len(images):
        scale = translator.route(direction).scale
        count, height, width, channels = images.shape
        return np.empty((count, height * scale, width * scale, channels), images.dtype)
    outputs = called(translator, [*images], direction, others, sample)
    return np.stack(outputs) if all(isinstance(output, np.ndarray) for output in outputs) else outputs


def _each(
    translator: ImageTranslator,
    images: Sequence[Any],
    direction: str | None,
    others: Sequence[Mapping[str, Any]],
    sample: int,
) -> list[Any]:
    """Pictures in a row that may share a batch share it; tensors go one by one, as they are given."""
    route = translator.route(direction)
    bands = translator.program.channels(route, route.main) if route.main else None
    # What has many answers, or several outputs, goes one by one in any case.
    alone = translator.draws(direction) or bool(route.further) or route.output not in ("image", "labels")
    results: list[Any] = []
    waiting: list[tuple[Any, Image, Mapping[str, Any]]] = []
    batch: tuple[int, int, int] | None = None

    def flush() -> None:
        pictures, further = [image for _, image, _ in waiting], [more for *_, more in waiting]
        made = translator.translate_images(pictures, direction, further) if waiting else []
        results.extend(_like(given, image) for (given, *_), image in zip(waiting, made, strict=True))
        waiting.clear()

    for one, more in zip(images, others, strict=True):
        if isinstance(one, Tensor):
            flush()
            results.append(_tensor(translator, one, direction, more, sample))
            continue
        image = as_image(one, bands)
        if alone:
            results.append(_alone(translator, one, image, direction, more, sample))
            continue
        size, channels = image.pixels.shape[:2], image.pixels.shape[2]
        key = translator.padded_key(direction, size, channels)
        if waiting and (key != batch or len(waiting) >= translator.batch_size(direction, size)):
            flush()
        batch = key
        waiting.append((one, image, more))
    flush()
    return results


def _alone(
    translator: ImageTranslator,
    given: Any,
    image: Image,
    direction: str | None,
    others: Mapping[str, Any],
    sample: int,
) -> Any:
    """One image with one of its answers: an image, or all outputs by name."""
    if not translator.route(direction).further:
        return _like(given, translator.translate_image(image, direction, others, sample))
    outputs = translator.translate_outputs(image, direction, others, sample)
    return {name: _like(given, output) for name, output in outputs.items()}


def _tensor(
    translator: ImageTranslator, image: Tensor, direction: str | None, others: Mapping[str, Any], sample: int
) -> Tensor:
    if image.ndim not in (3, 4) or not image.is_floating_point():
        shape = " x ".join(map(str, image.shape))
        raise ConfigError(f"a tensor is C x H x W or N x C x H x W of float in [-1, 1], not {shape} of {image.dtype}")
    if image.shape[0] == 0 and image.ndim == 4:
        one = image.new_zeros((1, *image.shape[1:]))  # what a batch of none would give is said by an image of zeros
        return _tensor(translator, one, direction, others, sample)[:0]
    more: Any = {name: _batch(other) if isinstance(other, Tensor) else other for name, other in others.items()}
    made = translator.translate_tensor(_batch(image), direction, sample=sample, **more)
    return made if image.ndim == 4 else made[0]


def _batch(values: Tensor) -> Tensor:
    return values[None] if values.ndim == 3 else values


def _like(given: Any, made: Any) -> Any:
    """A result in the form in which its image was given; a class or a vector as it is."""
    if isinstance(given, Image) or not isinstance(made, Image):
        return made
    array = made.array
    flat = array[..., 0] if array.shape[2] == 1 else array
    if isinstance(given, np.ndarray):
        return flat if given.ndim == 2 or made.palette else array
    if isinstance(given, (str, Path)):
        return flat if made.palette else array
    return to_pillow(made)
