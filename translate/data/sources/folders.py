"""Sources that read files: two folders, two folders paired by name, and files that hold both sides side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import NonNegativeInt, PositiveInt, model_validator

from translate.contracts import SIDES, Config, DataKind, Image, Record, Sides as DataSides, Source, SourceFacts
from translate.data.scenes.files import ImageFile
from translate.data.sources.listing import Listing, matched, on_disk, require_folder, require_folders
from translate.data.sources.patterns import listed_by_pattern, place_of
from translate.data.transforms import enlarged
from translate.errors import DataError
from translate.imaging.io import read_samples
from translate.storage.archives import folder_exists
from translate.storage.plain_text import on_disk_as
from translate.text import examples

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SPLITS = ("train", "val", "test")

Layout = Literal["split-side", "split/side"]
"""Where the images of a split and side lie under a root: `root/trainA` (as CycleGAN's datasets), or `root/train/A`."""


class Picking(Config):
    """Options of every source of files: which of them are read."""

    splits: tuple[str, ...] | None = None
    """Splits to read, such as `[train, test]`; `null` reads those that exist."""
    limit: dict[str, NonNegativeInt] = {}
    """Most images per side of a split, the first by name: `{train: 100}`. Splits without an entry have no limit."""


P = TypeVar("P", bound=Picking)


def with_names_on_disk(value: Any) -> Any:
    """Options whose paths are written as the disk has them: a Mac's folders take letters apart (NFD) that a file in
    YAML does not. Other values stay as they are."""
    if isinstance(value, Path):
        return on_disk_as(value)
    if isinstance(value, Config):
        return value.model_copy(update={name: with_names_on_disk(each) for name, each in value})
    if isinstance(value, dict):
        return {key: with_names_on_disk(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(with_names_on_disk, value))
    return value


class FileSource(Source[P]):
    """What sources of files share: which splits there are, limits, and notes on what was left out."""

    def __init__(self, config: P, seed: int = 0) -> None:
        super().__init__(with_names_on_disk(config), seed)
        self._notes: dict[str, None] = {}

    @abstractmethod
    def available(self) -> tuple[str, ...]:
        """The splits that lie on disk, in order. Errors: DataError."""

    def splits(self) -> tuple[str, ...]:
        """The splits to read. Errors: DataError where one that was asked for is absent, or there is no `train`."""
        there = self.available()
        wanted = self.config.splits if self.config.splits is not None else there
        if missing := [s for s in (*wanted, *self.config.limit) if s not in there]:
            raise DataError(f"{self.place()}: no split {missing[0]!r}; there are {', '.join(there) or 'none'}")
        return tuple(split for split in there if split in wanted)

    @abstractmethod
    def place(self) -> str:
        """What messages call this source."""

    def notes(self) -> Iterable[str]:
        return list(self._notes)

    def _pick(self, split: str, keys: Iterable[str], part: str = "") -> list[str]:
        """The keys to read, sorted; `part` is what a note calls them where they are but a part of the split."""
        ordered = sorted(keys)
        limit = self.config.limit.get(split, len(ordered))
        if limit < len(ordered):
            self._note(f"{part or split}: the first {limit:,} of {len(ordered):,} images by name (limit)")
        return ordered[:limit]

    def _listed(self, folder: Path, others: tuple[Path, ...] = ()) -> Listing:
        """The images of a folder, or of a pattern of names; `others` are the places of the other sides."""
        listing = listed_by_pattern(folder, others)
        if listing.others:
            self._note(f"{folder}: {len(listing.others):,} files are no images: {examples(listing.others)}")
        self._note_passed_over(folder, listing.passed_over)
        return listing

    def _note_passed_over(self, folder: Path, names: Sequence[str]) -> None:
        if names:
            which = "hidden, left by a system, or lead back"
            self._note(f"{folder}: {len(names):,} files and folders are passed over ({which}): {examples(names)}")

    def _note(self, text: str) -> None:
        self._notes[text] = None


def _file(key: str, side: str, path: Path) -> Record:
    return Record(key, side, str(path), ImageFile(path))


def _enlarged(key: str, side: str, path: Path, scale: int) -> Record:
    return Record(key, side, f"{path} (enlarged {scale} times)", lambda: enlarged(read_samples(path), scale))


class Sides(Config):
    """A folder per side."""

    a: Path
    """Folder of side a, or a pattern of names in it: `photos/*_A`."""
    b: Path
    """Folder of side b, or a pattern of names in it: `photos/*_B`."""


class TwoFoldersConfig(Picking):
    """Two folders: either a `root` with a `layout`, or the training folders `a` and `b`."""

    root: Path | None = None
    """Folder of all splits and sides, which `layout` finds in it; `null` where `a` and `b` are given."""
    layout: Layout = "split-side"
    """Places of the images under `root`: `split-side` is `trainA` and `trainB` (as CycleGAN's datasets are laid out),
    `split/side` is `train/A` and `train/B`."""
    a: Path | None = None
    """Folder of the training images of side a, or a pattern of names in it, such as `photos/*_A`, whose `*` is the name
    of the pair; `null` where there is a `root`."""
    b: Path | None = None
    """Folder of the training images of side b, or a pattern, such as `photos/*_B`; `null` where there is a `root`."""
    val: Sides | None = None
    """Folders of the split `val`, beside `a` and `b`: `{a: PATH, b: PATH}`; `null` for none."""
    test: Sides | None = None
    """Folders of the split `test`, beside `a` and `b`: `{a: PATH, b: PATH}`; `null` for none."""

    @model_validator(mode="after")
    def _one_way(self) -> TwoFoldersConfig:
        if (self.root is None) == (self.a is None) or (self.a is None) != (self.b is None):
            raise ValueError("give either `root`, or the two training folders `a` and `b`")
        if self.root is not None and (self.val or self.test):
            raise ValueError("`val` and `test` go with `a` and `b`; under a `root` they are found by the `layout`")
        return self


F = TypeVar("F", bound=TwoFoldersConfig)


def existing(folders: Mapping[str, tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    """The splits of which at least one folder is there, and `train` in any case: its absence is an error later on."""
    there = {}
    for split, pair in folders.items():
        if split == "train" or folder_exists(pair[0]) or folder_exists(pair[1]):
            there[split] = pair
    return there


class _TwoFolders(FileSource[F]):
    kind: ClassVar[DataKind]

    def place(self) -> str:
        return str(self.config.root or self.config.a)

    def folders(self) -> Mapping[str, tuple[Path, Path]]:
        """The two folders of each split. Errors: DataError."""
        c = self.config
        if c.a is not None and c.b is not None:
            further = {s: (f.a, f.b) for s, f in (("val", c.val), ("test", c.test)) if f is not None}
            return {"train": (c.a, c.b), **further}
        assert c.root is not None
        join = "" if c.layout == "split-side" else "/"
        return existing({s: (c.root / f"{s}{join}A", c.root / f"{s}{join}B") for s in SPLITS})

    def available(self) -> tuple[str, ...]:
        if self.config.root is not None:
            require_folder(self.config.root)
        require_folders(place_of(place)[0] for place in chain.from_iterable(self.folders().values()))
        return tuple(self.folders())

    def inputs(self) -> Iterable[Path]:
        places = chain.from_iterable(self.folders()[split] for split in self.splits())
        return on_disk(place_of(place)[0] for place in places)


class FoldersConfig(TwoFoldersConfig):
    """Options of `folders`."""

    pairs: tuple[str, ...] = ()
    """Splits in which equal names on both sides show the same thing, so that they can be scored in pairs: `[test]`."""


class Folders(_TwoFolders[FoldersConfig]):
    """Two folders of images that have nothing to do with each other, for unpaired methods."""

    name, kind = "folders", "unpaired"

    def facts(self) -> SourceFacts:
        splits = self.splits()
        return SourceFacts(self.kind, splits, frozenset(self.config.pairs) & frozenset(splits))

    def records(self, split: str) -> Iterator[Record]:
        places = self.folders()[split]
        a, b = (self._listed(place, places) for place in places)
        sides = [a.files, b.files]
        if split in self.config.pairs:
            matches = matched(a, b, skip=False)
            for note in matches.notes(split):
                self._note(note)
            sides = [{key: pair[side] for key, pair in matches.files.items()} for side in (0, 1)]
        for side, files in zip(SIDES[self.kind], sides, strict=True):
            for key in self._pick(split, files):
                yield _file(key, side, files[key])


class PairsConfig(TwoFoldersConfig):
    """Options of `pairs`."""

    unmatched: Literal["error", "skip"] = "error"
    """Treatment of an image without its partner: `error` stops and names it, `skip` leaves it out and reports it."""
    scale: PositiveInt = 1
    """How many times higher and wider the images of `b` are than those of `a`: real pairs of low and high resolution.
    Those of `a` are enlarged so often (bicubic), so that both have one size; images to convert are enlarged before."""
    enlarge: bool = True
    """Whether images of `a` are enlarged. With `false` they stay small, for methods that enlarge, and the sides are
    called `low` and `image`."""

    @model_validator(mode="after")
    def _something_to_keep(self) -> PairsConfig:
        if not self.enlarge and self.scale == 1:
            raise ValueError("`enlarge: false` goes with a `scale` above 1")
        return self


class Pairs(_TwoFolders[PairsConfig]):
    """Two folders whose images belong together by name (the suffix may differ); `a` is the input, `b` the target."""

    name, kind = "pairs", "paired"

    def facts(self) -> SourceFacts:
        splits = self.splits()
        return SourceFacts(self.data(), splits, frozenset(splits))

    def data(self) -> DataSides | DataKind:
        """Pairs, or images with what was taken of the same things at a low resolution."""
        if self.config.enlarge:
            return self.kind
        return DataSides({"image": Image(), "low": Image(reduced=self.config.scale)}, (("image", "low"),))

    def records(self, split: str) -> Iterator[Record]:
        places = self.folders()[split]
        matches = matched(*(self._listed(place, places) for place in places), skip=self.config.unmatched == "skip")
        for note in matches.notes(split):
            self._note(note)
        for key in self._pick(split, matches.files):
            (a, b), (low, high) = SIDES[self.kind], matches.files[key]
            if not self.config.enlarge:
                yield _file(key, "low", low)
                yield _file(key, "image", high)
                continue
            yield _file(key, a, low) if self.config.scale == 1 else _enlarged(key, a, low, self.config.scale)
            yield _file(key, b, high)


class SideBySideConfig(Picking):
    """Options of `side-by-side`."""

    root: Path
    """Folder with `train`, `val` and `test` (only `train` must exist), or with images, which are then `train`."""
    kind: Literal["paired", "unpaired"] = "paired"
    """Kind of data: `paired`, or `unpaired`, which forgets in training which halves belong together."""
    disjoint: bool = False
    """With `kind: unpaired`: whether each training file gives one half alone, by turns, so that no picture of side b
    belongs to one of side a."""

    @model_validator(mode="after")
    def _unpaired(self) -> SideBySideConfig:
        if self.disjoint and self.kind == "paired":
            raise ValueError("`disjoint` takes pairs apart: it goes with `kind: unpaired`")
        return self


class SideBySide(FileSource[SideBySideConfig]):
    """Files that hold two images of equal size: the left half is the input (side a), the right half the target (b)."""

    name = "side-by-side"

    def place(self) -> str:
        return str(self.config.root)

    def folder(self, split: str) -> Path:
        """Where a split lies."""
        root = self.config.root
        if not any(folder_exists(root / s) for s in SPLITS) and folder_exists(root):
            return root
        return root / split

    def available(self) -> tuple[str, ...]:
        require_folder(self.folder("train"))
        if self.folder("train") == self.config.root:
            return ("train",)
        return tuple(split for split in SPLITS if folder_exists(self.folder(split)))

    def facts(self) -> SourceFacts:
        splits = self.splits()
        apart = {"train"} if self.config.disjoint else set()
        return SourceFacts(self.config.kind, splits, frozenset(splits) - apart)

    def records(self, split: str) -> Iterator[Record]:
        files = self._listed(self.folder(split)).files
        halves = lru_cache(maxsize=8)(read_halves)
        apart = self.config.disjoint and split == "train"
        for number, key in enumerate(self._pick(split, files)):
            for half, side in enumerate(SIDES[self.config.kind]):
                if not apart or number % 2 == half:
                    yield _half(key, side, files[key], half, halves)

    def inputs(self) -> Iterable[Path]:
        return on_disk(self.folder(split) for split in self.splits())


def _half(key: str, side: str, path: Path, half: int, halves: Any) -> Record:
    return Record(key, side, f"{path} ({('left', 'right')[half]} half)", lambda: halves(path)[half])


def read_halves(path: Path) -> tuple[Array, Array]:
    """The left and the right half of an image, each H x W/2 x C. Errors: DataError for an odd width."""
    array = read_samples(path)
    width = array.shape[1]
    if width % 2:
        raise DataError(f"{path}: an odd width of {width} pixels cannot hold two images side by side")
    return array[:, : width // 2], array[:, width // 2 :]
