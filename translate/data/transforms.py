"""Transforms of images on the CPU: deterministic ones for `preprocess`, random ones for `augment`.

The work is albumentations'; images of one call get one geometry, labels are never interpolated, 16 bits stay 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import cv2
import numpy as np
from pydantic import Field

from translate.contracts import Config, Transform
from translate.data.albumentations_adapter import Albumentations, is_among, library
from translate.errors import DataError
from translate.seeding import derive

Array = np.ndarray[Any, Any]

Size = tuple[int, int]
Pixels = Annotated[int, Field(ge=1, le=1 << 16)]
Probability = Annotated[float, Field(ge=0, le=1)]
Interpolation = Literal["auto", "nearest", "bilinear", "bicubic", "area", "lanczos"]


def apply(chain: Sequence[Transform[Any]], images: dict[str, Array], seed: int) -> dict[str, Array]:
    """The images after all transforms of `chain`, each drawing from its own seed."""
    for position, transform in enumerate(chain):
        images = transform(images, derive(seed, position))
    return images


class SizeConfig(Config):
    """Options of a transform that gives images one size."""

    size: Pixels | tuple[Pixels, Pixels]
    """Size in pixels: `256`, the side of a square, or `[256, 512]`, height and width."""

    @property
    def hw(self) -> Size:
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)


class CropConfig(SizeConfig):
    """Options of `random-crop`."""

    multiple: Pixels = 1
    """Number of pixels that the window's corner is a multiple of: the scale, for real pairs of low and high
    resolution."""


class ResizeConfig(SizeConfig):
    """Options of `resize`."""

    interpolation: Interpolation = "auto"
    """How values between pixels are found: `auto` averages areas where the image shrinks and is bicubic where it grows;
    the others are those of OpenCV, in both cases. Label maps always take the nearest pixel."""


class ShorterConfig(Config):
    """Options of `resize-shorter`."""

    size: Pixels
    """Length of the shorter side, in pixels."""
    interpolation: Interpolation = "auto"
    """How values between pixels are found; as for `resize`."""


class MultipleConfig(Config):
    """Options of `modcrop`."""

    multiple: Pixels
    """Number of pixels that height and width become a multiple of: the scale of a super-resolution, for instance."""


class ChanceConfig(Config):
    """Options of a transform that happens by chance."""

    p: Probability = 0.5
    """Probability that the transform is applied to an image."""


class ResizedCropConfig(SizeConfig):
    """Options of `random-resized-crop`."""

    scale: tuple[Probability, Probability] = (0.5, 1.0)
    """Smallest and largest share of the image's area that the window has."""
    ratio: tuple[float, float] = (0.75, 4 / 3)
    """Smallest and largest width of the window divided by its height."""
    interpolation: Interpolation = "auto"
    """How values between pixels are found; as for `resize`."""


class JitterConfig(Config):
    """Options of `colour-jitter`."""

    brightness: Probability = 0.2
    """Strength v: the brightness is multiplied by a factor drawn from [1 - v, 1 + v]."""
    contrast: Probability = 0.2
    """Strength v of the contrast, likewise."""
    saturation: Probability = 0.2
    """Strength v of the saturation, likewise."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Strength v: the hue is shifted by a part of the colour circle drawn from [-v, v]."""
    p: Probability = 1.0
    """Probability that an image is changed at all."""
    sides: tuple[str, ...] | None = None
    """Sides that are changed, all alike, such as `[input]`; `null` for all. Leave out a side whose colours mean
    something."""


class ThickenConfig(Config):
    """Options of `thicken-lines`."""

    size: Annotated[int, Field(ge=2, le=99)] = 3
    """Width in pixels of what was a line of one pixel."""
    sides: tuple[str, ...] | None = None
    """Sides that are drawings, such as `[a]`; `null` for all."""


def enlarged(image: Array, scale: int) -> Array:
    """An image H x W x C enlarged by a whole number, bicubic, in its own type."""
    height, width = image.shape[:2]
    size = width * scale, height * scale
    # OpenCV takes a few channels at a time, and drops the axis of a single one.
    parts = [cv2.resize(band, size, interpolation=cv2.INTER_CUBIC) for band in np.moveaxis(np.asarray(image), 2, 0)]
    return np.stack(parts, axis=2).view(type(image))


