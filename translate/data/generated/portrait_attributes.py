"""Generated portraits whose attributes have names: which hat, which background, which hair, which glasses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from translate.contracts import Class, Config, Image, Record, Sides, Source, SourceFacts
from translate.data.generated.portraits import Array, Colour, Looks, make_portrait
from translate.seeding import derive

Attribute = Literal["hat", "background", "hair", "glasses"]

HATS: Mapping[str, int | None] = MappingProxyType({"none": None, "top-hat": 1, "cone": 2, "beanie": 3})
BACKGROUNDS: Mapping[str, Colour] = MappingProxyType(
    {"red": (0.85, 0.35, 0.32), "yellow": (0.9, 0.8, 0.35), "green": (0.35, 0.7, 0.4), "blue": (0.35, 0.5, 0.88)}
)
HAIR: Mapping[str, Colour] = MappingProxyType(
    {"black": (0.08, 0.07, 0.08), "brown": (0.38, 0.23, 0.12), "blond": (0.92, 0.78, 0.42), "red": (0.72, 0.27, 0.1)}
)
GLASSES: Mapping[str, Colour | None] = MappingProxyType(
    {"none": None, "clear": (0.85, 0.93, 0.97), "dark": (0.12, 0.12, 0.14), "red": (0.85, 0.12, 0.15)}
)
"""The classes of each attribute, by name, with what is drawn."""

NAMES: Mapping[Attribute, tuple[str, ...]] = MappingProxyType(
    {"hat": tuple(HATS), "background": tuple(BACKGROUNDS), "hair": tuple(HAIR), "glasses": tuple(GLASSES)}
)
"""The attributes and the names of their classes, four each, by index."""


class PortraitsConfig(Config):
    """Options of `portraits`. The portraits follow from the seed of the stage."""

    kind: Literal["attributes", "classes"] = "attributes"
    """Sides of the data beside `image`: all four attributes under their names (`attributes`), or one of them as `class`
    (`classes`), for methods that know one class an image."""
    attribute: Attribute = "hat"
    """The attribute that is the `class` of kind `classes`: `hat`, `background`, `hair` or `glasses`; the others vary
    all the same."""
    labelled: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of the training portraits whose classes are told: 0.05 leaves 19 of 20 without. Other splits tell
    all."""
    size: Annotated[int, Field(ge=16, le=1024)] = 64
    """Side of a square portrait, in pixels."""
    train: PositiveInt = 1000
    """Portraits of the split `train`."""
    val: NonNegativeInt = 0
    """Portraits of the split `val`; 0 leaves it out."""
    test: NonNegativeInt = 100
    """Portraits of the split `test`; 0 leaves it out."""


class Portraits(Source[PortraitsConfig]):
    """People nobody knows, whose hat, background, hair and glasses are each of one of four kinds, drawn independently.

    An `image` and its classes have one key. Hats of a kind differ in hue and size, colours in brightness, and
    everything else of a person varies without a name: skin, face, clothes, length of hair.
    """

    name = "portraits"

    def facts(self) -> SourceFacts:
        splits = tuple(split for split in ("train", "val", "test") if getattr(self.config, split))
        optional = self.config.labelled < 1
        classes = {side: Class(NAMES[attribute], optional) for side, attribute in self._attributes.items()}
        return SourceFacts(Sides({"image": Image(), **classes}, together=(("image", *classes),)), splits)

    @property
    def _attributes(self) -> Mapping[str, Attribute]:
        """The attribute of each side of classes."""
        if self.config.kind == "classes":
            return {"class": self.config.attribute}
        return {attribute: attribute for attribute in NAMES}

    def records(self, split: str) -> Iterator[Record]:
        told = self._told(split)
        for number in range(getattr(self.config, split)):
            key = f"{number:05d}"
            seed = derive(self.seed, "portrait", split, key)
            classes = portrait_classes(seed)
            origin = f"generated portrait {split}/{key}"
            yield Record(key, "image", origin, partial(named_portrait, seed, self.config.size))
            for side, attribute in self._attributes.items():
                if told[number]:
                    yield Record(key, side, origin, _constant(classes[attribute]))

    def _told(self, split: str) -> Array:
        """Which portraits of a split have their classes told: of `train` the first ones of a random order."""
        count = getattr(self.config, split)
        if split != "train":
            return np.ones(count, bool)
        order = np.random.default_rng(derive(self.seed, "labelled")).permutation(count)
        told: Array = order < max(1, round(self.config.labelled * count))
        return told


def _constant(value: int) -> Callable[[], int]:
    return lambda: value


def portrait_classes(seed: int) -> dict[Attribute, int]:
    """The class of each attribute of the portrait of a seed, as an index into `NAMES`."""
    rng = np.random.default_rng(derive(seed, "classes"))
    return {attribute: int(rng.integers(len(names))) for attribute, names in NAMES.items()}


def named_portrait(seed: int, size: int) -> Array:
    """The portrait of a seed, size x size x 3 uint8, as `portrait_classes` says."""
    names = {attribute: NAMES[attribute][index] for attribute, index in portrait_classes(seed).items()}
    rng = np.random.default_rng(derive(seed, "brightness"))
    shape = HATS[names["hat"]]
    looks = Looks(
        background=_shaded(BACKGROUNDS[names["background"]], rng),
        hair=_shaded(HAIR[names["hair"]], rng),
        lenses=GLASSES[names["glasses"]],
        shape=shape,
    )
    return make_portrait(seed, None if shape is None else seed, size, looks)


def _shaded(colour: Colour, rng: np.random.Generator) -> Colour:
    """The colour, up to a tenth brighter or darker."""
    factor: Any = rng.uniform(0.9, 1.1)
    red, green, blue = (float(min(1.0, part * factor)) for part in colour)
    return red, green, blue
