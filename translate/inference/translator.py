"""A trained model as an object: images in, images out, in every form that people hold them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import DirectionCall, Method, Nets, Route
from translate.errors import ConfigError
from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.imaging.io import Image
from translate.inference.calling.adapters import called
from translate.inference.calling.pictures import Pictures
from translate.inference.directions import check_conversion, choose, with_options
from translate.inference.inputs import tensors_of
from translate.inference.interactive.description import Described
from translate.inference.outputs import flat
from translate.inference.padding import padded_size
from translate.inference.program import Program
from translate.inference.sampling import sampled
from translate.inference.streaming import Streamer, Tile
from translate.text import suggest

NONE: Mapping[str, Any] = MappingProxyType({})


class Translator(Described):
    """The networks of one method in inference mode, and the directions they can be used in.

    `nets` belong to the translator from here on: they are moved to `device` (`cpu`, `cuda:0`) and switched to inference
    as the method's `test_time` says. `precision` is `fp32`, `bf16` or `fp16`. `provider` and `info` are kept for
    whoever asks where the model comes from. `seed` decides noise, and dropout where it stays on at inference: each
    image draws from (seed, its values, the number of the sample), whatever it is batched with and called.

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
        handling: Handling = DEFAULT,
    ) -> None:
        program = Program.prepared(method, nets, device, precision, seed, handling)
        self._set_up(program, Streamer(program, tile, tell), provider, dict(info or {}))

    def _set_up(
        self, program: Program, streamer: Streamer, provider: Mapping[str, str], info: Mapping[str, Any]
    ) -> None:
        self.program, self.streamer, self.provider, self.info = program, streamer, provider, info
        self._pictures = Pictures(program, streamer)
        self._in_precision: dict[str, Translator] = {}

    def _with(self, program: Program) -> Translator:
        """A translator of another program with everything else of this one."""
        other = Translator.__new__(Translator)
        streamer = Streamer(program, self.streamer.tile, self.streamer.tell)
        other._set_up(program, streamer, self.provider, self.info)
        return other

    def with_precision(self, precision: str) -> Translator:
        """A translator with the same weights that computes in `fp32`, `bf16` or `fp16`."""
        if precision == self.precision:
            return self
        if precision not in self._in_precision:  # kept, since weights in another type are a copy of them all
            self._in_precision[precision] = self._with(self.program.with_precision(precision))
        return self._in_precision[precision]

    def without_dropout(self) -> Translator:
        """A translator with the same weights and no dropout."""
        return self._with(self.program.without_dropout()) if self.program.drops else self

    def with_seed(self, seed: int) -> Translator:
        """A translator with the same weights that draws otherwise."""
        return self if seed == self.seed else self._with(self.program.with_seed(seed))

    def with_handling(self, **changes: Any) -> Translator:
        """A translator with the same weights that treats images otherwise: `alpha="ignore"`; see `Handling`."""
        return self._with(self.program.with_handling(self.program.handling.changed(**changes))) if changes else self

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
        """The seed of noise and dropout."""
        return self.program.seed

    @property
    def routes(self) -> Mapping[str, Route]:
        """All directions by name; the first is the default."""
        return self.program.routes

    @property
    def stochastic(self) -> bool:
        """Whether an image has many answers in some direction."""
        return any(self.program.stochastic(route) for route in self.routes.values())

    def draws(self, direction: str | None = None) -> bool:
        """Whether an image has many answers in a direction: it draws noise, or dropout stays on."""
        return self.program.stochastic(self.route(direction))

    def joins(self, direction: str | None = None) -> bool:
        """Whether images of one size may go through the networks together; see `Program.joins`."""
        return self.program.joins(self.route(direction))

    def route(self, direction: str | None = None) -> Route:
        """A direction with its inputs, sides and target, and the options of the call if `direction` is one (`call`).

        Errors: ConfigError with a suggestion.
        """
        route = self.routes[choose(self.routes, direction)]
        return replace(route, options=direction.options) if isinstance(direction, DirectionCall) else route

    def call(self, direction: str | None = None, options: Mapping[str, Any] = NONE) -> DirectionCall:
        """A direction with options, to be given wherever a direction's name is. Errors: ConfigError."""
        route = self.route(direction)
        if not options:
            return route.asked
        return with_options(route, self.method.directions[route.name], options).asked

    def check(self, direction: str | None, others: Collection[str]) -> Route:
        """The direction, if it takes exactly these inputs beside the main one. Errors: ConfigError."""
        route = self.route(direction)
        check_conversion(route, others)
        return route

    def translate_tensor(
        self,
        images: Tensor,
        direction: str | None = None,
        *,
        sample: int = 0,
        tile: Tile | None = None,
        **others: Any,
    ) -> Tensor:
        """The main input of a direction as in a batch, images N x C x H x W in [-1, 1] of any size, to its output,
        likewise, on the translator's device.

        Grey and colour are converted to what the networks take. Images are padded by reflection and cropped again;
        `others` are the direction's further inputs, resized to the first one's size where it differs. `sample` numbers
        the answers to an image where it has many. `tile`: instead of the translator's. Errors: ConfigError (direction,
        inputs, channels; no room for the scratch of an image in strips).
        """
        route = self.check(direction, others)
        return self._in_parts(route, tensors_of(self.program, route, images, others), sample, tile)

    def translate_image(
        self,
        image: Image,
        direction: str | None = None,
        others: Mapping[str, Any] = NONE,
        sample: int = 0,
        *,
        tile: Tile | None = None,
    ) -> Any:
        """An image to one of the same bit depth, colour profile and (times the direction's `scale`) size.

        Alpha goes around the networks, which see the image over white; the white is taken out of their output again
        (`Handling`). How many colour channels come out is up to the network. A direction that gives labels makes a
        label map: the indices of the classes with the largest logits, uint8, and the palette in which they are shown.
        In strips (`tile`: instead of the translator's) only one strip at a time is more than bytes. `sample` numbers
        the answers where there are many. Errors: ConfigError (wrong inputs; no room for the scratch of an image in
        strips).
        """
        return self._pictures.image(self.check(direction, others), image, others, sample, tile)

    def translate_outputs(
        self, image: Image, direction: str | None = None, others: Mapping[str, Any] = NONE, sample: int = 0
    ) -> dict[str, Any]:
        """All outputs of a direction by name, the main one under `output`.

        Images and label maps are as `translate_image` makes them, a class is its name (or index, where classes have no
        names), a vector a list of numbers. Errors: as `translate_image`.
        """
        return self._pictures.outputs(self.check(direction, others), image, others, sample)

    def translate_images(
        self,
        images: Sequence[Image],
        direction: str | None = None,
        others: Sequence[Mapping[str, Any]] = (),
        *,
        tile: Tile | None = None,
    ) -> list[Image]:
        """Images of one `padded_key` in one batch, each to what `translate_image` makes of it (GPUs: up to rounding).

        Each keeps its own size, bit depth, alpha and profile. `others`: the further inputs of each. Where an image
        has many answers, they go one by one. A batch that does not fit into the memory is halved, down to single
        images, which may go in strips then; the streamer remembers. An error of one is one of all. Errors: as
        `translate_image`.
        """
        others = others or [NONE] * len(images)
        assert len(images) == len(others), f"{len(images)} images, {len(others)} others"
        return self._pictures.images(self.check(direction, others[0] if others else ()), images, others, tile)

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
        if not self.program.joins(route) or not self.program.independent:
            return 1
        height, width, _ = self.padded_key(direction, size, 0)
        return self.streamer.batch_size(route, height * width)

    def __call__(
        self,
        image: Any,
        direction: str | None = None,
        *,
        seed: int | None = None,
        samples: int | None = None,
        **given: Any,
    ) -> Any:
        """One image to one image of the same form, or several to as many.

        | given | values | comes back |
        |---|---|---|
        | array H x W or H x W x C | uint8, uint16, float in [0, 1], ...: as its .npy | array of the same type |
        | array N x H x W x C | likewise | array of as many |
        | PIL image | as its mode has them | PIL image (16-bit colour: 8 bits, Pillow has no more) |
        | path | decoded as by `translate convert` | array H x W x C |
        | tensor C x H x W | float in [-1, 1], RGB | tensor on the translator's device, not clipped |
        | tensor N x C x H x W | likewise | tensor, all computed in one batch |
        | list of any of these, in any sizes | likewise | list; neighbours of one size share batches |

        C is 1 (grey), 3 (RGB), and in arrays also 2 and 4, whose last channel is alpha; grey and colour are converted
        to what the networks take. A direction that gives labels makes logits of a tensor, class indices H x W of an
        array or a path, and a palette image of a PIL image; a class comes as its name, a vector as a list of numbers,
        and several outputs as a mapping of names to them.

        `given` are the direction's options (`steps=50`) and its further inputs by name: images in any of these forms,
        classes by name or index, rows of numbers; with a list, one for all or a list of as many. Where a direction has
        no such option or input, `alpha="ignore"` and the other fields of `Handling` count for this call. `seed`
        replaces the translator's. `samples`: so many answers to each image, as a list in the place of the one. Errors:
        ConfigError (not of these forms, no such option or input), DataError (an unreadable file).
        """
        own = {*self.method.directions[self.route(direction).name].options.model_fields, *self.route(direction).inputs}
        handling = {name: given.pop(name) for name in set(given) & set(vars(DEFAULT)) - own}
        call, others = self.told_apart(direction, given)
        translator = (self if seed is None else self.with_seed(seed)).with_handling(**handling)
        if samples is None:
            return called(translator, image, call, others)
        answers = [called(translator, image, call, others, sample) for sample in range(samples)]
        return [list(of_one) for of_one in zip(*answers, strict=True)] if isinstance(image, list | tuple) else answers

    def sample(
        self,
        count: int = 1,
        direction: str | None = None,
        *,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        **given: Any,
    ) -> list[Any]:
        """Images from nothing, as arrays H x W x C uint8 (label maps: H x W): samples 0 to count - 1 of a seed.

        `size` is (height, width), by default that of the training. `given` are options and inputs of the direction,
        each for all samples, or a list of as many. Errors: ConfigError (a direction that converts images, wrong
        inputs).
        """
        call, others = self.told_apart(direction, given)
        translator = self if seed is None else self.with_seed(seed)
        images = sampled(translator.program, range(count), translator.route(call), others, size)
        return [flat(image) for image in images]

    def told_apart(self, direction: str | None, given: Mapping[str, Any]) -> tuple[DirectionCall, dict[str, Any]]:
        """A direction with the options among `given`, and the further inputs that are left. Errors: ConfigError."""
        route = self.route(direction)
        fields = self.method.directions[route.name].options.model_fields
        options = {name: value for name, value in given.items() if name in fields and name not in route.inputs}
        if wrong := [name for name in given if name not in options and name not in route.inputs]:
            there = suggest(wrong[0], [*fields, *route.others])
            names = f"inputs {', '.join(route.others) or '(none)'}, options {', '.join(fields) or '(none)'}"
            raise ConfigError(f"direction {route.name!r} takes no {wrong[0]!r}{there or f'; it takes {names}'}")
        return self.call(direction, options), {name: given[name] for name in given if name not in options}

    def _in_parts(self, route: Route, inputs: Mapping[str, Tensor], sample: int, tile: Tile | None) -> Tensor:
        """All at once, or half after half where that does not fit, down to strips of a single image."""
        images = inputs[route.main or route.inputs[0]]
        half = len(images) // 2

        def parts() -> Tensor:
            if not half:
                return self.streamer.tensor(route, inputs, tile)
            halves = [
                {name: values[part] for name, values in inputs.items()} for part in (slice(half), slice(half, None))
            ]
            return torch.cat([self._in_parts(route, each, sample, tile) for each in halves])

        if half and not self.program.joins(route):
            return parts()
        pixels = len(images) * images.shape[-2] * images.shape[-1]
        return self.streamer.choose(route, pixels, tile, lambda: self.program.whole(route, inputs, sample), parts)
