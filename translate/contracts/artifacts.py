"""Facts of artifacts: what a stage promises before it runs, and what the manifest of its result records.

On disk, and between stages of any kind, facts are a mapping that JSON can hold. The four built-in kinds of artifact
have a frozen class here, which reads such a mapping once (`from_json`) and gives its entries names and types. A stage
that makes a kind of its own returns a plain mapping, and whoever needs that kind reads it as such.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from translate.contracts.data import DataSpec
from translate.contracts.route import Route
from translate.contracts.sides import FULL, Class, Frames, Image, Labels, Side, Sides, side_from_json, side_to_json
from translate.errors import ContractError


@dataclass(frozen=True)
class Artifact:
    """The result of a finished stage: its `kind`, the folder `path`, and the `facts` that its manifest records.

    `facts` is a mapping for every kind. Those of a built-in kind are best read with its class:
    `DatasetFacts.from_json(context.inputs["data"].facts).splits`. `hash` covers the files and the facts.
    """

    kind: str
    path: Path
    facts: Mapping[str, Any]
    hash: str = ""


@dataclass(frozen=True)
class Facts(ABC):
    """The facts of one kind of artifact; `artifact` is the word for it in `Stage.produces` and `Need`."""

    artifact: ClassVar[str]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads a promise, or the `facts` of a manifest; keys that it does not know are left out.

        Errors: ContractError naming a key that every artifact of this kind has to have.
        """
        try:
            return cls._read(value)
        except KeyError as error:
            entries = ", ".join(value) or "none"
            raise ContractError(f"the facts of a {cls.artifact} lack {error}; there are {entries}") from None

    @classmethod
    def of(cls, parents: Mapping[str, Mapping[str, Any]], need: str) -> Self | None:
        """The facts behind one need in `Stage.check` and its kin; None where it is left out or promises nothing."""
        value = parents.get(need)
        return cls.from_json(value) if value else None

    @classmethod
    @abstractmethod
    def _read(cls, value: Mapping[str, Any]) -> Self: ...

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The mapping that a manifest records, with its keys in the order in which they are written."""


@dataclass(frozen=True)
class DatasetFacts(Facts):
    """A prepared dataset, made by `preprocess`.

    Known before it runs: the sides of its `data`, given as `Sides` or by the name of a usual declaration, its
    `splits`, those splits whose sides show the same thing under the same key (`pairs`), the names of label `classes`
    and the `palette` that shows them (RGB, 0 to 255), and the `direction` of paired data. Known once the images are
    written: `types` of sides that are more than 8 or 16 bits of grey or colour, `channels` by side, `counts` of
    images by split and side, the `size` (height, width) that all images share, or None, and the `bits` per channel
    (8 or 16; 0 until then). `handling` is what was stated of white and colours, which the model takes over,
    and `names` is what the sides a and b of the source show, such as `{a: map, b: photo}`.
    """

    artifact: ClassVar[str] = "dataset"
    data: Sides
    splits: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    direction: str = "a_to_b"
    types: Mapping[str, Side] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    bits: int = 0
    handling: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Sides.of(self.data))

    @property
    def kind(self) -> str | None:
        """The name of the usual declaration that the sides match, such as `paired`; None without one."""
        return self.data.kind

    @property
    def sides(self) -> Sides:
        """The sides with everything filled in that is known: channels, types and ranges of values, names of classes."""
        known = self.data.filled(**self.types)
        return known.filled(**{name: self._filled(name, side) for name, side in known.types.items()})

    def _filled(self, name: str, side: Side) -> Side:
        if isinstance(side, Labels) and not side.classes:
            return replace(side, classes=self.classes, palette=self.palette)
        if not isinstance(side, Image | Frames):
            return side
        dtype = side.dtype or ("uint16" if self.bits == 16 else "uint8")
        channels = side.channels or self.channels.get(name)
        return replace(side, channels=channels, dtype=dtype, range=side.range or FULL[dtype])

    @property
    def called(self) -> dict[str, str]:
        """The directions `a_to_b` and `b_to_a` of methods, and what they are called for this data, where that differs:
        pairs whose sides were swapped go from b to a, and sides with names are called by them."""
        first, second = self.names.get("a", "a"), self.names.get("b", "b")
        if self.direction == "b_to_a":
            first, second = second, first
        called = {"a_to_b": f"{first}_to_{second}", "b_to_a": f"{second}_to_{first}"}
        return {} if called["a_to_b"] == "a_to_b" else called

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Self:
        size = value.get("size")
        return cls(
            data=Sides.of(value["data"] if "data" in value else value["kind"]),
            splits=tuple(value.get("splits", ())),
            pairs=tuple(value.get("pairs", ())),
            classes=tuple(value.get("classes", ())),
            palette=tuple((int(r), int(g), int(b)) for r, g, b in value.get("palette", ())),
            direction=value.get("direction", "a_to_b"),
            types={name: side_from_json(entry) for name, entry in value.get("types", {}).items()},
            channels=dict(value.get("channels", {})),
            counts={split: dict(sides) for split, sides in value.get("counts", {}).items()},
            size=(int(size[0]), int(size[1])) if size else None,
            bits=int(value.get("bits", 0)),
            handling=dict(value.get("handling", {})),
            names=dict(value.get("names", {})),
        )

    def to_json(self) -> dict[str, Any]:
        data = self.data.to_json()
        promised = {
            # a usual declaration stands under the name that manifests have always had
            **({"kind": data} if isinstance(data, str) else {"data": data}),
            "splits": list(self.splits),
            "pairs": list(self.pairs),
            "classes": list(self.classes),
            "palette": [list(colour) for colour in self.palette],
            "direction": self.direction,
            **({"handling": dict(self.handling)} if self.handling else {}),
            **({"names": dict(self.names)} if self.names else {}),
        }
        if not self.channels:
            return promised
        types = {name: side_to_json(side) for name, side in self.types.items()}
        return {
            **promised,
            **({"types": types} if types else {}),
            "channels": dict(self.channels),
            "counts": {split: dict(sides) for split, sides in self.counts.items()},
            "size": list(self.size) if self.size else None,
            "bits": self.bits,
        }

    def spec(self, size: tuple[int, int] | None = None) -> DataSpec:
        """The part that methods and metrics are told, for images of `size` (height, width); (0, 0) if unknown."""
        data = self.data.filled(**self.types)
        size = size or self.size or (0, 0)
        return DataSpec(data, dict(self.channels), size, self.classes, self.palette, self.called)


@dataclass(frozen=True)
class ModelFacts(Facts):
    """A trained model, made by `train`.

    `method` is its name in the pipeline, `data` the sides of the data that it translates, and `directions` are its
    uses by name, the first being the default.

    Where directions depend on the options of the method and on its data (`Method.directions_with`), `options` are these
    options as the pipeline has them, and `types` those sides of the data that are no images; None where nothing is
    known of the data yet. `options` is None for every other method. `training` are networks that no direction uses and
    that the model holds for further trainings, such as critics.
    """

    artifact: ClassVar[str] = "model"
    method: str
    data: Sides
    directions: Mapping[str, Route]
    options: Mapping[str, Any] | None = None
    types: Mapping[str, Side] | None = None
    training: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Sides.of(self.data))

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Self:
        directions = {name: Route.from_json(name, entry) for name, entry in value["directions"].items()}
        types = value.get("types")
        if types is not None:
            types = {name: side_from_json(entry) for name, entry in types.items()}
        return cls(
            value["method"],
            Sides.of(value["data"]),
            directions,
            value.get("options"),
            types,
            tuple(value.get("training", ())),
        )

    def to_json(self) -> dict[str, Any]:
        directions = {name: route.to_json() for name, route in self.directions.items()}
        facts: dict[str, Any] = {"method": self.method, "data": self.data.to_json(), "directions": directions}
        if self.training:
            facts["training"] = list(self.training)
        if self.options is None:
            return facts
        types = None if self.types is None else {name: side_to_json(side) for name, side in self.types.items()}
        return {**facts, "options": dict(self.options), "types": types}

    @property
    def open(self) -> bool:
        """Says whether there may be further directions, since data that they depend on is not there yet: nothing is
        known of it, or not the names of its classes."""
        if self.options is None or self.types is None:
            return self.options is not None
        return any(isinstance(side, Class) and not side.names for side in self.types.values())

    @property
    def spec(self) -> DataSpec | None:
        """The part of the data that directions may depend on, without channels and sizes; None where none is known."""
        if self.types is None:
            return None
        labels = next((side for side in self.types.values() if isinstance(side, Labels)), Labels())
        return DataSpec(self.data.filled(**self.types), {}, (0, 0), labels.classes, labels.palette)

    @property
    def nets(self) -> tuple[str, ...]:
        """The networks that its directions use, each named once, in their order."""
        names: dict[str, None] = {}
        for route in self.directions.values():
            names |= dict.fromkeys(route.nets)
        return tuple(names)


@dataclass(frozen=True)
class ImagesFacts(Facts):
    """Translated images, made by `infer`.

    `direction` made them out of side `source_side` of a `split`, and they imitate `target_side` (None: no side).
    `split` and `data`, the sides of the dataset, are None for the user's own images. `pairs`: each image has a
    reference of its own key on the target side. `via` names the directions that made the images which were
    translated, where that was another `infer` stage. `from_nothing`: the images, or those that were translated, were
    made without an input, so that none belongs to an image of the data. `count` of images is known once they are
    written.
    """

    artifact: ClassVar[str] = "images"
    direction: str
    split: str | None
    source_side: str
    target_side: str | None
    pairs: bool
    data: Sides | None
    via: tuple[str, ...] = ()
    from_nothing: bool = False
    count: int | None = None

    def __post_init__(self) -> None:
        if self.data is not None:
            object.__setattr__(self, "data", Sides.of(self.data))

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            direction=value.get("direction", ""),
            split=value["split"],
            source_side=value["source_side"],
            target_side=value.get("target_side"),
            pairs=bool(value.get("pairs")),
            data=Sides.of(value["data"]) if value.get("data") else None,
            via=tuple(value.get("via", ())),
            from_nothing=bool(value.get("from_nothing")),
            count=value.get("count"),
        )

    def to_json(self) -> dict[str, Any]:
        start = {"direction": self.direction, "split": self.split, "source_side": self.source_side}
        target = {"target_side": self.target_side, "pairs": self.pairs}
        # manifests have always had `data` earlier in images that came back; the order is kept so that bytes are equal
        data = {"data": self.data.to_json() if self.data else None}
        middle = {**data, **target, "via": list(self.via)} if self.via else {**target, **data}
        drawn = {"from_nothing": True} if self.from_nothing else {}
        return {**start, **middle, **drawn, **({} if self.count is None else {"count": self.count})}


@dataclass(frozen=True)
class ScoresFacts(Facts):
    """Scores, made by `evaluate`. They lie in `scores.json`; the manifest records nothing beyond that file."""

    artifact: ClassVar[str] = "scores"

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Self:
        return cls()

    def to_json(self) -> dict[str, Any]:
        return {}
