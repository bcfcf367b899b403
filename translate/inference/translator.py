"""A trained model as an object: images in, images out, in every form that people hold them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from translate.contracts import Method, Nets, Route
from translate.imaging.convert import Array, label_map, largest, match_channels, resize, to_array, to_tensor, with_alpha
from translate.imaging.io import Image
from translate.inference.adapters import called
from translate.inference.directions import check_inputs, choose
from translate.inference.padding import padded_size
from translate.inference.program import Program
from translate.inference.streaming import Streamer, Tile

NONE: Mapping[str, Any] = MappingProxyType({})


class Translator:
    """The networks of one method in inference mode, and the directions they can be used in.

    `nets` belong to the translator from here on: they are moved to `device` (`cpu`, `cuda:0`) and switched to inference
    as the method's `test_time` says. `precision` is `fp32`, `bf16` or `fp16`. `provider` and `info` are kept for
    whoever asks where the model comes from. `seed` decides dropout where it stays on at inference: each image draws
    from (seed, its key), whatever it is batched with.

    `tile` says which images go through the networks in strips of rows, which gives the same result (see `Streamer`):
    those that would not fit into the memory (`auto`), none (`off`), or all, in strips of so many rows. `tell` is called
    with a message, instead of a Python warning, where strips are not possible and the result only comes near.
    """

    def __init__(
        self,
        method: Method[Any],
        nets: Mapping[str, nn.Module],
        provider: Mapping[str, str],
        device: str = "cpu",
        *,
        precision: str = "fp32",
        info: Mapping[str, Any] | None = None,
        seed: int = 0,
        tile: Tile = "auto",
        tell: Callable[[str], None] | None = None,
    ) -> None:
        program = Program.prepared(method, nets, device, precision, seed)
        self._set_up(program, Streamer(program, tile, tell), provider, dict(info or {}))

    def _set_up(
        self, program: Program, streamer: Streamer, provider: Mapping[str, str], info: Mapping[str, Any]
    ) -> None:
        self.program, self.streamer, self.provider, self.info = program, streamer, provider, info

    def _with(self, program: Program) -> Translator:
        """A translator of another program with everything else of this one."""
        other = Translator.__new__(Translator)
        streamer = Streamer(program, self.streamer.tile, self.streamer.tell)
        other._set_up(program, streamer, self.provider, self.info)
        return other

    def with_precision(self, precision: str) -> Translator:
        """A translator with the same weights that computes in `fp32`, `bf16` or `fp16`."""
        return self if precision == self.precision else self._with(self.program.with_precision(precision))

    def without_dropout(self) -> Translator:
        """A translator with the same weights that draws nothing: every image has one answer."""
        return self._with(self.program.without_dropout()) if self.stochastic else self

    def refreshed(self) -> Translator:
        """A translator for weights that were changed in place; see `Program.refreshed`."""
        return self._with(self.program.refreshed())

    @property
    def method(self) -> Method[Any]:
        """The method, with the options that it was trained with."""
        return self.program.method

    @property
    def nets(self) -> Nets:
        """The networks in float32; empty for an exported model."""
        return self.program.nets

    @property
    def device(self) -> torch.device:
        """The device that everything is computed on."""
        return self.program.device

    @property
    def precision(self) -> str:
        """`fp32`, `bf16` or `fp16`."""
        return self.program.precision

    @property
    def seed(self) -> int:
        """The seed of dropout."""
        return self.program.seed

    @property
    def routes(self) -> Mapping[str, Route]:
        """All directions by name; the first is the default."""
        return self.program.routes

    @property
    def stochastic(self) -> bool:
        """Whether dropout stays on, so that an image has many answers."""
        return self.program.stochastic

    def route(self, direction: str | None = None) -> Route:
        """A direction with its inputs, sides and target. Errors: ConfigError with a suggestion."""
        return self.routes[choose(self.routes, direction)]

    def check(self, direction: str | None, others: Collection[str]) -> Route:
        """The direction, if it takes exactly these inputs beside the first. Errors: ConfigError."""
        route = self.route(direction)
        check_inputs(route, others)
        return route

    def translate_tensor(
        self,
        images: Tensor,
        direction: str | None = None,
        *,
        keys: Sequence[str] | None = None,
        tile: Tile | None = None,
        **others: Tensor,
    ) -> Tensor:
        """Images N x C x H x W in [-1, 1] of any size to the direction's output, likewise, on the translator's device.

        Grey and colour are converted to what the networks take. Images are padded by reflection and cropped again;
        `others` are the direction's further inputs, resized to the first one's size where it differs. `keys` seed the
        dropout of each image (default: its number). `tile`: instead of the translator's. Errors: ConfigError
        (direction, inputs, channels; no room for the scratch of an image in strips).
        """
        keys = keys or [str(n) for n in range(len(images))]
        route = self.route(direction)
        return self._in_parts(route, self._inputs(route, images, others), keys, tile)

    def translate_image(
        self,
        image: Image,
        direction: str | None = None,
        others: Mapping[str, Image] = NONE,
        key: str = "0",
        *,
        tile: Tile | None = None,
    ) -> Image:
        """An image to one of the same bit depth, colour profile and (times the direction's `scale`) size.

        Alpha goes around the networks, which see the image over white. How many colour channels come out is up to the
        network. A direction that gives labels makes a label map: the indices of the classes with the largest logits,
        uint8, and the palette in which they are shown. In strips (`tile`: instead of the translator's) only one strip
        at a time is more than bytes. Errors: ConfigError (wrong inputs; no room for the scratch of an image in strips).
        """
        route = self.check(direction, others)

        def whole() -> Array:
            return self._array(route, image, self.program.whole(route, self._given(route, image, others), key))

        def in_strips() -> Array:
            return self.streamer.image(route, image, others, key, tile)

        area = image.pixels.shape[0] * image.pixels.shape[1]
        output = self.streamer.choose(route, area, tile, whole, in_strips)
        return self._finished(route, image, output)

    def translate_images(
        self,
        images: Sequence[Image],
        direction: str | None = None,
        others: Sequence[Mapping[str, Image]] = (),
        keys: Sequence[str] | None = None,
        *,
        tile: Tile | None = None,
    ) -> list[Image]:
        """Images of one `padded_key` in one batch, each to what `translate_image` makes of it, up to rounding.

        Each keeps its own size, bit depth, alpha and profile. `others`: the further inputs of each; `keys` (default:
        the numbers): where dropout stays on, which makes them one by one. A batch that does not fit into the memory is
        halved, down to single images, which may go in strips then; the streamer remembers. An error of one is one of
        all. Errors: as `translate_image`.
        """
        others, keys = others or [NONE] * len(images), keys or [str(n) for n in range(len(images))]
        assert len(images) == len(others) == len(keys), f"{len(images)} images, {len(others)} others, {len(keys)} keys"
        if len(images) < 2 or self.stochastic:
            each = zip(images, others, keys, strict=True)
            return [self.translate_image(image, direction, more, key, tile=tile) for image, more, key in each]
        route = self.check(direction, others[0])
        sizes = {self.padded_key(direction, image.pixels.shape[:2], image.pixels.shape[2]) for image in images}
        assert len(sizes) == 1, f"images of one batch are of one padded size, not {sizes}"
        (height, width, _), half = sizes.pop(), len(images) // 2

        def whole() -> list[Image]:
            given = [self._given(route, image, more) for image, more in zip(images, others, strict=True)]
            made = zip(images, self.program.together(route, given), strict=True)
            return [self._finished(route, image, self._array(route, image, output)) for image, output in made]

        def halves() -> list[Image]:
            parts = (slice(half), slice(half, None))
            made = [self.translate_images(images[p], direction, others[p], keys[p], tile=tile) for p in parts]
            return made[0] + made[1]

        return self.streamer.choose(route, len(images) * height * width, tile, whole, halves)

    def padded_key(self, direction: str | None, size: tuple[int, int], channels: int) -> tuple[int, int, int]:
        """What images have in common that may share a batch: their (height, width) as the networks see it, and their
        channels of colour. Known from a file's header. Errors: ConfigError (no such direction)."""
        route = self.route(direction)
        return *padded_size(size, self.program.multiple(route)), channels

    def batch_size(self, direction: str | None, size: tuple[int, int]) -> int:
        """How many images of a (height, width) to translate at once; 1 where a batch gains nothing.

        Depends on the model, the precision, the device and the size alone, so that a later run makes equal batches.
        """
        route = self.route(direction)
        if self.stochastic or not self.program.independent:
            return 1
        height, width, _ = self.padded_key(direction, size, 0)
        return self.streamer.batch_size(route, height * width)

    def _given(self, route: Route, image: Image, others: Mapping[str, Image]) -> dict[str, Tensor]:
        further = {name: to_tensor(other.over_white()) for name, other in others.items()}
        return self._inputs(route, to_tensor(image.over_white()), further)

    def _array(self, route: Route, image: Image, output: Tensor) -> Array:
        return largest(output) if route.output == "labels" else to_array(output, image.pixels.dtype)

    def _finished(self, route: Route, image: Image, made: Array) -> Image:
        """An output with what goes around the networks: alpha and profile, or the palette of labels."""
        if route.output == "labels":
            return label_map(made, self.method.spec.palette)
        alpha = None if image.alpha is None else np.tile(image.alpha, route.tiles)
        if alpha is not None and route.scale != 1:
            alpha = to_array(resize(to_tensor(alpha[..., None]), made.shape[:2]), alpha.dtype)[..., 0]
        return replace(with_alpha(made, alpha, image.mode == "bands" and made.shape[2] != 3), icc=image.icc)

    def __call__(self, image: Any, direction: str | None = None, **others: Any) -> Any:
        """One image to one image of the same form, or several to as many.

        | given | values | comes back |
        |---|---|---|
        | array H x W or H x W x C | uint8 in 0 to 255, or uint16 in 0 to 65535 | array of the same type |
        | PIL image | as its mode has them | PIL image (16-bit colour: 8 bits, Pillow has no more) |
        | path | decoded as by `translate convert` | array H x W x C |
        | tensor C x H x W | float in [-1, 1], RGB | tensor on the translator's device, not clipped |
        | tensor N x C x H x W | likewise | tensor, all computed in one batch |
        | list of any of these, in any sizes | likewise | list; neighbours of one size share batches |

        C is 1 (grey), 3 (RGB), and in arrays also 2 and 4, whose last channel is alpha; grey and colour are converted
        to what the networks take. A direction that gives labels makes logits of a tensor, class indices H x W of an
        array or a path, and a palette image of a PIL image. `others` are the direction's further inputs by name in any
        of these forms; with a list, one for all or a list of as many. Where dropout stays on, each image of a list or
        a batch draws its own. Errors: ConfigError (not of these forms), DataError (an unreadable file).
        """
        return called(self, image, direction, others)

    def _in_parts(self, route: Route, given: Mapping[str, Tensor], keys: Sequence[str], tile: Tile | None) -> Tensor:
        """All at once, or half after half where that does not fit, down to strips of a single image."""
        images = given[route.inputs[0]]
        half = len(images) // 2

        def parts() -> Tensor:
            if not half:
                return self.streamer.tensor(route, given, keys[0], tile)
            halves = [(slice(half), keys[:half]), (slice(half, None), keys[half:])]
            return torch.cat([self._in_parts(route, {k: v[h] for k, v in given.items()}, n, tile) for h, n in halves])

        if half and self.stochastic:
            return parts()
        pixels = len(images) * images.shape[-2] * images.shape[-1]
        return self.streamer.choose(route, pixels, tile, lambda: self.program.whole(route, given, keys[0]), parts)

    def _inputs(self, route: Route, images: Tensor, others: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All inputs of a direction by name, on the device, with the right channels and one size."""
        check_inputs(route, others)
        result = {}
        for name, side in zip(route.inputs, route.sides, strict=True):
            image = images if name == route.inputs[0] else others[name]
            ready = match_channels(image.to(self.device, torch.float32), self.method.spec.channels[side])
            ready = ready if _size(ready) == _size(images) else resize(ready, _size(images))
            result[name] = ready.expand(len(images), -1, -1, -1)
        return result


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]
