"""Images of a side by a pattern of names, such as `photos/*_A`: both images of a pair may lie in one folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from translate.data.sources.listing import Listing, list_images
from translate.errors import DataError
from translate.storage.archives import folder_exists


def place_of(path: Path) -> tuple[Path, str]:
    """The folder of a side, and the pattern of its names: the last part of a path with a `*`, unless a folder has that
    very name; else empty."""
    if "*" not in path.name or folder_exists(path):
        return path, ""
    return path.parent, path.name


def listed_by_pattern(path: Path, others: tuple[Path, ...] = ()) -> Listing:
    """The images of a side: of the folder `path`, or those whose names fit the pattern that is its last part.

    A pattern is compared with names with and without their suffix, and what its `*` stands for is the key, below the
    image's folder. Images that fit a longer pattern among `others`, of the same folder, belong to that one: `*` and
    `*_mask`. Errors: DataError as `list_images`, and where nothing fits, or two images have one key.
    """
    folder, pattern = place_of(path)
    listing = list_images(folder)
    if not pattern:
        return listing
    closer = [_expression(name) for place, name in map(place_of, others) if place == folder and _longer(name, pattern)]
    expression = _expression(pattern)
    files: dict[str, Path] = {}
    for key, file in listing.files.items():
        part = _starred(expression, key, file)
        if part is None or any(_starred(each, key, file) is not None for each in closer):
            continue
        short = (Path(key).parent / part).as_posix() if part else key
        if short in files:
            raise DataError(f"{path}: {files[short].name} and {file.name} both are {short!r}; keep one of each")
        files[short] = file
    if not files:
        raise DataError(f"{path}: no image of {folder} has a name of this pattern, such as {next(iter(listing.files))}")
    return replace(listing, folder=path, files=dict(sorted(files.items())))


def _longer(pattern: str, than: str) -> bool:
    """Whether a pattern says more of a name than another."""
    return len(pattern.replace("*", "")) > len(than.replace("*", ""))


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def _starred(expression: re.Pattern[str], key: str, file: Path) -> str | None:
    """What the first `*` stands for in a name; None where the name does not fit."""
    match = expression.fullmatch(key.rpartition("/")[2]) or expression.fullmatch(file.name)
    return match[1] if match else None
