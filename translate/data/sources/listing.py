"""Images of a folder or an archive by key, and the ways in which two folders fail to match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from translate.errors import DataError
from translate.imaging.files import contents
from translate.imaging.image import LIMITS
from translate.imaging.io import readable
from translate.storage.archives import archive_at, archive_file, files_below, folder_exists, folders_in
from translate.storage.plain_text import composed, same_names, text_of
from translate.text import examples

SPLIT_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Names that people give to a split, and the one that a pipeline uses."""


@dataclass(frozen=True)
class Listing:
    """The images of a folder: `files` from key (relative path without suffix, its letters composed) to path, sorted by
    key; `others` the names of files that are no images; `passed_over` those that are hidden or that a system left."""

    folder: Path
    files: dict[str, Path]
    others: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def require_folder(folder: Path) -> None:
    """Errors: DataError where there is no such folder, on disk or in an archive; it says what there is instead."""
    if folder_exists(folder):
        return
    if place := archive_at(folder):
        archive, inside = place
        there = examples(folders_in(archive.path))
        content = f"it holds {there}" if there else "its files lie in none"
        raise DataError(f"{archive.path}: no folder {inside!r} in this archive; {content}")
    raise DataError(f"{folder}: no such folder{_nearby(folder)}")


def require_folders(folders: Iterable[Path]) -> None:
    """Errors: DataError with a line for each folder that is not there."""
    missing = []
    for folder in dict.fromkeys(folders):
        try:
            require_folder(folder)
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))


def on_disk(paths: Iterable[Path]) -> list[Path]:
    """The paths, each once, with the archive itself in place of a path that leads into one."""
    return list(dict.fromkeys(archive_file(path) or path for path in paths))


def read_text(path: Path) -> str:
    """The text of a file, on disk or in an archive, with its letters composed.

    Errors: DataError, where it is neither UTF-8 nor UTF-16 as well.
    """
    try:
        return composed(text_of(contents(path, LIMITS)))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text in UTF-8: {error}") from None


def list_images(folder: Path) -> Listing:
    """All images of a folder and its sub-folders, on disk or in an archive, by suffix.

    Links to folders are followed; hidden files and what systems leave behind are passed over.

    Errors: DataError where the folder is absent or holds no image, or where two files would have one key.
    """
    require_folder(folder)
    files: dict[str, Path] = {}
    twice: list[str] = []
    others: list[str] = []
    passed_over: list[str] = []
    for path in files_below(folder, passed_over):
        relative = path.relative_to(folder)
        key = composed(relative.with_suffix("").as_posix())
        if path.suffix.lower() not in readable():
            others.append(relative.as_posix())
        elif key in files:
            twice.append(f"{files[key].name} and {path.name}")
        else:
            files[key] = path
    if twice:
        raise DataError(f"{folder}: {len(twice)} names stand for two images each ({examples(twice)}); keep one of each")
    if not files:
        content = f"only other files ({examples(others)})" if others else "nothing"
        content += f", and what is passed over ({examples(passed_over)})" if passed_over else ""
        raise DataError(f"{folder}: no images; it holds {content}. Images end in {' '.join(readable())}")
    return Listing(folder, dict(sorted(files.items())), others, passed_over)


def _nearby(folder: Path) -> str:
    """What there is instead, for the message about a folder that is absent."""
    parent = folder.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    there = [p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return f"; {parent.resolve()} holds {examples(there)}" if there else f"; {parent.resolve()} holds no folder"


@dataclass(frozen=True)
class Matches:
    """The images of two folders that belong together by name: `files` from key to both; the keys `alone`.

    `by_case` are those whose names differ in upper and lower case; the key is that of the first folder.
    """

    files: dict[str, tuple[Path, Path]]
    alone: list[str]
    by_case: list[str]

    def notes(self, split: str) -> Iterator[str]:
        """What is to be said about them."""
        if self.alone:
            yield f"{split}: {len(self.alone):,} images without a partner were left out: {examples(self.alone)}"
        if self.by_case:
            count = len(self.by_case)
            yield f"{split}: {count:,} pairs differ in upper and lower case of their names: {examples(self.by_case)}"


def matched(a: Listing, b: Listing, *, skip: bool) -> Matches:
    """The pairs of two folders, and the images without a partner, which are an error unless `skip`.

    Where no name is quite the same, upper and lower case do not count. Errors: DataError.
    """
    others, by_case = same_names(a.files, b.files)
    files = {key: (path, b.files[others[key]]) for key, path in a.files.items() if key in others}
    partners = set(others.values())
    alone = [[key for key in a.files if key not in others], [key for key in b.files if key not in partners]]
    partnerless = []
    for keys, listing in zip(alone, (a, b), strict=True):
        if keys:
            partnerless.append(f"{len(keys)} only in {listing.folder} ({examples(keys)})")
    if partnerless and not skip:
        raise DataError(
            f"images that have no partner of the same name: {'; '.join(partnerless)}; or set `unmatched: skip`"
        )
    if not files:
        raise DataError(f"no image of {a.folder} has the name of one of {b.folder}: {'; '.join(partnerless)}")
    return Matches(files, [*alone[0], *alone[1]], by_case)
