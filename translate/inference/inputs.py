"""The inputs of a direction, in the forms in which people hold them, as the tensors that the networks take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import IGNORE, Class, Frames, Image as ImageSide, Labels, Method, Route, Side, Vector
from translate.errors import ConfigError
from translate.imaging.convert import as_image, match_channels, resize
from translate.imaging.io import Image
from translate.imaging.palette import VOID
from translate.inference.directions import class_index, numbers
from translate.inference.program import Program
from translate.inference.side_images import seen


def inputs_of(program: Program, route: Route, image: Image, others: Mapping[str, Any]) -> dict[str, Tensor]:
    """All inputs by name, each as in a batch of one, on the device of the program.

    `image` is the main one; `others` are images, names of classes, numbers, as `value_of` takes them. Errors:
    ConfigError.
    """
    tensors = {name: value_of(program, route, name, value) for name, value in others.items()}
    return tensors_of(program, route, value_of(program, route, str(route.main), image), tensors)


def tensors_of(program: Program, route: Route, images: Tensor, others: Mapping[str, Any]) -> dict[str, Tensor]:
    """All inputs by name as tensors of N, with the right channels and one size; `images` is the main one.

    Errors: ConfigError.
    """
    result = {}
    for name in route.inputs:
        given = images if name == route.main else others[name]
        values = given if isinstance(given, Tensor) else value_of(program, route, name, given)
        result[name] = _fitted(program, route, name, values.to(program.device), images)
    return result


def value_of(program: Program, route: Route, name: str, given: Any) -> Tensor:
    """One input as in a batch of one: an image in any form, the name or index of a class, a row of numbers.

    Errors: ConfigError.
    """
    kind = route.types.get(name, ImageSide())
    if isinstance(kind, Class):
        return torch.tensor([class_index(name, kind, given)])
    if isinstance(kind, Vector):
        return torch.tensor([numbers(name, kind, given)], dtype=torch.float32)
    bands = program.channels(route, name)
    if isinstance(kind, Frames):
        frames = [as_image(each, bands) for each in _frames(name, kind, given)]
        return torch.stack([seen(program, route, name, frame)[0] for frame in frames])[None]
    if isinstance(kind, Labels):
        return label_indices(name, program.method, as_image(given))[None]
    return seen(program, route, name, as_image(given, bands))


def _fitted(program: Program, route: Route, name: str, values: Tensor, images: Tensor) -> Tensor:
    """An input in the size of the main one, for as many images, with the channels that the networks take."""
    kind, count = route.types.get(name, ImageSide()), len(images)
    if isinstance(kind, Class | Vector | Labels):
        return values.expand(count, *values.shape[1:])
    if isinstance(kind, Frames):
        return values.float().expand(count, *values.shape[1:])
    ready = match_channels(values.float(), program.channels(route, name))
    size = images.shape[-2], images.shape[-1]
    ready = ready if ready.shape[-2:] == size else resize(ready, size)
    return ready.expand(count, -1, -1, -1)


def class_name(route: Route, method: Method[Any], index: int) -> str | int:
    """The name of a class that an output tells: of the target side, else of the only side of classes; else its
    index."""
    sides = method.spec.sides
    known = [side for side in sides.types.values() if isinstance(side, Class)]
    target: Side | None = sides.get(route.target or "")
    kind = target if isinstance(target, Class) else (known[0] if len(known) == 1 else None)
    return kind.names[index] if kind is not None and index < len(kind.names) else index


def label_indices(name: str, method: Method[Any], image: Image) -> Tensor:
    """A label map H x W, long: indices as they are, or colours of the data's palette; `IGNORE` for no class.

    Errors: ConfigError for a colour that the palette lacks, or a class that there is not.
    """
    pixels, palette = image.pixels, method.spec.palette
    single = pixels.shape[2] == 1
    indices = pixels[..., 0].astype(np.int64) if single else _by_colour(name, pixels, palette)
    count = len(method.spec.classes)
    if count and indices.max() >= count and (odd := sorted({int(v) for v in np.unique(indices) if count <= v != 255})):
        raise ConfigError(f"input {name!r} holds class {odd[0]}, and there are {count}, 0 to {count - 1}")
    return torch.from_numpy(indices)


def _by_colour(name: str, pixels: np.ndarray[Any, Any], palette: Sequence[tuple[int, int, int]]) -> Any:
    """Indices H x W of the colours of a palette, and `IGNORE` where `VOID` shows that there is no class."""
    indices = np.full(pixels.shape[:2], -1, np.int64)
    # VOID comes first, since it may be the colour of a class as well, which it then stands for.
    for index, colour in ((IGNORE, VOID), *enumerate(palette)):
        indices[(pixels[..., :3] == np.array(colour, pixels.dtype)).all(axis=2)] = index
    if (indices < 0).any():
        row, column = np.argwhere(indices < 0)[0]
        odd = tuple(int(value) for value in pixels[row, column])
        raise ConfigError(
            f"input {name!r} is a label map, and its colour {odd} at row {row}, column {column} is none of the "
            f"palette's; give class indices as one channel, or the colours {', '.join(map(str, palette[:4]))} ..."
        )
    return indices


def _frames(name: str, kind: Frames, given: Any) -> list[Any]:
    frames = list(given) if isinstance(given, list | tuple) else [given]
    if len(frames) != kind.count:
        raise ConfigError(f"input {name!r} takes {kind.count} images in order, and these are {len(frames)}")
    return frames
