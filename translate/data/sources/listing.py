"""Images of a folder by key, and the ways in which two folders fail to match."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from translate.errors import DataError
from translate.imaging.io import READABLE
from translate.text import examples


@dataclass(frozen=True)
class Listing:
    """The images of a folder: `files` from key (relative path without suffix) to path, sorted by key; `others` the
    names of files that are no images."""

    folder: Path
    files: dict[str, Path]
    others: list[str] = field(default_factory=list)


def require_folder(folder: Path) -> None:
    """Errors: DataError where there is no such folder; it says what there is instead."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder{_nearby(folder)}")


def list_images(folder: Path) -> Listing:
    """All images of a folder and its sub-folders, by suffix; hidden files are nobody's business.

    Errors: DataError where the folder is absent or holds no image, or where two files would have one key.
    """
    require_folder(folder)
    files: dict[str, Path] = {}
    twice: list[str] = []
    others: list[str] = []
    for path in _walk(folder):
        relative = path.relative_to(folder)
        key = relative.with_suffix("").as_posix()
        if path.suffix.lower() not in READABLE:
            others.append(relative.as_posix())
        elif key in files:
            twice.append(f"{files[key].name} and {path.name}")
        else:
            files[key] = path
    if twice:
        raise DataError(f"{folder}: {len(twice)} names stand for two images each ({examples(twice)}); keep one of each")
    if not files:
        content = f"only other files ({examples(others)})" if others else "nothing"
        raise DataError(f"{folder}: no images; it holds {content}. Images end in {' '.join(READABLE)}")
    return Listing(folder, dict(sorted(files.items())), others)


def _walk(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                yield Path(parent) / name


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
