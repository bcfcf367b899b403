"""The images of a folder tree, walked folder by folder, so that a million paths are never in memory at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path, PurePosixPath

from translate.conversion.items import Item
from translate.conversion.names import order, same
from translate.imaging.decode import is_image
from translate.imaging.formats.raster.zarr_store import SUFFIX as ZARR, is_zarr
from translate.imaging.io import readable

OTHERS = (
    *(".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".htm", ".log", ".ini"),
    *(".py", ".ipynb", ".sh", ".zip", ".tar", ".gz", ".pt", ".pth", ".safetensors", ".onnx", ".npz", ".parquet", ".db"),
    *(
        ".mp4",
        ".mov",
        ".avi",
        ".mkv",
        ".webm",
        ".mp3",
        ".wav",
        ".pdf",
        ".doc",
        ".docx",
        ".xls",
        ".xlsx",
        ".svg",
        ".psd",
    ),
)
"""Suffixes of files that are not opened to see whether they are images, in lower case."""

Folder = tuple[Path, str]
"""A folder, and the prefix of the names in it: empty, or ending with a slash."""


class Tree:
    """The images of a tree in order, looked up anew at each iteration; None stands for a file that is passed over.

    `name` is called with the items of a folder and the names of its folders, and gives the items their outputs.
    """

    def __init__(
        self, root: Path, pattern: Sequence[str], name: Callable[[list[Item], list[str]], Iterator[Item]]
    ) -> None:
        self._root, self._pattern, self._name = root, pattern, name

    def __iter__(self) -> Iterator[Item | None]:
        return self._walk([(self._root, "")])

    def _walk(self, folders: Sequence[Folder]) -> Iterator[Item | None]:
        """Walks folders whose names count as the same as one: what they give may end up in one folder elsewhere."""
        items: list[Item] = []
        below: dict[str, list[Folder]] = {}
        for folder, prefix in folders:
            try:
                with os.scandir(folder) as entries:
                    entries_by_name = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                reason = f"the folder cannot be read: {error.strerror or error}"
                yield Item(prefix.rstrip("/") or ".", folder, reason=reason)
                continue
            for entry in entries_by_name:
                if _is_folder(entry) and not is_zarr(folder / entry.name):
                    below.setdefault(same(entry.name), []).append((folder / entry.name, f"{prefix}{entry.name}/"))
                    continue
                item = self._item(entry, folder, prefix)
                if item is None:
                    yield None
                else:
                    items.append(item)
        yield from self._in_order(items, below)

    def _in_order(self, items: list[Item], below: dict[str, list[Folder]]) -> Iterator[Item | None]:
        """Files and folders by name, a file before the folder of the same name."""
        items.sort(key=lambda item: order(item.name))
        taken = [PurePosixPath(prefix).name for _, prefix in chain.from_iterable(below.values())]
        ready = {item.name: item for item in self._name(items, taken)}
        files: dict[str, list[Item]] = {}
        for item in items:
            files.setdefault(same(PurePosixPath(item.name).name), []).append(ready[item.name])
        for name in sorted({*files, *below}):
            yield from files.get(name, ())
            if name in below:
                yield from self._walk(below[name])

    def _item(self, entry: os.DirEntry[str], folder: Path, prefix: str) -> Item | None:
        """The item of a directory entry that is no folder, or None for what is passed over."""
        name = prefix + entry.name
        if entry.name.startswith(".") or not matches(name.split("/"), self._pattern):
            return None
        # Browsers, telephones and backups give images names of their own: `g`, `e.jpg_large`, `h.jpg~`.
        suffix = Path(entry.name).suffix.lower()
        if suffix == ZARR and is_zarr(folder / entry.name):
            return Item(name, folder / entry.name)
        if suffix not in readable() and (suffix in OTHERS or not is_image(folder / entry.name)):
            return None
        try:
            kind = entry.stat().st_mode
        except OSError as error:  # gone since, a link to nothing, links in a circle
            return Item(name, folder / entry.name, reason=error.strerror or str(error))
        if stat.S_ISDIR(kind):
            return None
        reason = "" if stat.S_ISREG(kind) else "it is no file (a pipe, a socket or a device)"
        return Item(name, folder / entry.name, reason=reason)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """True for a folder that is walked: not hidden, and no link (on Windows: no junction) that may lead in a circle."""
    if entry.name.startswith("."):
        return False
    is_junction = getattr(entry, "is_junction", None)  # from Python 3.12 on
    return entry.is_dir(follow_symlinks=False) and not (is_junction and is_junction())


def pattern_of(source: Path) -> tuple[Path, tuple[str, ...]] | None:
    """A path with `*`, `?` or `[` as the folder before the first of them, and the parts of the pattern."""
    parts = source.parts
    for at, part in enumerate(parts):
        if any(mark in part for mark in "*?["):
            return Path(*parts[:at]), parts[at:]
    return None


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Compares a path with a pattern, where `**` stands for any number of folders; an empty one fits anything."""
    if not pattern:
        return True

    def match(at: int, of: int) -> bool:
        if of == len(pattern):
            return at == len(parts)
        if pattern[of] == "**":
            return any(match(later, of + 1) for later in range(at, len(parts) + 1))
        return at < len(parts) and fnmatchcase(parts[at], pattern[of]) and match(at + 1, of + 1)

    return match(0, 0)
