"""A trained model as an object: images in, images out, in every form that people hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from translate.contracts import Method, Nets, Route
from translate.imaging.convert import (
    Array,
    crop,
    label_map,
    largest,
    match_channels,
    pad,
    padded_size,
    resize,
    to_array,
    to_tensor,
    with_alpha,
)
from translate.imaging.io import Image
from translate.inference.adapters import called
from translate.inference.directions import check_inputs, choose, multiple_of, routes
from translate.inference.fast_kernels import LOW, tuned
from translate.inference.streaming.streamer import Tile, Tiler
from translate.networks import prepare_for_inference
from translate.networks.inference import independent
from translate.seeding import derive

NONE: Mapping[str, Any] = MappingProxyType({})


class Translator:
    """The networks of one method in inference mode, and the directions they can be used in.

    `nets` belong to the translator from here on: they are moved to `device` and switched to inference as the method's
    `test_time` says. `provider` and `info` are kept for whoever asks where the model comes from. `seed` decides dropout
    where it stays on at inference: each image draws from (seed, its key), whatever it is batched with. `tile`: whether
    images go through the networks in strips of rows, which gives the same result (see `Tiler`): those that would not
    fit into the memory (`auto`), none (`off`), or all, in strips of so many rows.
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
    ) -> None:
        self.method, self.provider, self.info, self.seed = method, provider, dict(info or {}), seed
        self.device, self.precision = torch.device(device), precision
        self.routes = routes(method)
        self.nets = Nets({n: prepare_for_inference(net, method.test_time).to(self.device) for n, net in nets.items()})
        self._tuned: tuple[tuple[str, int], Nets] | None = None
        self.stochastic = any(layer.p > 0 for layer in self._dropouts())
        self.composes = type(method).compose is not Method.compose
        self.tiler = Tiler(self, tile)

    def _dropouts(self) -> list[_DropoutNd]:
        """The dropout layers that stay on at inference."""
        layers = (layer for net in self.nets.values() for layer in net.modules())
        return [layer for layer in layers if isinstance(layer, _DropoutNd) and layer.training]

    @property
    def fast_nets(self) -> Nets:
        """The networks as they compute under the present precision; `nets` are always those of float32."""
        tensors = (t for net in self.nets.values() for t in (*net.parameters(), *net.buffers()))
        state = (self.precision, sum(t._version for t in tensors))  # a training validates with ever new weights
        if self._tuned is None or self._tuned[0] != state:
            self._tuned = None  # its room first
            self._tuned = (state, tuned(self.nets, self.device, self.precision))
        return self._tuned[1]

    @contextmanager
    def without_dropout(self) -> Iterator[None]:
        """Within it the translator draws nothing: `stochastic` is false, and every image has one answer."""
        before, layers = self.stochastic, self._dropouts()
        self.stochastic = False
        for layer in layers:
            layer.eval()
        try:
            yield
        finally:
            self.stochastic = before
            for layer in layers:
                layer.train()

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
            return self._array(route, image, self.whole(route, self._given(route, image, others), key))

        area = image.pixels.shape[0] * image.pixels.shape[1]
        made = self.tiler.choose(route, area, tile, whole, lambda: self.tiler.image(route, image, others, key, tile))
        return self._finished(route, image, made)

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
        halved, down to single images, which may go in strips then; the tiler remembers. An error of one is one of all.
        Errors: as `translate_image`.
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
            made = zip(images, self._together(route, given), strict=True)
            return [self._finished(route, image, self._array(route, image, output)) for image, output in made]

        def halves() -> list[Image]:
            parts = (slice(half), slice(half, None))
            made = [self.translate_images(images[p], direction, others[p], keys[p], tile=tile) for p in parts]
            return made[0] + made[1]

        return self.tiler.choose(route, len(images) * height * width, tile, whole, halves)

    @cached_property
    def _independent(self) -> bool:
        """Whether the images of a batch have nothing to do with each other."""
        return all(map(independent, self.nets.values()))

    def padded_key(self, direction: str | None, size: tuple[int, int], channels: int) -> tuple[int, int, int]:
        """What images have in common that may share a batch: their (height, width) as the networks see it, and their
        channels of colour. Known from a file's header. Errors: ConfigError (no such direction)."""
        route = self.route(direction)
        return *padded_size(size, multiple_of(self.method.directions[route.name], self.nets)), channels

    def batch_size(self, direction: str | None, size: tuple[int, int]) -> int:
        """How many images of a (height, width) to translate at once; 1 where a batch gains nothing.

        Depends on the model, the precision, the device and the size alone, so that a later run makes equal batches.
        """
        route = self.route(direction)
        if self.stochastic or not self._independent:
            return 1
        height, width, _ = self.padded_key(direction, size, 0)
        return self.tiler.batch_size(route, height * width)

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
                return self.tiler.tensor(route, given, keys[0], tile)
            halves = [(slice(half), keys[:half]), (slice(half, None), keys[half:])]
            return torch.cat([self._in_parts(route, {k: v[h] for k, v in given.items()}, n, tile) for h, n in halves])

        if half and self.stochastic:
            return parts()
        pixels = len(images) * images.shape[-2] * images.shape[-1]
        return self.tiler.choose(route, pixels, tile, lambda: self.whole(route, given, keys[0]), parts)

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

    def whole(self, route: Route, given: Mapping[str, Tensor], key: str) -> Tensor:
        """The output for inputs N x C x H x W of one size, with the channels that the networks take, in one pass."""
        count = range(len(given[route.inputs[0]]))
        each = [{name: image[n : n + 1] for name, image in given.items()} for n in count]
        return torch.cat(self._together(route, each, key))

    @torch.inference_mode()
    def _together(self, route: Route, each: Sequence[Mapping[str, Tensor]], key: str = "") -> list[Tensor]:
        """The output of each image, whose inputs are 1 x C x H x W, by one pass of all of them, of one padded size."""
        multiple = multiple_of(self.method.directions[route.name], self.nets)
        padded = {name: torch.cat([pad(given[name], multiple) for given in each]) for name in route.inputs}
        with self.autocast(), self._seeded(key):
            sheets = self.method.translate(self.fast_nets, padded, route.name).float()
        outputs = []
        for given, sheet in zip(each, torch.split(sheets, 1), strict=True):
            original = given[route.inputs[0]]
            output = crop(sheet, (original.shape[-2] * route.scale, original.shape[-1] * route.scale), route.tiles)
            outputs.append(self.method.compose(output, original, route.name) if self.composes else output)
        return outputs

    def autocast(self) -> Any:
        low = LOW.get(self.precision)
        return torch.autocast(self.device.type, low) if low else nullcontext()

    @contextmanager
    def _seeded(self, key: str) -> Iterator[None]:
        """Dropout has no generator argument: the global one is lent for one image and put back."""
        if not self.stochastic:
            yield
            return
        gpu = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpu):
            torch.manual_seed(derive(self.seed, "dropout", key))
            yield


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]
