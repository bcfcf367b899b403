"""The source `domains`: images of several classes, a folder for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from pydantic import model_validator

from translate.contracts import Class, Image, Record, Sides, SourceFacts
from translate.data.scenes.files import ImageFile
from translate.data.sources.folders import FileSource, Picking
from translate.data.sources.listing import SPLIT_NAMES, on_disk, require_folder, require_folders
from translate.errors import DataError
from translate.storage.archives import folders_in
from translate.storage.plain_text import composed
from translate.text import examples, suggest

Folders = Mapping[str, Path]
"""The folder of each class, by name."""


class DomainsConfig(Picking):
    """Options of `domains`: either a `root`, or the training folders of all classes as `domains`. A `limit` counts the
    images of each class."""

    root: Path | None = None
    """Folder of a folder per class, or of `train`, `val` and `test` with a folder per class each; `null` where
    `domains` are given."""
    domains: dict[str, Path] = {}
    """Folders of the training images by class: `{blond: photos/blond, brown: photos/brown}`; empty where there is a
    `root`."""
    val: dict[str, Path] = {}
    """Folders of the split `val` by class, beside `domains`; empty for none."""
    test: dict[str, Path] = {}
    """Folders of the split `test` by class, beside `domains`; empty for none."""
    names: tuple[str, ...] = ()
    """Classes to read from a `root`, in the order of their index; empty: all, sorted."""
    sides: tuple[str, str] = ("image", "class")
    """Names of the two sides: the images, and the class of each."""

    @model_validator(mode="after")
    def _one_way(self) -> DomainsConfig:
        if (self.root is None) == (not self.domains):
            raise ValueError("give either `root`, or `domains`: {NAME: FOLDER, ...}")
        if self.root is not None and (self.val or self.test):
            raise ValueError("`val` and `test` go with `domains`; under a `root` they are found by name")
        if self.domains and self.names:
            raise ValueError("`names` goes with `root`; `domains` names its classes")
        for split, folders in (("val", self.val), ("test", self.test)):
            if odd := [name for name in folders if name not in self.domains]:
                raise ValueError(f"`{split}` has {odd[0]!r}, which is none of `domains`{suggest(odd[0], self.domains)}")
        if self.sides[0] == self.sides[1]:
            raise ValueError(f"both sides are called {self.sides[0]!r}")
        return self


class Domains(FileSource[DomainsConfig]):
    """Images of any number of classes, each in a folder of its own: hair colours, seasons, animals.

    An image is named after its class and file: `blond/0001`.
    """

    name = "domains"

    def place(self) -> str:
        return str(self.config.root or next(iter(self.config.domains.values())))

    @cached_property
    def folders(self) -> Mapping[str, Folders]:
        """The folders by split and class. Errors: DataError."""
        c = self.config
        if c.root is None:
            stated = {"train": c.domains, "val": c.val, "test": c.test}
            return {split: folders for split, folders in stated.items() if folders}
        require_folder(c.root)
        below = {SPLIT_NAMES[name.lower()]: name for name in folders_in(c.root) if name.lower() in SPLIT_NAMES}
        if not below:
            return {"train": self._classes(c.root, whole=True)}
        return {split: self._classes(c.root / name, whole=split == "train") for split, name in below.items()}

    def _classes(self, folder: Path, *, whole: bool) -> Folders:
        """The folders of the classes in a folder; `whole`: each class that was named has to be there."""
        there = {composed(name): folder / name for name in folders_in(folder)}
        wanted = [composed(name) for name in self.config.names]
        absent = [name for name in wanted if name not in there]
        if absent and whole:
            hint = suggest(absent[0], there) or f"; there are {examples(there) or 'none'}"
            raise DataError(f"{folder}: no folder for class {absent[0]!r}{hint}")
        named = [name for name in wanted if name in there]
        return {name: there[name] for name in named or there}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by index. Errors: DataError."""
        splits = list(self.folders)
        first = "train" if "train" in splits else splits[0]
        names = tuple(self.folders[first])
        if len(names) < 2:
            there = f"only {names[0]}" if names else "none"
            raise DataError(f"{self.place()}: {there} in {first!r}; two or more classes are due, each in its folder")
        for split, folders in self.folders.items():
            if odd := [name for name in folders if name not in names]:
                raise DataError(f"{folders[odd[0]]}: class {odd[0]!r} of {split!r} is none of {first!r}")
        return names

    def available(self) -> tuple[str, ...]:
        require_folders(folder for folders in self.folders.values() for folder in folders.values())
        return tuple(split for split in ("train", "val", "test") if split in self.folders)

    def facts(self) -> SourceFacts:
        image, domain = self.config.sides
        sides = Sides({image: Image(), domain: Class(self.classes)}, together=((image, domain),))
        return SourceFacts(sides, self.splits())

    def records(self, split: str) -> Iterator[Record]:
        image, domain = self.config.sides
        for name, folder in self.folders[split].items():
            files = self._listed(folder).files
            index = self.classes.index(name)
            for key in self._pick(split, files, f"{split}/{name}"):
                path = files[key]
                yield Record(f"{name}/{key}", image, str(path), ImageFile(path))
                yield Record(f"{name}/{key}", domain, str(path), lambda index=index: index)  # type: ignore[misc]

    def inputs(self) -> Iterable[Path]:
        return on_disk(folder for split in self.splits() for folder in self.folders[split].values())