def _interpolation(name: Interpolation) -> dict[str, Any]:
    flags = {
        "auto": cv2.INTER_CUBIC,
        "nearest": cv2.INTER_NEAREST_EXACT,  # INTER_NEAREST takes corners: half a pixel off what the others do
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    return {
        "interpolation": flags[name],
        "mask_interpolation": flags["nearest"],
        "area_for_downscale": "image" if name == "auto" else None,
    }


class Resize(Albumentations[ResizeConfig]):
    """To one size, whatever the aspect."""

    name = "resize"
    small = {"size": 32}

    def build(self) -> Any:
        return library().Resize(*self.config.hw, **_interpolation(self.config.interpolation))

    def size(self, before: Size | None) -> Size | None:
        return self.config.hw


class ResizeShorter(Albumentations[ShorterConfig]):
    """The shorter side to `size` pixels; the aspect is kept."""

    name = "resize-shorter"
    small = {"size": 32}

    def build(self) -> Any:
        return library().SmallestMaxSize(self.config.size, **_interpolation(self.config.interpolation))

    def size(self, before: Size | None) -> Size | None:
        if before is None:
            return None
        scale = self.config.size / min(before)
        return round(before[0] * scale), round(before[1] * scale)


S = TypeVar("S", bound=SizeConfig)


class _Crop(Albumentations[S]):
    def size(self, before: Size | None) -> Size | None:
        if before is not None:
            self._fits(before)
        return self.config.hw

    def check(self, images: Mapping[str, Array]) -> None:
        for image in images.values():
            self._fits(image.shape[:2])

    def _fits(self, before: Sequence[int]) -> None:
        height, width = self.config.hw
        if before[0] < height or before[1] < width:
            raise DataError(
                f"{self.name}: an image of {before[1]} x {before[0]} pixels is smaller than the crop "
                f"of {width} x {height}; resize it first, or crop less"
            )


class CenterCrop(_Crop[SizeConfig]):
    """The middle of the image."""

    name = "center-crop"
    small = {"size": 32}

    def build(self) -> Any:
        return library().CenterCrop(*self.config.hw)


class ModCrop(Transform[MultipleConfig]):
    """Cuts rows at the bottom and columns at the right until a multiple of pixels is left, as benchmarks of
    super-resolution prepare their images."""

    name = "modcrop"
    small = {"multiple": 5}

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        m = self.config.multiple
        for image in images.values():
            height, width = image.shape[:2]
            if min(height, width) < m:
                raise DataError(f"modcrop: an image of {width} x {height} pixels is smaller than {m} x {m}")
        return {side: image[: len(image) // m * m, : image.shape[1] // m * m] for side, image in images.items()}

    def size(self, before: Size | None) -> Size | None:
        m = self.config.multiple
        return None if before is None else (before[0] // m * m, before[1] // m * m)


class RandomCrop(_Crop[CropConfig]):
    """A window anywhere in the image."""

    name, random = "random-crop", True
    small = {"size": 32}

    def build(self) -> Any:
        return library().RandomCrop(*self.config.hw)

    def applied(self, images: Mapping[str, Array], seed: int) -> dict[str, Array]:
        step, (height, width) = self.config.multiple, self.config.hw
        if step == 1:
            return super().applied(images, seed)
        rng = np.random.default_rng(seed)
        whole = next(iter(images.values())).shape
        top, left = (step * int(rng.integers((whole[axis] - self.config.hw[axis]) // step + 1)) for axis in (0, 1))
        return {side: image[top : top + height, left : left + width] for side, image in images.items()}


class RandomResizedCrop(Albumentations[ResizedCropConfig]):
    """A window of random size and aspect, resized to one size."""

    name, random = "random-resized-crop", True
    small = {"size": 32}

    def build(self) -> Any:
        c = self.config
        return library().RandomResizedCrop(c.hw, scale=c.scale, ratio=c.ratio, **_interpolation(c.interpolation))

    def size(self, before: Size | None) -> Size | None:
        return self.config.hw


class HorizontalFlip(Albumentations[ChanceConfig]):
    """Left and right swapped, with probability `p`."""

    name, random = "horizontal-flip", True

    def build(self) -> Any:
        return library().HorizontalFlip(p=self.config.p)


class VerticalFlip(Albumentations[ChanceConfig]):
    """Top and bottom swapped, with probability `p`."""

    name, random = "vertical-flip", True

    def build(self) -> Any:
        return library().VerticalFlip(p=self.config.p)


class Rotate90(Albumentations[ChanceConfig]):
    """With probability `p` turned by 0, 90, 180 or 270 degrees, each equally often."""

    name, random = "rotate-90", True

    def build(self) -> Any:
        return library().RandomRotate90(p=self.config.p)

    def size(self, before: Size | None) -> Size | None:
        return before if before is not None and before[0] == before[1] else None


class ColourJitter(Albumentations[JitterConfig]):
    """Brightness, contrast, saturation and hue, the same for all images of a call; labels stay."""

    name, random = "colour-jitter", True

    def build(self) -> Any:
        c = self.config
        factors = {n: (1 - v, 1 + v) for n, v in c if n in ("brightness", "contrast", "saturation")}
        return library().ColorJitter(**factors, hue=(-c.hue, c.hue), p=c.p)

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        chosen = {s: i for s, i in images.items() if i.ndim > 2 and is_among(s, self.config.sides)}
        if not chosen:
            return images
        # albumentations takes 8 bits or floats: 16 bits go there and back as floats in [0, 1]
        wide = {side for side, image in chosen.items() if image.dtype == np.uint16}
        inputs = {s: (i / np.float32(65535)).astype(np.float32) if s in wide else i for s, i in chosen.items()}
        outputs = super().__call__(inputs, seed)
        back = {s: np.rint(i * 65535).astype(np.uint16) if s in wide else i for s, i in outputs.items()}
        return {**images, **back}


class ThickenLines(Transform[ThickenConfig]):
    """Dark lines on a bright ground become wider, so that they survive a resize: each pixel takes the darkest value
    around it (DiscoGAN's preparation of edges)."""

    name = "thicken-lines"

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        square = np.ones((self.config.size, self.config.size), np.uint8)
        chosen = {s for s, i in images.items() if i.ndim > 2 and is_among(s, self.config.sides)}
        return {s: cv2.erode(i, square).reshape(i.shape) if s in chosen else i for s, i in images.items()}


TRANSFORMS: tuple[type[Transform[Any]], ...] = (
    Resize,
    ResizeShorter,
    CenterCrop,
    ModCrop,
    RandomCrop,
    RandomResizedCrop,
    HorizontalFlip,
    VerticalFlip,
    Rotate90,
    ColourJitter,
    ThickenLines,
)
