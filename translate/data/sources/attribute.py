"""Sources of images with and without an attribute: two folders a split, or one folder and a list of attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from translate.contracts import SIDES, Config, DataKind, Record, SourceFacts
from translate.data.sources.folders import SPLITS, FileSource, P, Picking, existing
from translate.data.sources.listing import on_disk, read_text, require_folder, require_folders
from translate.errors import DataError
from translate.imaging.io import read_samples
from translate.imaging.pixels import match
from translate.storage.plain_text import composed, on_disk_as
from translate.text import suggest

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_KIND: DataKind = "attribute"


class Both(Config):
    """A folder of images with the attribute and one of images without."""

    with_: Path = Field(alias="with")
    """Folder of the images with the attribute."""
    without: Path
    """Folder of the images without it."""


class AttributeConfig(Picking):
    """Options of `attribute`: either a `root` with a `layout`, or the training folders `with` and `without`."""

    root: Path | None = None
    """Folder of all splits and sides, which `layout` finds in it; `null` where `with` and `without` are given."""
    layout: Literal["split_side", "split/side"] = "split_side"
    """Places of the images under `root`: `split_side` is `train_with` and `train_without`, `split/side` is `train/with`
    and `train/without`."""
    with_: Path | None = Field(default=None, alias="with")
    """Folder of the training images with the attribute; `null` where there is a `root`."""
    without: Path | None = None
    """Folder of the training images without the attribute; `null` where there is a `root`."""
    val: Both | None = None
    """Folders of the split `val`, beside `with` and `without`: `{with: PATH, without: PATH}`; `null` for none."""
    test: Both | None = None
    """Folders of the split `test`, beside `with` and `without`: `{with: PATH, without: PATH}`; `null` for none."""
    colour: bool = False
    """Whether grey images become RGB, where the sides mix both."""

    @model_validator(mode="after")
    def _one_way(self) -> AttributeConfig:
        if (self.root is None) == (self.with_ is None) or (self.with_ is None) != (self.without is None):
            raise ValueError("give either `root`, or the two training folders `with` and `without`")
        if self.root is not None and (self.val or self.test):
            raise ValueError("`val` and `test` go with `with` and `without`; under a `root` the `layout` finds them")
        return self


class _Attributes(FileSource[P]):
    """What both sources share: no pairs, and colour where it is asked for."""

    def facts(self) -> SourceFacts:
        return SourceFacts(_KIND, self.splits())

    def _record(self, key: str, side: str, path: Path, colour: bool = False) -> Record:
        return Record(key, side, str(path), lambda: _read(path, colour))


def _read(path: Path, colour: bool) -> Array:
    pixels = read_samples(path)
    return match(pixels, 3, 8) if colour and pixels.shape[2] == 1 else pixels


class Attribute(_Attributes[AttributeConfig]):
    """Two folders of images that differ in one attribute: with glasses and without, infected and healthy."""

    name = "attribute"

    def place(self) -> str:
        return str(self.config.root or self.config.with_)

    def folders(self) -> Mapping[str, tuple[Path, Path]]:
        """The folders with and without, by split."""
        c = self.config
        if c.with_ is not None and c.without is not None:
            further = {s: (f.with_, f.without) for s, f in (("val", c.val), ("test", c.test)) if f is not None}
            return {"train": (c.with_, c.without), **further}
        assert c.root is not None
        join = "_" if c.layout == "split_side" else "/"
        return existing({s: (c.root / f"{s}{join}with", c.root / f"{s}{join}without") for s in SPLITS})

    def available(self) -> tuple[str, ...]:
        require_folders(chain.from_iterable(self.folders().values()))
        return tuple(self.folders())

    def records(self, split: str) -> Iterator[Record]:
        for side, folder in zip(SIDES[_KIND], self.folders()[split], strict=True):
            files = self._listed(folder).files
            for key in self._pick(split, files):
                yield self._record(key, side, files[key], self.config.colour)

    def inputs(self) -> Iterable[Path]:
        return on_disk(chain.from_iterable(self.folders()[split] for split in self.splits()))


class AttributeListConfig(Picking):
    """Options of `attribute-list`. The names of files are CelebA's."""

    root: Path
    """Folder of the images and of both tables."""
    attribute: str
    """Column of the table `attributes` that tells the sides apart, such as `Eyeglasses`."""
    images: str = "img_align_celeba"
    """Folder of the images, in `root`."""
    attributes: str = "list_attr_celeba.txt"
    """Table in `root`: a line with the number of images, a line of names, then a line an image, with its file and 1 or
    -1 for each name."""
    partition: str = "list_eval_partition.txt"
    """Table in `root`: a line an image, with its file and 0 (`train`), 1 (`val`) or 2 (`test`)."""


class AttributeList(_Attributes[AttributeListConfig]):
    """One folder of images, and tables that say which of them have an attribute and which split they belong to."""

    name = "attribute-list"

    def place(self) -> str:
        return str(self.config.root)

    def available(self) -> tuple[str, ...]:
        require_folder(self.config.root / self.config.images)
        there = {int(row[1]) for row in self._partition}
        return tuple(split for number, split in enumerate(SPLITS) if number in there)

    def records(self, split: str) -> Iterator[Record]:
        wanted = str(SPLITS.index(split))
        members = {row[0] for row in self._partition if row[1] == wanted}
        for side, sign in zip(SIDES[_KIND], ("1", "-1"), strict=True):
            names = {Path(n).with_suffix("").as_posix(): n for n, value in self._signs.items() if value == sign}
            for key in self._pick(split, (key for key, n in names.items() if n in members)):
                yield self._record(key, side, on_disk_as(self.config.root / self.config.images / names[key]))

    def facts(self) -> SourceFacts:
        _ = self._signs  # an attribute that the table lacks is known before anything is read
        return super().facts()

    def inputs(self) -> Iterable[Path]:
        c = self.config
        return on_disk([c.root / c.images, c.root / c.attributes, c.root / c.partition])

    @cached_property
    def _signs(self) -> dict[str, str]:
        """File name to 1 or -1."""
        signs = read_attributes(self.config.root / self.config.attributes, (self.config.attribute,))
        return {file: values[0] for file, values in signs.items()}

    @cached_property
    def _partition(self) -> list[list[str]]:
        return read_partition(self.config.root / self.config.partition)


def read_attributes(path: Path, wanted: Sequence[str]) -> dict[str, list[str]]:
    """File name to the 1 or -1 of each wanted attribute. Errors: DataError, for an attribute that is absent as well."""
    lines = _rows(path)
    names, rows = lines[1] if len(lines) > 1 else [], lines[2:]
    wanted = [composed(name) for name in wanted]
    if absent := [name for name in wanted if name not in names]:
        hint = suggest(absent[0], names) or f"; there are {', '.join(names) or 'none'}"
        raise DataError(f"{path}: no attribute {absent[0]!r}{hint}")
    columns = [names.index(name) + 1 for name in wanted]
    signs = {row[0]: [row[column] for column in columns] for row in rows if len(row) == len(names) + 1}
    if not signs:
        raise DataError(f"{path}: no line has a file and {len(names)} values")
    return signs


def read_partition(path: Path) -> list[list[str]]:
    """Lines of a file name and the number of its split. Errors: DataError."""
    rows = [row for row in _rows(path) if row]
    if wrong := next((row for row in rows if len(row) != 2 or row[1] not in ("0", "1", "2")), None):
        raise DataError(f"{path}: `{' '.join(wrong)}` is no line of a file and 0, 1 or 2")
    return rows


def _rows(path: Path) -> list[list[str]]:
    return [line.split() for line in read_text(path).splitlines()]
