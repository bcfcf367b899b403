"""Albumentations, behind this file alone: the built-in transforms are made of it, and any other of its transforms goes
by its own name with its own options, `albumentations/GaussNoise`.

A transform of the library is made once in each thread and gets new generators with each call, so that it draws what one
made for that call would. Label maps are the arrays H x W; they are masks to the library, and never interpolated.
"""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from translate.contracts import IGNORE, C, Config, Transform
from translate.data.signature_options import config_of, values
from translate.errors import DataError
from translate.markers import hookimpl

Array = np.ndarray[Any, Any]
Size = tuple[int, int]

LEFT_OUT = {
    **dict.fromkeys(("Lambda",), "takes functions"),
    **dict.fromkeys(("FDA", "HistogramMatching", "PixelDistributionAdaptation", "Mosaic"), "takes other images"),
    **dict.fromkeys(("OverlayElements", "TextImage"), "takes metadata of each image"),
    **dict.fromkeys(
        ("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"), "changes the type of the images"
    ),
    **dict.fromkeys(
        ("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop"),
        "takes boxes",
    ),
}
"""Transforms of the library that a pipeline cannot use: what each does that has no place there."""

_TRIES = 8
"""Seeds under which a transform that draws nothing has to give the same image."""
_SAMPLES: tuple[Size, ...] = ((97, 131), (611, 523), (2203, 2309))
"""Sizes of images to try a transform on; the first that it takes (a crop may be larger)."""
_WIDE = np.float32(65535)
_MAKING = threading.Lock()


def library() -> Any:
    """The module. It takes over a second to import: only pipelines that name a transform do."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version
    import albumentations

    return albumentations


class Albumentations(Transform[C]):
    """A transform of the library, applied to all images of a call at once."""

    @abstractmethod
    def build(self) -> Any:
        """The library's transform."""

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        self.check(images)
        try:
            return self.applied(images, seed)
        except DataError:
            raise
        except Exception as error:  # the library raises nearly anything at images that it does not take
            raise DataError(f"{self.name} cannot take {_formats(images)}: {error}") from None

    def check(self, images: Mapping[str, Array]) -> None:
        """Refuses images that the transform cannot take. Errors: DataError."""

    def applied(self, images: Mapping[str, Array], seed: int) -> dict[str, Array]:
        """All images with one draw, made from `seed`."""
        transform = self._own()
        named, places = _as_targets(images)
        transform.add_targets({key: key.partition("_")[0] for key in named if "_" in key})
        transform.set_random_seed(seed)
        done = transform(**named)
        return {side: _with_channels(done[key], images[side]) for side, key in places.items()}

    def _own(self) -> Any:
        """This thread's transform: the library's keep what they draw in themselves."""
        if not hasattr(self._threads, "transform"):
            # the library warns of some of its own transforms, and catch_warnings is for one thread at a time
            with _MAKING, warnings.catch_warnings(action="ignore"):
                self._threads.transform = self.build()
        return self._threads.transform

    @cached_property
    def _threads(self) -> Any:
        return threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to the threads of this process: a worker process makes its own."""
        return {key: value for key, value in vars(self).items() if key != "_threads"}


class Named(Albumentations[Config]):
    """A transform of the library under its own name, with its own options."""

    library_name: ClassVar[str]
    random = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.random = self._draws()

    def __reduce__(self) -> tuple[Any, ...]:
        """By name and options: a class that was made while the program runs cannot be found by another process."""
        return _again, (self.library_name, values(self.config))

    def build(self) -> Any:
        return _made(self.library_name, values(self.config, _OWN))

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        self.check(images)
        floats = {side: _as_float(image) for side, image in images.items()}
        try:
            done = self.applied(floats, seed)
        except DataError:
            raise
        except Exception as error:  # the library raises nearly anything at images that it does not take
            raise DataError(f"albumentations/{self.name} cannot take {_formats(images)}: {error}") from None
        return {side: _as_before(image, images[side]) for side, image in done.items()}

    def _draws(self) -> bool:
        """Whether an image comes out in more than one way."""
        chance = getattr(self.config, "p", 1.0)
        if 0 < chance < 1:
            return True
        if not chance:
            return False
        for height, width in _SAMPLES:
            grain = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
            try:
                results = [self.applied({"image": grain}, seed)["image"] for seed in range(_TRIES)]
            except Exception:  # too small for a crop, or not for images alone
                continue
            return any(not np.array_equal(results[0], other) for other in results[1:])
        return True


class Spatial(Named):
    """A transform that moves pixels: images and label maps of a call get the same geometry."""

    def applied(self, images: Mapping[str, Array], seed: int) -> dict[str, Array]:
        by_channels: dict[int, dict[str, Array]] = {}
        labels = {side: image for side, image in images.items() if image.ndim == 2}
        for side, image in images.items():
            if image.ndim > 2:
                by_channels.setdefault(image.shape[-1], {})[side] = image
        # A draw for each channel fits images of as many channels alone: others are done apart, under the same seed.
        done: dict[str, Array] = {}
        for group in by_channels.values() or [{}]:
            done |= super().applied({**group, **labels}, seed)
        return {side: done[side] for side in images}

    def size(self, before: Size | None) -> Size | None:
        """The size that comes out under all of many seeds, else None."""
        sizes = set()
        for height, width in [before] if before else _SAMPLES[:2]:
            blank = np.zeros((height, width, 3), np.uint8)
            for seed in range(2 * _TRIES):
                sizes.add(self({"image": blank, "label": blank[..., 0]}, seed)["image"].shape[:2])
        return sizes.pop() if len(sizes) == 1 else None


class Colour(Named):
    """A transform of values: it leaves label maps alone, and does the same to every image of a call."""

    def check(self, images: Mapping[str, Array]) -> None:
        """Refuses floats whose black and white the library would not know."""
        for side, image in images.items():
            chosen = image.dtype.kind == "f" and is_among(side, getattr(self.config, "sides", None))
            if chosen and image.size and not (image.min() >= 0 and image.max() <= 1):
                low, high = float(image.min()), float(image.max())
                span = f"side {side} goes from {low:g} to {high:g}"
                raise DataError(f"albumentations/{self.name} takes floats from 0 to 1, and {span}")

    def applied(self, images: Mapping[str, Array], seed: int) -> dict[str, Array]:
        chosen = getattr(self.config, "sides", None)
        done = dict(images)
        for side, image in images.items():
            if image.ndim > 2 and is_among(side, chosen):
                # One by one under one seed: noise for one channel is no noise for three.
                done |= super().applied({side: image}, seed)
        return done


_OWN = frozenset({"sides"})
_SIDES = (
    tuple[str, ...] | None,
    Field(None, description="Sides that are changed, all alike, such as `[input]`; `null` for all images."),
)


@hookimpl
def translate_transforms() -> dict[str, type[Transform[Any]]]:
    """Every transform of the library that a pipeline file can use, by the library's name for it."""
    classes: dict[str, type[Transform[Any]]] = {}
    module = library()
    bases = (module.BasicTransform, module.DualTransform, module.ImageOnlyTransform, module.Transform3D)
    for name, kind in sorted(vars(module).items()):
        usable = inspect.isclass(kind) and issubclass(kind, bases[1:3]) and not issubclass(kind, module.Transform3D)
        if usable and kind not in bases and name not in LEFT_OUT:
            classes[name] = _named(name, kind, Spatial if issubclass(kind, module.DualTransform) else Colour)
    return classes


