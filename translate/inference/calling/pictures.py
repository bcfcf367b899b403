"""Images through a program: one by one, whole or in strips, or several in one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from translate.contracts import Route
from translate.imaging.appearance.nodata import filled, with_none
from translate.imaging.convert import Array
from translate.imaging.io import Image
from translate.imaging.pixels import luma
from translate.inference.inputs import inputs_of
from translate.inference.outputs import array_of, finished, output_of
from translate.inference.padding import padded_size
from translate.inference.program import MAIN, Program
from translate.inference.streaming import Streamer, Tile


@dataclass(frozen=True)
class Pictures:
    """A program, and the streamer that takes what does not fit into the memory; see the methods of `Translator`."""

    program: Program
    streamer: Streamer

    def image(self, route: Route, image: Image, others: Mapping[str, Any], sample: int, tile: Tile | None) -> Any:
        """Translates an image."""
        if route.further or route.output not in ("image", "labels"):
            return self.outputs(route, image, others, sample)[MAIN]
        original, image = image, filled(self._with_alpha_as_band(route, image))

        def whole() -> Array:
            inputs = inputs_of(self.program, route, image, others)
            return array_of(self.program, route, image, self.program.whole(route, inputs, sample))

        def in_strips() -> Array:
            return self.streamer.image(route, image, others, tile)

        area = image.pixels.shape[0] * image.pixels.shape[1]
        output = finished(self.program, route, image, self.streamer.choose(route, area, tile, whole, in_strips))
        translate = partial(self.image, route, others=others, sample=sample, tile=tile)
        return self._completed(route, original, output, translate)

    def outputs(self, route: Route, image: Image, others: Mapping[str, Any], sample: int) -> dict[str, Any]:
        """All outputs by name."""
        original, image = image, filled(self._with_alpha_as_band(route, image))
        (tensors,) = self.program.outputs(route, [inputs_of(self.program, route, image, others)], sample)
        outputs = {name: output_of(self.program, route, name, image, tensor) for name, tensor in tensors.items()}
        return {
            name: self._completed(route, original, output, partial(self._output, route, others, sample, name))
            for name, output in outputs.items()
        }

    def _output(self, route: Route, others: Mapping[str, Any], sample: int, name: str, image: Image) -> Any:
        return self.outputs(route, image, others, sample)[name]

    def images(
        self, route: Route, images: Sequence[Image], others: Sequence[Mapping[str, Any]], tile: Tile | None
    ) -> list[Any]:
        """Translates images of one padded size in one batch, which is halved where it does not fit into the memory."""
        if len(images) < 2 or not self.program.joins(route) or route.further:
            each = zip(images, others, strict=True)
            return [self.image(route, image, more, 0, tile) for image, more in each]
        originals, images = images, [filled(self._with_alpha_as_band(route, image)) for image in images]
        multiple, half = self.program.multiple(route), len(images) // 2
        sizes = {padded_size(image.pixels.shape[:2], multiple) for image in images}
        assert len(sizes) == 1, f"images of one batch are of one padded size, not {sizes}"
        height, width = sizes.pop()

        def whole() -> list[Any]:
            inputs = [inputs_of(self.program, route, image, more) for image, more in zip(images, others, strict=True)]
            results = zip(images, self.program.outputs(route, inputs), strict=True)
            return [output_of(self.program, route, MAIN, image, outputs[MAIN]) for image, outputs in results]

        def halves() -> list[Any]:
            first = self.images(route, images[:half], others[:half], tile)
            return first + self.images(route, images[half:], others[half:], tile)

        results = self.streamer.choose(route, len(images) * height * width, tile, whole, halves)
        return [
            self._completed(route, image, output, partial(self.image, route, others=more, sample=0, tile=tile))
            for image, output, more in zip(originals, results, others, strict=True)
        ]

    def _with_alpha_as_band(self, route: Route, image: Image) -> Image:
        """An image whose alpha is one more band, where that is asked for and the networks take one more."""
        if self.program.handling.alpha != "channel" or image.alpha is None or route.main is None:
            return image
        if self.program.channels(route, route.main) != image.pixels.shape[2] + 1:
            return image
        return replace(image, pixels=image.array, alpha=None, mode="bands")

    def _completed(self, route: Route, image: Image, output: Any, translate: Callable[[Image], Any]) -> Any:
        """An output with no data where the image has none, and with alpha that was translated as a grey picture, where
        that is asked for and it is no band."""
        if not isinstance(output, Image):
            return output
        if route.tiles == (1, 1):
            output = with_none(output, image, route.scale)
        as_band = image.alpha is None or self._with_alpha_as_band(route, image) is not image
        if self.program.handling.alpha != "channel" or as_band or output.alpha is None:
            return output
        assert image.alpha is not None
        translated: Image = translate(Image(image.alpha[..., None], mode="grey"))
        return replace(output, alpha=luma(translated.pixels)[..., 0])
