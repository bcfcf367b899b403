"""A source of images with label maps: a folder of each per split, joined by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from translate.contracts import IGNORE, SIDES, Config, Record, SourceFacts
from translate.data.label_maps.options import LabelOptions, check_codes
from translate.data.scenes.files import ImageFile, LabelFile
from translate.data.sources.folders import SPLITS, FileSource, Picking, existing
from translate.data.sources.listing import matched, on_disk, read_text, require_folder, require_folders
from translate.data.sources.patterns import place_of
from translate.errors import DataError
from translate.imaging.palette import default_palette

_LINE = re.compile(r"(?:(?P<index>\d+)[\s,:]+)?(?P<name>\S.*)")


class LabelFolders(Config):
    """A folder of images and one of label maps."""

    images: Path
    """Folder of the images, or a pattern of names in it: `scans/*`."""
    labels: Path
    """Folder of the label maps, under the names of their images, or a pattern: `scans/*_mask`."""


class LabelledConfig(Picking, LabelOptions):
    """Options of `labelled`: either a `root`, or the training folders `images` and `labels`."""

    root: Path | None = None
    """Folder with `train` and `trainannot`, `val` and `valannot`, `test` and `testannot`; `null` where `images` and
    `labels` are given."""
    images: Path | None = None
    """Folder of the training images, or a pattern of names in it, such as `scans/*`; `null` where there is a `root`."""
    labels: Path | None = None
    """Folder of the training label maps, or a pattern, such as `scans/*_mask`; `null` where there is a `root`."""
    val: LabelFolders | None = None
    """Folders of the split `val`, beside `images` and `labels`: `{images: PATH, labels: PATH}`; `null` for none."""
    test: LabelFolders | None = None
    """Folders of the split `test`, beside `images` and `labels`: `{images: PATH, labels: PATH}`; `null` for none."""
    classes: tuple[str, ...] | Path
    """Names of the classes in the order of their index, `[sky, road, tree]`, or a file with a name per line, which its
    index may precede."""
    unmatched: Literal["error", "skip"] = "error"
    """Treatment of an image without a label map, or the reverse: `error` stops and names it, `skip` leaves it out and
    reports it."""

    @model_validator(mode="after")
    def _one_way(self) -> LabelledConfig:
        if (self.root is None) == (self.images is None) or (self.images is None) != (self.labels is None):
            raise ValueError("give either `root`, or the two training folders `images` and `labels`")
        if self.root is not None and (self.val or self.test):
            raise ValueError("`val` and `test` go with `images` and `labels`; under a `root` they are found by name")
        return self


class Labelled(FileSource[LabelledConfig]):
    """Images and their label maps, grey or palette images whose values are class indices, or what `values`, `palette`
    and `alpha` say.

    Pixels of `ignore` become 255. A class of that index keeps its place in the list of classes, unless it is the last
    one.
    """

    name = "labelled"

    def place(self) -> str:
        return str(self.config.root or self.config.images)

    def folders(self) -> Mapping[str, tuple[Path, Path]]:
        """The folders of images and of label maps by split."""
        c = self.config
        if c.images is not None and c.labels is not None:
            further = {s: (f.images, f.labels) for s, f in (("val", c.val), ("test", c.test)) if f is not None}
            return {"train": (c.images, c.labels), **further}
        assert c.root is not None
        return existing({s: (c.root / s, c.root / f"{s}annot") for s in SPLITS})

    def available(self) -> tuple[str, ...]:
        if self.config.root is not None:
            require_folder(self.config.root)
        folders = [place_of(place)[0] for place in chain.from_iterable(self.folders().values())]
        try:
            require_folders(folders)
        except DataError as missing:  # the classes do not depend on the folders: their mistake is told beside them
            try:
                self._check_classes()
            except DataError as error:
                raise DataError(f"{missing}\n{error}") from None
            raise
        return tuple(self.folders())

    def _check_classes(self) -> None:
        """Errors: DataError where colours or values are not as many as the classes."""
        colours = self.config.palette
        if colours and len(colours) < len(self.classes):
            raise DataError(f"{self.place()}: {len(colours)} colours in `palette` for {len(self.classes)} classes")
        check_codes(self.config, len(self.classes), self.place())

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes by index, without one that only names `ignore`. Errors: DataError."""
        listed = self.config.classes
        names = read_classes(listed) if isinstance(listed, Path) else listed
        names = names[:-1] if self.config.ignore == len(names) - 1 else names
        if not 2 <= len(names) <= IGNORE:
            raise DataError(f"{self.place()}: {len(names)} classes; label maps tell 2 to {IGNORE} apart")
        if len(set(names)) < len(names):
            raise DataError(f"{self.place()}: two classes of one name: {next(n for n in names if names.count(n) > 1)}")
        return names

    def facts(self) -> SourceFacts:
        splits = self.splits()
        self._check_classes()
        palette = (self.config.palette or default_palette(len(self.classes)))[: len(self.classes)]
        return SourceFacts("labelled", splits, frozenset(splits), self.classes, palette)

    def records(self, split: str) -> Iterator[Record]:
        places = self.folders()[split]
        matches = matched(*(self._listed(place, places) for place in places), skip=self.config.unmatched == "skip")
        for note in matches.notes(split):
            self._note(note)
        for key in self._pick(split, matches.files):
            for side, path in zip(SIDES["labelled"], matches.files[key], strict=True):
                yield self._record(key, side, path)

    def _record(self, key: str, side: str, path: Path) -> Record:
        if side == "label":
            return Record(key, side, str(path), LabelFile(path, self.config, len(self.classes)))
        return Record(key, side, str(path), ImageFile(path))

    def inputs(self) -> Iterable[Path]:
        listed = self.config.classes
        places = chain.from_iterable(self.folders()[split] for split in self.splits())
        folders = [place_of(place)[0] for place in places]
        return on_disk([*folders, *([listed] if isinstance(listed, Path) else [])])


def read_classes(path: Path) -> tuple[str, ...]:
    """The class names of a file, one per line (`3 Road`, or `Road` as the fourth). Errors: DataError, with the line."""
    lines = [(number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), 1)]
    names: list[str] = []
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        assert match
        if match["index"] is not None and int(match["index"]) != len(names):
            raise DataError(f"{path}:{number}: class {match['index']} stands where {len(names)} is due; list them all")
        names.append(match["name"].strip())
    return tuple(names)
