"""A trained model as an object: images in, images out, in every form that people hold them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from translate import device as devices
from translate.contracts import Components, Method, Nets
from translate.data.image import Image
from translate.errors import ConfigError
from translate.inference.arrays import (
    as_image,
    crop,
    label_map,
    match_channels,
    pad,
    resize,
    to_array,
    to_tensor,
    with_alpha,
)
from translate.inference.bundle import FACTS, FOLDER, read_bundle
from translate.inference.directions import Route, choose, multiple_of, routes
from translate.inference.restore import restore_method, restore_networks
from translate.networks import prepare_for_inference
from translate.seeding import derive

TRACKED = ("runs:/", "models:/")
NONE: Mapping[str, Any] = MappingProxyType({})


class Translator:
    """The networks of one method in inference mode, and the directions they can be used in.

    `nets` belong to the translator from here on: they are moved to `device` and switched to inference as the method's
    `test_time` says. `provider` and `info` are kept for whoever asks where the model comes from. `seed` decides dropout
    where it stays on at inference: each image draws from (seed, its key), whatever it is batched with.
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
    ) -> None:
        self.method, self.provider, self.info, self.seed = method, provider, dict(info or {}), seed
        self.device, self.precision = torch.device(device), precision
        self.routes = routes(method)
        self.nets = Nets({n: prepare_for_inference(net, method.test_time).to(self.device) for n, net in nets.items()})
        self._draws = method.test_time.dropout and any(
            isinstance(m, _DropoutNd) and m.p > 0 for net in self.nets.values() for m in net.modules()
        )
        self._composes = type(method).compose is not Method.compose

    def route(self, direction: str | None = None) -> Route:
        """A direction with its inputs, sides and target. Errors: ConfigError with a suggestion."""
        return self.routes[choose(self.routes, direction)]

    def check(self, direction: str | None, others: Collection[str]) -> Route:
        """The direction, if it takes exactly these inputs beside the first. Errors: ConfigError."""
        route = self.route(direction)
        _check_inputs(route, others)
        return route

    def translate_tensor(
        self, images: Tensor, direction: str | None = None, *, keys: Sequence[str] | None = None, **others: Tensor
    ) -> Tensor:
        """Images N x C x H x W in [-1, 1] of any size to the direction's output, likewise, on the translator's device.

        Grey and colour are converted to what the networks take. Images are padded by reflection and cropped again;
        `others` are the direction's further inputs, resized to the first one's size where it differs. `keys` seed the
        dropout of each image (default: its number). Errors: ConfigError (direction, inputs, channels).
        """
        return self._translate(self.route(direction), images, others, keys or [str(n) for n in range(len(images))])

    def translate_image(
        self, image: Image, direction: str | None = None, others: Mapping[str, Image] = NONE, key: str = "0"
    ) -> Image:
        """An image to one of the same bit depth, colour profile and (times the direction's `scale`) size.

        Alpha goes around the networks, which see the image over white. How many colour channels come out is up to the
        network. A direction that gives labels makes a label map: the indices of the classes with the largest logits,
        uint8, and the palette in which they are shown. Errors: ConfigError (wrong inputs).
        """
        route = self.check(direction, others)
        given = {name: to_tensor(other.over_white()) for name, other in others.items()}
        output = self._translate(route, to_tensor(image.over_white()), given, [key])
        if route.output == "labels":
            return label_map(output, self.method.spec.palette)
        alpha = image.alpha
        if alpha is not None:
            alpha = np.tile(alpha, route.tiles)
        if alpha is not None and route.scale != 1:
            alpha = to_array(resize(to_tensor(alpha[..., None]), _size(output)), alpha.dtype)[..., 0]
        return replace(with_alpha(to_array(output, image.pixels.dtype), alpha), icc=image.icc)

    def __call__(self, image: Any, direction: str | None = None, **others: Any) -> Any:
        """One image to one image of the same form.

        A tensor C x H x W in [-1, 1] gives a tensor, an array H x W (x C) of uint8 or uint16 gives an array, a PIL
        image gives a PIL image, and a path gives an array. A direction that gives labels makes logits of a tensor,
        class indices H x W of an array or a path, and a palette image of a PIL image. Errors: ConfigError, DataError
        (an unreadable file).
        """
        if isinstance(image, Tensor):
            if image.ndim != 3:
                shape = " x ".join(map(str, image.shape))
                raise ConfigError(f"a tensor is C x H x W in [-1, 1], not {shape}; `translate_tensor` takes several")
            more = {
                n: o[None] if isinstance(o, Tensor) else to_tensor(as_image(o).over_white()) for n, o in others.items()
            }
            return self._translate(self.route(direction), image[None], more, ["0"])[0]
        made = self.translate_image(as_image(image), direction, {n: as_image(o) for n, o in others.items()})
        array = made.array
        flat = array[..., 0] if array.shape[2] == 1 else array
        if isinstance(image, np.ndarray):
            return flat if image.ndim == 2 or made.palette else array
        if isinstance(image, (str, Path)):
            return flat if made.palette else array
        from PIL.Image import fromarray

        deep = flat.ndim == 3 and flat.dtype == np.uint16  # Pillow has no 16-bit colour
        picture = fromarray((flat // 257).astype(np.uint8) if deep else flat)
        if made.palette:
            picture.putpalette([value for colour in made.palette for value in colour])
        return picture

    def _translate(self, route: Route, images: Tensor, others: Mapping[str, Tensor], keys: Sequence[str]) -> Tensor:
        given = self._inputs(route, images, others)
        if not self._draws:
            return self._run(route, given, keys[0])
        rows = [{name: image[n : n + 1] for name, image in given.items()} for n in range(len(images))]
        return torch.cat([self._run(route, row, key) for row, key in zip(rows, keys, strict=True)])

    def _inputs(self, route: Route, images: Tensor, others: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All inputs of a direction by name, on the device, with the right channels and one size."""
        _check_inputs(route, others)
        result = {}
        for name, side in zip(route.inputs, route.sides, strict=True):
            image = images if name == route.inputs[0] else others[name]
            ready = match_channels(image.to(self.device, torch.float32), self.method.spec.channels[side])
            result[name] = ready if _size(ready) == _size(images) else resize(ready, _size(images))
        return result

    @torch.inference_mode()
    def _run(self, route: Route, given: Mapping[str, Tensor], key: str) -> Tensor:
        direction = self.method.directions[route.name]
        height, width = (n * route.scale for n in given[route.inputs[0]].shape[-2:])
        multiple = multiple_of(direction, self.nets)
        with self._autocast(), self._seeded(key):
            padded = {name: pad(image, multiple) for name, image in given.items()}
            output = self.method.translate(self.nets, padded, route.name)
        output = crop(output.float(), (height, width), route.tiles)
        if not self._composes:
            return output
        originals = given[route.inputs[0]]
        return torch.cat(
            [self.method.compose(output[n : n + 1], originals[n : n + 1], route.name) for n in range(len(output))]
        )

    def _autocast(self) -> Any:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[self.precision])

    @contextmanager
    def _seeded(self, key: str) -> Iterator[None]:
        """Dropout has no generator argument: the global one is lent for one image and put back."""
        if not self._draws:
            yield
            return
        gpu = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpu):
            torch.manual_seed(derive(self.seed, "dropout", key))
            yield


def load(
    ref: str | Path,
    device: str = "auto",
    registry: Components | None = None,
    *,
    precision: str = "fp32",
    seed: int = 0,
    resolver: Callable[[str], Path] | None = None,
) -> Translator:
    """Loads a trained model: a bundle's folder, a train stage's folder, or the pointer to one (`runs/NAME/train`).

    The method comes from an installed plugin by its recorded name, never from the bundle. `resolver` finds the folder
    of a tracking server's reference (`runs:/<id>/translator`, `models:/<name>/<version>`). Errors: ConfigError (no
    model there), DataError (damaged), PluginError (the plugin is missing, or builds other networks than it holds).
    """
    bundle = read_bundle(locate(ref, resolver))
    if registry is None:
        from translate.plugins import Registry

        registry = Registry()
    method = restore_method(bundle, registry)
    nets = restore_networks(bundle, method, registry)
    return Translator(
        method,
        nets,
        bundle.facts["plugin"],
        devices.resolve(device),
        precision=precision,
        info=bundle.facts,
        seed=seed,
    )


def locate(ref: str | Path, resolver: Callable[[str], Path] | None = None) -> Path:
    """The bundle's folder that a reference means. Errors: ConfigError."""
    if isinstance(ref, str) and ref.startswith(TRACKED):
        if resolver is None:
            raise ConfigError(f"{ref}: a reference of a tracking server needs a `resolver`; give a folder instead")
        return resolver(ref)
    path = Path(ref)
    if path.is_file():
        try:
            path = path.parent / path.read_text("utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError(
                f"{ref}: a model is a folder (or a pointer to one), and this is some other file"
            ) from None
    for folder in (path, path / FOLDER):
        if (folder / FACTS).is_file():
            return folder
    what = "has no trained model" if path.is_dir() else "does not exist"
    raise ConfigError(f"{ref}: {what}; give a bundle's folder or a finished train stage, such as runs/NAME/train")


def _check_inputs(route: Route, others: Collection[str]) -> None:
    if set(others) != set(route.inputs[1:]):
        raise ConfigError(
            f"direction {route.name!r} takes {route.inputs[0]!r} and the further inputs "
            f"{', '.join(route.inputs[1:]) or '(none)'}; given: {', '.join(others) or '(none)'}"
        )


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]
