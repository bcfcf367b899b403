"""Paths that may lead into an archive: `photos.zip/train/1.png`. The folders and files of both kinds look alike."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from translate.errors import DataError
from translate.storage.archives.archive import SUFFIXES, Archive
from translate.storage.archives.tar_archive import TarArchive
from translate.storage.archives.zip_archive import ZipArchive
from translate.storage.folders import is_passed_over, walk


def archive_file(path: Path) -> Path | None:
    """The archive that a path names or leads into; None where it leads to a place on disk, or nowhere.

    A folder is a folder, whatever its name.
    """
    for part in (path, *path.parents):
        if part.is_dir():
            return None
        if part.is_file():
            return part if part.name.lower().endswith(SUFFIXES) else None
    return None


def archive_at(path: Path) -> tuple[Archive, str] | None:
    """The archive that a path leads into, and the name of the rest within it (`.` for the archive itself).

    Errors: DataError for an archive that cannot be read.
    """
    file = archive_file(path)
    if file is None:
        return None
    return open_archive(file), path.relative_to(file).as_posix()


def open_archive(path: Path) -> Archive:
    """The archive in a file, whose list of members is kept while the file stays the same. Errors: DataError."""
    stat = path.stat()
    return _opened(path, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))


@lru_cache(maxsize=256)
def _opened(path: Path, version: tuple[int, int, int, int]) -> Archive:
    return ZipArchive(path) if path.name.lower().endswith(".zip") else TarArchive(path)


def folder_exists(path: Path) -> bool:
    """Whether there is such a folder, on disk or in an archive; an archive is one itself. Errors: DataError."""
    if path.is_dir():
        return True
    place = archive_at(path)
    return place is not None and place[1] in place[0].folders


def file_exists(path: Path) -> bool:
    """Whether there is such a file, on disk or in an archive. Errors: DataError."""
    if path.is_file():
        return True
    place = archive_at(path)
    return place is not None and place[0].member(place[1]) is not None


def files_below(folder: Path, passed_over: list[str] | None = None) -> Iterator[Path]:
    """The files of a folder and its sub-folders, sorted within each, on disk also through links to folders.

    Hidden files, and those that systems leave behind, are nobody's business: their names, relative to the folder, are
    appended to `passed_over`. Errors: DataError for a folder or an archive that cannot be read.
    """
    place = archive_at(folder)
    if place is None:
        yield from walk(folder, passed_over)
        return
    archive, inside = place
    prefix = "" if inside == "." else f"{inside}/"
    for name in sorted(name for name in archive.members if name.startswith(prefix)):
        parts = name[len(prefix) :].split("/")
        if not any(map(is_passed_over, parts)):
            yield folder.joinpath(*parts)
        elif passed_over is not None:
            passed_over.append("/".join(parts))


def folders_in(folder: Path) -> list[str]:
    """The names of the folders right in a folder, sorted, without hidden ones. Errors: DataError."""
    if place := archive_at(folder):
        archive, inside = place
        depth = 0 if inside == "." else len(inside.split("/"))
        within = [name.split("/") for name in archive.folders if inside == "." or name.startswith(f"{inside}/")]
        names = {parts[depth] for parts in within if len(parts) > depth and parts != ["."]}
    else:
        names = {path.name for path in folder.iterdir() if path.is_dir()}
    return sorted(name for name in names if not is_passed_over(name))


def read_member(path: Path, limit: int) -> bytes:
    """All bytes of a file in an archive, at most `limit`. Errors: DataError, where no archive is there as well."""
    place = archive_at(path)
    if place is None:
        raise DataError(f"{path}: no such file")
    archive, name = place
    return archive.read(name, limit)