def _named(name: str, kind: Any, base: type[Named]) -> type[Named]:
    """The class of a transform of the library; its options are those of the library's own schema."""
    parameters = dict(inspect.signature(kind.__init__).parameters)
    parameters = {key: p for key, p in parameters.items() if key != "self" and p.kind is p.POSITIONAL_OR_KEYWORD}
    annotations = {key: field.rebuild_annotation() for key, field in kind.InitSchema.model_fields.items()}
    # Pixels that a geometry brings in from outside belong to no class, unless a file says so.
    outside = {"fill_mask": IGNORE} if "fill_mask" in parameters and parameters["fill_mask"].default == 0 else {}
    config = config_of(
        name,
        parameters,
        annotations,
        lambda options: _made(name, options),
        doc=kind.__doc__ or "",
        defaults=outside,
        further={"sides": _SIDES} if base is Colour else {},
    )
    about = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    facts = {"name": name, "library_name": name, "Config": config, "__doc__": about, "__module__": __name__}
    return type(name, (base,), facts)


def _made(name: str, options: Mapping[str, Any]) -> Any:
    """The library's transform. Errors: ValueError with the library's words on the options."""
    with warnings.catch_warnings(action="ignore"):
        return getattr(library(), name)(**options)


def _again(name: str, options: Mapping[str, Any]) -> Named:
    kind = getattr(library(), name)
    made = _named(name, kind, Spatial if issubclass(kind, library().DualTransform) else Colour)
    return made(made.Config(**options))


def is_among(side: str, chosen: Sequence[str] | None) -> bool:
    """Whether a side is one of those that were chosen (None: all). `clip` stands for all its frames, `clip.0` and so
    on."""
    return chosen is None or side in chosen or side.rpartition(".")[0] in chosen


def _as_targets(images: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays by the library's names for them, and the name that each side has: `image`, `image_1`, `mask`."""
    named: dict[str, Array] = {}
    places: dict[str, str] = {}
    counts = {"image": 0, "mask": 0}
    for side, array in images.items():
        kind = "mask" if array.ndim == 2 else "image"
        key = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        named[key], places[side] = array, key
    if "image" not in named:  # the library takes the size from an image
        named["image"] = np.zeros((*named["mask"].shape, 1), np.uint8)
    return named, places


def _with_channels(image: Array, before: Array) -> Array:
    """The array with an axis of channels, if it had one."""
    return image[..., None] if image.ndim < before.ndim else image


def _formats(images: Mapping[str, Array]) -> str:
    """Shapes and types of values, by side, for messages."""
    return ", ".join(f"{side} {image.shape} {image.dtype}" for side, image in images.items())


def _as_float(image: Array) -> Array:
    """16 bits as floats in [0, 1]: the library takes 8 bits or floats."""
    return (image / _WIDE).astype(np.float32) if image.dtype == np.uint16 and image.ndim > 2 else image


def _as_before(image: Array, before: Array) -> Array:
    """The values in the type that they had."""
    if image.dtype == before.dtype:
        return image
    if before.dtype == np.uint16 and image.dtype.kind == "f":
        return np.rint(image.clip(0, 1) * _WIDE).astype(np.uint16)
    return image.astype(before.dtype)
