"""The layout of a folder of images: splits, sides, pairs, sizes; for `translate init`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from translate.data.sources.listing import SPLIT_NAMES, require_folder
from translate.data.sources.patterns import listed_by_pattern
from translate.errors import DataError
from translate.imaging.io import Header, probe, readable
from translate.storage.folders import is_own, is_passed_over, walk
from translate.storage.plain_text import same_names

PROBED = 100
"""So many images of a folder are looked at, spread evenly."""

_SPLIT_FIRST = re.compile(rf"({'|'.join(sorted(SPLIT_NAMES, key=len, reverse=True))})[-_ ]?(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Pile:
    """A folder of images: how many there are, and the headers of some."""

    path: Path
    files: Mapping[str, Path]

    @cached_property
    def headers(self) -> dict[str, Header]:
        """By key. Errors: DataError for an image that cannot be read."""
        keys = list(self.files)
        step = max(1, len(keys) // PROBED)
        return {key: probe(self.files[key]) for key in keys[::step]}

    @property
    def first(self) -> Path:
        """The first image."""
        return next(iter(self.files.values()))

    @property
    def smallest(self) -> tuple[int, int]:
        """The least height and the least width."""
        return min(h.height for h in self.headers.values()), min(h.width for h in self.headers.values())

    def side_by_side(self) -> bool:
        """Whether the images are two squares, or nearly so, in one file."""
        return all(h.width % 2 == 0 and 1.8 <= h.width / h.height <= 2.2 for h in self.headers.values())

    def __str__(self) -> str:
        sizes = {(h.width, h.height) for h in self.headers.values()}
        (w0, h0), (w1, h1) = min(sizes), max(sizes)
        size = f"{w0} x {h0}" if len(sizes) == 1 else f"{w0} x {h0} to {w1} x {h1}"
        kinds = {{1: "grey", 3: "colour"}.get(h.channels, f"{h.channels} bands") for h in self.headers.values()}
        deep = ", 16 bits" if any(h.bits == 16 for h in self.headers.values()) else ""
        return f"{self.path}: {len(self.files):,} images of {size} pixels, {' and '.join(sorted(kinds))}{deep}"


@dataclass(frozen=True)
class Layout:
    """The images of a folder: `splits` from split to side to pile. A folder without sides has the one side ``."""

    folder: Path
    splits: Mapping[str, Mapping[str, Pile]] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(self.splits["train"])

    def pile(self, side: str = "") -> Pile:
        """The training images of a side."""
        return self.splits["train"][side]

    def common(self, split: str) -> set[str]:
        """The names that both sides of a split have."""
        a, b = self.splits[split].values()
        partners, _ = same_names(a.files, b.files)
        return {*partners}

    def with_sides_by_names(self, patterns: Callable[[Collection[str]], tuple[str, str] | None]) -> Layout | None:
        """The images of one set as two, by the patterns of their names; None where these tell no sides apart."""
        if len(self.sides) != 1 or (found := patterns(self.pile(self.sides[0]).files)) is None:
            return None
        splits: dict[str, dict[str, Pile]] = {}
        for split, piles in self.splits.items():
            (pile,) = piles.values()
            places = pile.path / found[0], pile.path / found[1]
            splits[split] = {place.name.replace("*", ""): _pile(place, places) for place in places}
        return Layout(self.folder, splits)

    def with_names_of(self, patterns: Callable[[Collection[str], Collection[str]], tuple[str, str] | None]) -> Layout:
        """The layout with two sides whose names agree but for a beginning or an end."""
        a, b = self.splits["train"].values()
        if len(self.common("train")) >= max(len(a.files), len(b.files)) / 2:
            return self
        if (found := patterns(a.files, b.files)) is None:
            return self
        splits: dict[str, dict[str, Pile]] = {}
        for split, piles in self.splits.items():
            splits[split] = {
                side: pile if pattern == "*" else _pile(pile.path / pattern)
                for (side, pile), pattern in zip(piles.items(), found, strict=True)
            }
        return Layout(self.folder, splits)

    def scale(self, a: str, b: str) -> int:
        """How many times larger all images of side `b` are than their partners; 1 where that is no whole number."""
        small, large = (self.pile(side).headers for side in (a, b))
        partners, _ = same_names(small, large)
        scales = set()
        for key, other in partners.items():
            one, two = small[key], large[other]
            scale = two.width // one.width
            whole = (two.width, two.height) == (scale * one.width, scale * one.height)
            scales.add(scale if whole else 1)
        return scales.pop() if len(scales) == 1 else 1

    def unequal(self) -> str:
        """The first pair whose images differ in size, in words, or nothing."""
        a, b = self.splits["train"].values()
        partners, _ = same_names(a.headers, b.headers)
        for key in sorted(partners):
            one, two = a.headers[key], b.headers[partners[key]]
            if (one.width, one.height) != (two.width, two.height):
                return f"{key} is {one.width} x {one.height} in {a.path}, {two.width} x {two.height} in {b.path}"
        return ""

    def __str__(self) -> str:
        if self.sides == ("",):
            parts = "images" if set(self.splits) == {"train"} else f"images in {' and '.join(self.splits)}"
            return f"one set of {parts}"
        return f"{len(self.sides)} sets of images, {' and '.join(self.sides)}"


def look(folder: Path) -> Layout:
    """Finds out how the images of a folder are laid out.

    `trainA`, `trainB`; `train/A`, `train/B`; `A/train`, `B/train`; `A`, `B`; `train`, `val`; or images directly. Sides
    and splits may have other names. Errors: DataError where there are no images, or no training images.
    """
    require_folder(folder)
    there = _folders_of_images(folder)
    if not there:
        return Layout(folder, {"train": {"": _pile(folder)}})
    folders = _splits_first(there) or _sides_first(there)
    if "train" not in folders:
        raise DataError(f"{folder}: there are {', '.join(there)}, and no images for training (`train`)")
    sides = folders["train"]
    splits = {}
    for split, paths in folders.items():
        if paths.keys() != sides.keys():
            raise DataError(f"{folder}: {split} holds {_named(paths)}, and train holds {_named(sides)}")
        splits[split] = {side: _pile(path) for side, path in paths.items()}
    return Layout(folder, splits)


def _splits_first(there: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """`train`, `train/A`, `trainA`: the split comes first. Empty where a folder is called otherwise."""
    folders: dict[str, dict[str, Path]] = {}
    for name, path in there.items():
        match = _SPLIT_FIRST.fullmatch(name)
        if not match:
            return {}
        split, side = SPLIT_NAMES[match[1].lower()], match[2]
        inner = _folders_of_images(path)
        # `train` alone holds the sides as folders; `trainA` is one side, whatever folders it has.
        below = inner if inner and not side else {side: path}
        folders.setdefault(split, {}).update(below)
    return _in_order(folders)


def _sides_first(there: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """`A`, `A/train`: the side comes first."""
    folders: dict[str, dict[str, Path]] = {}
    for side, path in there.items():
        inner = _folders_of_images(path)
        splits = {"train": path}  # a side without folders of splits is all for training
        if inner and all(name.lower() in SPLIT_NAMES for name in inner):
            splits = {SPLIT_NAMES[name.lower()]: below for name, below in inner.items()}
        for split, below in splits.items():
            folders.setdefault(split, {})[side] = below
    return _in_order(folders)


def _in_order(folders: Mapping[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    return {split: folders[split] for split in ("train", "val", "test") if split in folders}


def _folders_of_images(path: Path) -> dict[str, Path]:
    """The folders right below a path that hold images, by name."""
    return {each.name: each for each in sorted(path.iterdir()) if _holds_images(each)}


def _holds_images(path: Path) -> bool:
    if not path.is_dir() or is_passed_over(path.name) or is_own(path):
        return False
    return any(each.suffix.lower() in readable() for each in walk(path))


def _pile(path: Path, others: tuple[Path, ...] = ()) -> Pile:
    return Pile(path, listed_by_pattern(path, others).files)


def _named(of: Iterable[str]) -> str:
    return " and ".join(name or "images" for name in of)
