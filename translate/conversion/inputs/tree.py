"""The images of a folder tree, walked folder by folder, so that a million paths are never in memory at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from translate.conversion.items import Item
from translate.conversion.names import order, same
from translate.imaging.decode import is_image
from translate.imaging.formats.raster.zarr_store import is_zarr
from translate.imaging.io import readable
from translate.storage.folders import is_below, is_folder, is_link, is_own, is_passed_over, leads_back
from translate.storage.plain_text import fits

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


class Folder(NamedTuple):
    """A folder on the way: `prefix` of the names in it, empty or ending with a slash; the real paths of the folders
    that were walked through to it, its own last."""

    path: Path
    prefix: str
    above: tuple[str, ...]


class Tree:
    """The images of a tree in order, looked up anew at each iteration; None stands for a file that is passed over.

    Links to folders are followed, unless they lead back to where they are, or into `output`.
    `name` is called with the items of a folder and the names of its folders, and gives the items their outputs.
    """

    def __init__(
        self,
        root: Path,
        pattern: Sequence[str],
        output: Path,
        name: Callable[[list[Item], list[str]], Iterator[Item]],
    ) -> None:
        self._root, self._pattern, self._name = root, pattern, name
        self._output = os.path.realpath(output)

    def __iter__(self) -> Iterator[Item | None]:
        return self._walk([Folder(self._root, "", (os.path.realpath(self._root),))])

    def _walk(self, folders: Sequence[Folder]) -> Iterator[Item | None]:
        """Walks folders whose names count as the same as one: what they give may end up in one folder elsewhere."""
        items: list[Item] = []
        below: dict[str, list[Folder]] = {}
        for folder, prefix, above in folders:
            try:
                with os.scandir(folder) as entries:
                    entries_by_name = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                reason = f"the folder cannot be read: {error.strerror or error}"
                yield Item(prefix.rstrip("/") or ".", folder, reason=reason)
                continue
            for entry in entries_by_name:
                if is_own(folder / entry.name):
                    yield None
                    continue
                if not is_passed_over(entry.name) and is_folder(entry) and not is_zarr(folder / entry.name):
                    if real := self._to_walk(entry, above):
                        child = Folder(folder / entry.name, f"{prefix}{entry.name}/", (*above, real))
                        below.setdefault(same(entry.name), []).append(child)
                    else:
                        yield None
                    continue
                item = self._item(entry, folder, prefix)
                if item is None:
                    yield None
                else:
                    items.append(item)
        yield from self._in_order(items, below)

    def _to_walk(self, entry: os.DirEntry[str], above: tuple[str, ...]) -> str:
        """The real path of a folder; empty for a link in a circle, and for a folder of the outputs."""
        real = str(Path(above[-1], entry.name))
        if is_link(entry):
            real = os.path.realpath(real)
            if leads_back(real, above):
                return ""
        into_output = is_below(real, self._output) and not is_below(real, above[0])
        return "" if into_output else real

    def _in_order(self, items: list[Item], below: dict[str, list[Folder]]) -> Iterator[Item | None]:
        """Files and folders by name, a file before the folder of the same name."""
        items.sort(key=lambda item: order(item.name))
        taken = [folder.path.name for folder in chain.from_iterable(below.values())]
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
        if is_passed_over(entry.name) or not matches(name.split("/"), self._pattern):
            return None
        if is_zarr(folder / entry.name):
            return Item(name, folder / entry.name)
        if not is_picture(folder / entry.name):
            return None
        try:
            kind = entry.stat().st_mode
        except OSError as error:  # gone since, a link to nothing, links in a circle
            return Item(name, folder / entry.name, reason=error.strerror or str(error))
        if stat.S_ISDIR(kind):
            return None
        reason = "" if stat.S_ISREG(kind) else "it is no file (a pipe, a socket or a device)"
        return Item(name, folder / entry.name, reason=reason)


def is_picture(path: Path) -> bool:
    """True for a file that is taken for an image: by its suffix, or else by its first bytes."""
    # Browsers, telephones and backups give images names of their own: `g`, `e.jpg_large`, `h.jpg~`.
    suffix = path.suffix.lower()
    return suffix in readable() or (suffix not in OTHERS and is_image(path))


def pattern_of(source: Path) -> tuple[Path, tuple[str, ...]] | None:
    """A path with `*`, `?` or `[` as the folder before the first part that holds one, and the parts of the pattern.

    A part that is there is no pattern, whatever its name.
    """
    parts = source.parts
    for at, part in enumerate(parts):
        if any(mark in part for mark in "*?[") and not os.path.lexists(Path(*parts[: at + 1])):
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
        return at < len(parts) and fits(parts[at], pattern[of]) and match(at + 1, of + 1)

    return match(0, 0)
