"""Sides: what data and methods consist of, by name and type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, get_args

from translate.errors import ContractError
from translate.text import suggest

DataKind = Literal["paired", "unpaired", "single", "labelled", "attribute"]
"""Names of usual declarations of sides: see `NAMED`."""

DType = Literal["uint8", "uint16", "float32"]
"""The types of values that images of prepared data have."""

Range = tuple[tuple[float, float], ...]
"""The (low, high) that become -1 and 1: one for all bands, or one for each."""

FULL: Mapping[str, Range] = MappingProxyType(
    {"uint8": ((0.0, 255.0),), "uint16": ((0.0, 65535.0),), "float32": ((0.0, 1.0),)}
)
"""The range of each type of values where nothing else is said."""

IGNORE = 255
"""The value of a pixel in a label map that belongs to no class: no loss and no score counts it."""

MISSING = -1
"""The class of an image that has none, in data of which only some are labelled."""


@dataclass(frozen=True)
class Image:
    """An image of a fixed or any number of bands.

    In prepared data all is said: the number of `channels`, the `dtype`, and the `range` of values that become -1 and 1.
    In a declaration None stands for any. In a batch: float32 N x C x H x W in [-1, 1].
    """

    channels: int | None = None
    dtype: DType | None = None
    range: Range | None = None
    reduced: int | None = None
    """How many times smaller height and width are than those of the images that it belongs with; None: as large."""
    type: ClassVar[str] = "image"
    """The word for it in JSON."""
    optional: ClassVar[bool] = False
    """Never: every record has it."""

    @property
    def has_full_range(self) -> bool:
        """Whether -1 and 1 are the smallest and the largest value of the type."""
        return self.range in (None, FULL[self.dtype or "uint8"])


@dataclass(frozen=True)
class Labels:
    """A map of classes, with their names and the colours (RGB, 0 to 255) that show them.

    In a batch: long N x H x W, where `IGNORE` stands for no class.
    """

    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of their indices."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """The colour of each class."""
    optional: bool = False
    """True: some images may have none."""
    type: ClassVar[str] = "labels"
    """The word for it in JSON."""


@dataclass(frozen=True)
class Class:
    """One class of several for a whole image, with the names of all. In a batch: long N, `MISSING` where none is
    known."""

    names: tuple[str, ...] = ()
    """Names of the classes, in the order of their indices."""
    optional: bool = False
    """True: some images may have none."""
    type: ClassVar[str] = "class"
    """The word for it in JSON."""


@dataclass(frozen=True)
class Vector:
    """`size` numbers for an image. In a batch: float32 N x size, not a number (nan) where they are not known."""

    size: int | None = None
    names: tuple[str, ...] = ()
    """A name for each number; empty where they have none."""
    optional: bool = False
    """True: some images may have none."""
    type: ClassVar[str] = "vector"
    """The word for it in JSON."""


@dataclass(frozen=True)
class Frames:
    """`count` images of one key in order, all of one size and format. In a batch: float32 N x count x C x H x W."""

    count: int
    channels: int | None = None
    """Bands of each image; None: any number."""
    dtype: DType | None = None
    """The type of values in files; None: any."""
    range: Range | None = None
    """(low, high) of each band, as in `Image`."""
    type: ClassVar[str] = "frames"
    """The word for it in JSON."""
    optional: ClassVar[bool] = False
    """Never: every record has it."""

    @property
    def each(self) -> Image:
        """The type of one frame."""
        return Image(self.channels, self.dtype, self.range)


Side = Image | Labels | Class | Vector | Frames
"""The type of one side."""

TYPES: Mapping[str, type[Side]] = MappingProxyType({each.type: each for each in get_args(Side)})
"""The types of sides by the word that files use."""


@dataclass(frozen=True)
class Sides(Mapping[str, Side]):
    """The sides of a method, of a source, or of prepared data: their types by name, in the order of a batch.

    `together` are groups of sides that show the same thing under the same key: they are drawn together and get the same
    geometry. A side of no group is drawn by itself.

        Sides({"image": Image(), "domain": Class()}, together=[("image", "domain")])

    Errors: ContractError for a group of sides that are not there, or that share one.
    """

    types: Mapping[str, Side]
    """The type of each side by name."""
    together: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", dict(self.types))  # a copy that can be pickled
        object.__setattr__(self, "together", tuple(tuple(group) for group in self.together))
        grouped = [name for group in self.together for name in group]
        if not self.types:
            raise ContractError("a declaration of sides is empty; name at least one")
        if wrong := [name for name in grouped if name not in self.types]:
            raise ContractError(f"`together` names {wrong[0]!r}, which is no side{suggest(wrong[0], self.types)}")
        if len(set(grouped)) != len(grouped):
            raise ContractError(f"a side stands twice in `together`: {', '.join(grouped)}")
        for name, side in self.types.items():
            if not isinstance(side, get_args(Side)):
                raise ContractError(
                    f"side {name!r} is {side!r}; use one of translate.Image, Labels, Class, Vector, Frames"
                )

    def __getitem__(self, name: str) -> Side:
        return self.types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)

    def __hash__(self) -> int:
        return hash((tuple(self.types.items()), self.together))

    @classmethod
    def of(cls, value: DataKind | str | Sides | Mapping[str, Any]) -> Sides:
        """A declaration from a name (`paired`), from what `to_json` wrote, or as it is.

        Errors: ContractError for an unknown name or type.
        """
        if isinstance(value, Sides):
            return value
        if isinstance(value, str):
            if value not in NAMED:
                there = suggest(value, NAMED) or f"; there are {', '.join(NAMED)}"
                raise ContractError(f"there is no kind of data {value!r}{there}")
            return NAMED[value]
        written: Any = value
        types = {name: side_from_json(entry) for name, entry in written["sides"].items()}
        return cls(types, tuple(tuple(group) for group in written.get("together", ())))

    def to_json(self) -> str | dict[str, Any]:
        """The name of a usual declaration that says nothing more, else `sides` and `together` as JSON."""
        for name, declaration in NAMED.items():
            if self == declaration:
                return name
        return {
            "sides": {name: side_to_json(side) for name, side in self.types.items()},
            "together": [list(group) for group in self.together],
        }

    @property
    def kind(self) -> str | None:
        """The name of the usual declaration that has these sides, of these types, joined like this; None without
        one."""
        shape = [(name, side.type) for name, side in self.types.items()]
        for kind, declaration in NAMED.items():
            same = shape == [(name, side.type) for name, side in declaration.types.items()]
            if same and self.together == declaration.together:
                return kind
        return None

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """All sides in their order, as groups that are drawn together; most have one member."""
        groups: list[tuple[str, ...]] = []
        for name in self.types:
            group = self.group_of(name)
            if group not in groups:
                groups.append(group)
        return groups

    def group_of(self, name: str) -> tuple[str, ...]:
        """The sides that belong together with this one, itself among them, in their order."""
        for group in self.together:
            if name in group:
                return tuple(side for side in self.types if side in group)
        return (name,)

    def images(self) -> tuple[str, ...]:
        """The sides that are images."""
        return tuple(name for name, side in self.types.items() if isinstance(side, Image))

    def only(self, names: Collection[str]) -> Sides:
        """The part with these sides alone."""
        groups = [tuple(side for side in group if side in names) for group in self.together]
        types = {name: side for name, side in self.types.items() if name in names}
        return Sides(types, tuple(group for group in groups if len(group) > 1))

    def filled(self, **types: Side) -> Self:
        """The same declaration with other types for some sides."""
        return replace(self, types={**self.types, **types})

    def in_words(self) -> str:
        """The sides as a list for people: `paired data (input: image with target: image)`."""
        groups = []
        for group in self.groups:
            groups.append(" with ".join(f"{name}: {side_in_words(self.types[name])}" for name in group))
        return f"{self.kind or 'own'} data ({'; '.join(groups)})"

    def mismatch(self, data: Sides) -> str | None:
        """Why prepared data does not have what this declaration of a method asks for; None where it does."""
        for name, side in self.types.items():
            if name not in data:
                if side.optional:
                    continue
                return f"side {name!r} is missing{suggest(name, data)}"
            if why := side_mismatch(side, data[name]):
                return f"side {name!r} {why}"
        for group in self.together:
            present = [name for name in group if name in data]
            apart = [name for name in present if name not in data.group_of(present[0])]
            if apart:
                return f"sides {present[0]!r} and {apart[0]!r} do not belong together"
        return None


def side_mismatch(wanted: Side, have: Side) -> str | None:
    """Why a side of prepared data is none that a method takes; None where it is."""
    if wanted.type != have.type:
        return f"is {side_in_words(have)}, not {side_in_words(wanted)}"
    fixed = {key: value for key, value in asdict(wanted).items() if key in _FIXED and value is not None}
    for key, value in fixed.items():
        known = getattr(have, key)
        if known is not None and known != value:
            return f"has {known} {_FIXED[key]}, not {value}"
    if isinstance(have, Image) and isinstance(wanted, Image) and have.reduced != wanted.reduced:
        return f"is {side_in_words(have)}, not {side_in_words(wanted)}"
    if have.optional and not wanted.optional:
        return f"may be missing for some images, and every image needs its {have.type}"
    return None


_FIXED = {"channels": "channels", "dtype": "values", "size": "numbers", "count": "frames"}
"""What a method may ask of a side beyond its type, and what it is called."""


def side_in_words(side: Side) -> str:
    """A type for people: `image of 6 channels`, `class, optional`."""
    words = side.type if side.type != "class" else "class of an image"
    if isinstance(side, Image | Frames) and side.channels not in (None, 1, 3):
        words += f" of {side.channels} channels"
    if isinstance(side, Image) and side.reduced:
        words += f" {side.reduced} times smaller"
    if isinstance(side, Frames):
        words = f"{side.count} {words}"
    if isinstance(side, Vector) and side.size is not None:
        words += f" of {side.size}"
    return words + (", optional" if side.optional else "")


def side_to_json(side: Side) -> dict[str, Any]:
    """The type and what is said of it, as JSON."""
    said = {key: _as_lists(value) for key, value in asdict(side).items() if value not in (None, (), False)}
    return {"type": side.type, **said}


def side_from_json(value: Mapping[str, Any]) -> Side:
    """Reads what `side_to_json` wrote. Errors: ContractError for a type that does not exist, or a wrong entry."""
    entries = {key: _as_tuples(entry) for key, entry in value.items() if key != "type"}
    kind = str(value.get("type"))
    if kind not in TYPES:
        raise ContractError(f"there is no type of side {kind!r}; there are {', '.join(TYPES)}")
    try:
        return TYPES[kind](**entries)
    except TypeError as error:
        raise ContractError(f"a side of type {kind}: {error}") from None


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, tuple) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(each) for each in value) if isinstance(value, list) else value


def as_ranges(value: Iterable[Iterable[float]]) -> Range:
    """Pairs of (low, high) as `Image.range` has them."""
    return tuple((float(low), float(high)) for low, high in value)


NAMED: Mapping[str, Sides] = MappingProxyType(
    {
        "paired": Sides({"input": Image(), "target": Image()}, (("input", "target"),)),
        "unpaired": Sides({"a": Image(), "b": Image()}),
        "single": Sides({"image": Image()}),
        "labelled": Sides({"image": Image(), "label": Labels()}, (("image", "label"),)),
        "attribute": Sides({"with": Image(), "without": Image()}),
    }
)
"""Usual declarations by name. `paired`: input and target of the same key; `unpaired`: two sets; `single`: images from
which inputs are made; `labelled`: images with label maps; `attribute`: images with and without an attribute."""

SIDES: Mapping[str, tuple[str, ...]] = MappingProxyType({kind: tuple(sides) for kind, sides in NAMED.items()})
"""The keys of a batch, in order, by the name of a usual declaration."""
