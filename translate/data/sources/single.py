"""The source of data that holds only targets: folders of images, from which a method derives its own inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from pydantic import field_validator, model_validator

from translate.contracts import SIDES, Record, SourceFacts
from translate.data.scenes.files import ImageFile
from translate.data.sources.folders import SPLITS, FileSource, Picking
from translate.data.sources.listing import on_disk, require_folder, require_folders
from translate.errors import DataError
from translate.storage.archives import folder_exists
from translate.storage.plain_text import fits
from translate.text import examples


class SingleConfig(Picking):
    """Options of `single`: a `root`, or `folders` of each split, or both."""

    root: Path | None = None
    """Folder with `train`, `val` and `test`, or with images, which are then `train`; with `folders`, the folder that
    these lie in, and splits that are not there are left out."""
    folders: dict[str, tuple[Path, ...]] = {}
    """Folders of each split, whatever its name: `{train: a, hard: [b, "c/*.png"]}`. The last part of a path may be a
    pattern, which selects files of the folder before it by name."""

    @field_validator("folders", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {split: list(of) if isinstance(of, list | tuple) else [of] for split, of in value.items()}

    @model_validator(mode="after")
    def _one_way(self) -> SingleConfig:
        if self.root is None and not self.folders:
            raise ValueError("give `root`, or `folders`: {train: PATH, ...}")
        if empty := [split for split, of in self.folders.items() if not of]:
            raise ValueError(f"split {empty[0]!r} has no folder")
        return self


class Single(FileSource[SingleConfig]):
    """Folders of images without counterparts: the targets, from which methods make their inputs (grey, small, masked).

    Images of a split that has several folders are named after their folder too: `Set5/img_001`.
    """

    name = "single"

    def place(self) -> str:
        return str(self.config.root or next(iter(self.config.folders.values()))[0])

    def places(self, split: str) -> tuple[Path, ...]:
        """The folders of a split, their patterns included."""
        root = self.config.root
        if self.config.folders:
            return tuple(root / place if root else place for place in self.config.folders[split])
        assert root is not None
        direct = not any(folder_exists(root / s) for s in SPLITS)
        return (root,) if direct and folder_exists(root) else (root / split,)

    def available(self) -> tuple[str, ...]:
        root = self.config.root
        if root is None:
            require_folders(_split(place)[0] for split in self.config.folders for place in self.places(split))
            return tuple(self.config.folders)
        require_folder(root)
        if self.places("train") == (root,):
            return ("train",)
        named = self.config.folders or SPLITS
        there = []
        for split in named:
            if all(folder_exists(_split(place)[0]) for place in self.places(split)):
                there.append(split)
        if not there:
            require_folder(_split(self.places("train" if "train" in named else next(iter(named)))[0])[0])
        return tuple(there)

    def facts(self) -> SourceFacts:
        splits = self.splits()
        return SourceFacts("single", splits, frozenset(splits))

    def records(self, split: str) -> Iterator[Record]:
        (side,) = SIDES["single"]
        files: dict[str, Path] = {}
        places = self.places(split)
        for place in places:
            folder, pattern = _split(place)
            prefix = f"{folder.name}/" if len(places) > 1 else ""
            matching = {key: path for key, path in self._listed(folder).files.items() if fits(path.name, pattern)}
            if not matching:
                raise DataError(f"{folder}: no image is called {pattern}")
            if twice := sorted(f"{prefix}{key}" for key in matching if f"{prefix}{key}" in files):
                raise DataError(
                    f"split {split!r}: two folders called {folder.name} hold the same names: {examples(twice)}"
                )
            files |= {f"{prefix}{key}": path for key, path in matching.items()}
        for key in self._pick(split, files):
            yield Record(key, side, str(files[key]), ImageFile(files[key]))

    def inputs(self) -> Iterable[Path]:
        return on_disk(_split(place)[0] for place in chain.from_iterable(map(self.places, self.splits())))


def _split(place: Path) -> tuple[Path, str]:
    """A folder and the pattern that its files have to match; a folder that is there is no pattern."""
    if not any(sign in place.name for sign in "*?[") or folder_exists(place):
        return place, "*"
    return place.parent, place.name
