"""Images of a folder or an archive by key, and the ways in which two folders fail to match."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from translate.errors import DataError
from translate.imaging.files import contents
from translate.imaging.image import LIMITS
from translate.imaging.io import readable
from translate.storage.archives import archive_at, archive_file, files_below, folder_exists, folders_in
from translate.text import examples

SPLIT_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Names that people give to a split, and the one that a pipeline uses."""


@dataclass(frozen=True)
class Listing:
    """The images of a folder: `files` from key (relative path without suffix) to path, sorted by key; `others` the
    names of files that are no images."""

    folder: Path
    files: dict[str, Path]
    others: list[str] = field(default_factory=list)


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
    """The text of a file, on disk or in an archive. Errors: DataError, where it is not UTF-8 as well."""
    try:
        return contents(path, LIMITS).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text in UTF-8: {error}") from None


def list_images(folder: Path) -> Listing:
    """All images of a folder and its sub-folders, on disk or in an archive, by suffix; hidden files do not count.

    Errors: DataError where the folder is absent or holds no image, or where two files would have one key.
    """
    require_folder(folder)
    files: dict[str, Path] = {}
    twice: list[str] = []
    others: list[str] = []
    for path in files_below(folder):
        relative = path.relative_to(folder)
        key = relative.with_suffix("").as_posix()
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
        raise DataError(f"{folder}: no images; it holds {content}. Images end in {' '.join(readable())}")
    return Listing(folder, dict(sorted(files.items())), others)


def _nearby(folder: Path) -> str:
    """What there is instead, for the message about a folder that is absent."""
    parent = folder.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    there = [p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return f"; {parent.resolve()} holds {examples(there)}" if there else f"; {parent.resolve()} holds no folder"


def matched(a: Collection[str], b: Collection[str], where: Sequence[str], *, skip: bool) -> tuple[list[str], list[str]]:
    """The keys that both sides have, and those that only one has, which are an error unless `skip`.

    `where` names the two sides in messages. Errors: DataError.
    """
    alone = [sorted(set(one) - set(other)) for one, other in ((a, b), (b, a))]
    both = sorted(set(a) & set(b))
    partnerless = [
        f"{len(keys)} only in {name} ({examples(keys)})" for keys, name in zip(alone, where, strict=True) if keys
    ]
    if partnerless and not skip:
        raise DataError(
            f"images that have no partner of the same name: {'; '.join(partnerless)}; or set `unmatched: skip`"
        )
    if not both:
        raise DataError(f"no image of {where[0]} has the name of one of {where[1]}: {'; '.join(partnerless)}")
    return both, [*alone[0], *alone[1]]
