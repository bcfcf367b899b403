"""Walks folders: links to folders are followed, never in a circle, and what systems leave behind is passed over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from translate.errors import DataError

JUNK = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "__macosx",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)
"""Files and folders that systems, cloud drives and network storage put beside people's own, in lower case."""


_OWN = re.compile(r"runs|mlruns|mlartifacts|\.?mlflow\.db.*|.*\.ya?ml")


def is_junk(name: str) -> bool:
    """True for what a system leaves behind: `.DS_Store`, `._x` (a twin with attributes), `Thumbs.db`, `@eaDir`."""
    return name.startswith("._") or name == ".DS_Store" or name.casefold() in JUNK


def is_passed_over(name: str) -> bool:
    """True for a hidden file or folder, and for what a system leaves behind."""
    return name.startswith(".") or is_junk(name)


def leads_back(real: str, above: Sequence[str]) -> bool:
    """True where the folder `real` is one of those that were walked through to reach it, or holds one of them.

    All are real paths. To follow a link to such a folder would never end.
    """
    return any(folder == real or is_below(folder, real) for folder in above)


def is_below(path: str, folder: str) -> bool:
    """True for a path in a folder, at any depth, or the folder itself; both are real paths."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def walk(folder: Path, passed_over: list[str] | None = None) -> Iterator[Path]:
    """The files of a folder and its sub-folders, sorted within each, through links to folders as well.

    Left out are hidden files and folders, what systems leave behind, links that lead back to where they are, and, in
    the working directory, pipelines and what they write. The names of what is left out, but for pipelines, are
    appended to `passed_over`, relative to the folder. Errors: DataError for a folder that cannot be read.
    """
    yield from _walk(folder, "", (os.path.realpath(folder),), passed_over)


def _walk(folder: Path, prefix: str, above: tuple[str, ...], passed_over: list[str] | None) -> Iterator[Path]:
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {error.strerror or error}") from None
    below: list[tuple[Path, str, str]] = []
    for entry in entries:
        name = prefix + entry.name
        if is_own(folder / entry.name):
            continue
        unwanted = is_passed_over(entry.name)
        if not unwanted and not is_folder(entry):
            yield folder / entry.name
            continue
        real = str(Path(above[-1], entry.name))
        if not unwanted and is_link(entry):
            real = os.path.realpath(real)
            unwanted = leads_back(real, above)
        if unwanted:
            if passed_over is not None:
                passed_over.append(name)
        else:
            below.append((folder / entry.name, f"{name}/", real))
    for child, child_prefix, real in below:
        yield from _walk(child, child_prefix, (*above, real), passed_over)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """True for a folder, and for a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_own(path: Path) -> bool:
    """True for pipelines in the working directory, and for what they write there.

    It may be the folder of the images itself: then none of these are data.
    """
    if not _OWN.fullmatch(path.name):
        return False
    try:
        return path.parent.samefile(os.curdir)
    except OSError:  # the working directory is gone
        return False


def is_link(entry: os.DirEntry[str]) -> bool:
    """True for a link, and for a junction of Windows."""
    is_junction = getattr(entry, "is_junction", None)  # from Python 3.12 on
    return entry.is_symlink() or bool(is_junction and is_junction())
