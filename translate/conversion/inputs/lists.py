"""Lists of images: what people's editors, shells and file managers write, and the names of what stands in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from translate.conversion.inputs.tree import Tree, is_picture, pattern_of
from translate.conversion.items import Item
from translate.errors import ConfigError
from translate.imaging.formats.raster.zarr_store import is_zarr
from translate.storage.plain_text import on_disk_as, text_of

_QUOTES = ('"', "'")


class Arguments(tuple[Path, ...]):
    """Inputs as a shell makes them of `photos/*`: what is no image among them is passed over, and so is OUTPUT."""


@dataclass
class Listed:
    """The images of a list by name: `root` is what names are relative to, `folders` are those that were listed."""

    root: Path
    items: dict[str, Item] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    passed_over: int = 0

    def add(self, path: Path, name: str, output: Path) -> None:
        """Adds an image, or all images of a folder or a pattern."""
        if path.is_dir() and not is_zarr(path):
            self._add_tree(path, (), name, output)
            self.folders.append(path)
        elif not os.path.lexists(path) and (pattern := pattern_of(path)) and pattern[0].is_dir():
            root, parts = pattern
            self._add_tree(root, parts, "/".join(name.split("/")[: -len(parts)]), output)
            self.folders.append(root)
        else:
            there = path.is_file() or is_zarr(path)
            self.items[name] = Item(name, path, reason="" if there else "there is no such file")

    def _add_tree(self, root: Path, pattern: Sequence[str], name: str, output: Path) -> None:
        prefix = "" if name in ("", ".") else f"{name}/"
        for item in Tree(root, pattern, output, lambda items, taken: iter(items)):
            if item is None:
                self.passed_over += 1
                continue
            whole = prefix + item.name if item.name != "." else name
            self.items[whole] = Item(whole, item.source, reason=item.reason)


def listed(sources: Sequence[Path], output: Path) -> Listed:
    """The images of a list. A path that is listed twice gives one item.

    Names are as they are given where all are relative to the working directory, else relative to the deepest folder
    that all paths share. Errors: ConfigError.
    """
    here = all(not path.is_absolute() and ".." not in path.parts for path in sources)
    images = Listed(Path() if here else _common_folder(sources))
    for path in sources:
        if isinstance(sources, Arguments) and (_is_same(path, output) or (path.is_file() and not is_picture(path))):
            images.passed_over += 1
            continue
        name = path.as_posix() if here else _lexical(path).relative_to(images.root).as_posix()
        images.add(path, name, output)
    return images


def _common_folder(sources: Sequence[Path]) -> Path:
    """The deepest folder that all paths share. Errors: ConfigError where there is none."""
    try:
        return Path(os.path.commonpath([_lexical(path).parent for path in sources]))
    except ValueError:  # on Windows, of several drives
        raise ConfigError(
            "the images of the list lie on several drives; convert those of each drive by itself"
        ) from None


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def _lexical(path: Path) -> Path:
    """Absolute, without `..`, and links left as they are."""
    return Path(os.path.normpath(path.absolute()))


# -------------------------------------------------------------------------------------------------------------- texts


def read_list(data: bytes) -> list[Path]:
    """The paths of a list: a line each, or separated by zero bytes (`find -print0`), since names may hold newlines.

    A line is a path as it stands where there is such a file. Else it may have quotes, blanks or tabs around it, or
    backslashes as on Windows, or be an address (`file:///...`), or begin with `#`, which makes it a comment. Texts may
    be UTF-8 or UTF-16, with a mark or without. Errors: ConfigError for what is no text.
    """
    try:
        text = text_of(data, "surrogateescape")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the list is not a text in UTF-8 or UTF-16: {error}") from None
    if "\0" in text:
        return [Path(name) for name in text.split("\0") if name.strip()]
    end = "\r" if "\r" in text and "\n" not in text else "\n"
    paths = [_path_of(line.removesuffix("\r")) for line in text.split(end) if line.strip()]
    return [path for path in paths if path is not None]


def _path_of(line: str) -> Path | None:
    """The path that a line means; None for a comment."""
    for candidate in _readings(line):
        path = on_disk_as(Path(candidate))
        if os.path.lexists(path):
            return path
    plain = line.strip()
    return None if plain.startswith("#") else Path(_unquoted(plain))


def _readings(line: str) -> Iterator[str]:
    """What a line may mean, the most literal first."""
    yield line
    plain = line.strip()
    yield plain
    plain = _unquoted(plain)
    yield plain
    if plain.startswith("file:"):
        yield os.fsdecode(unquote_to_bytes(urlsplit(plain).path))
    if "\\" in plain:
        yield plain.replace("\\", "/")
    if not plain.isprintable():  # bytes that are no UTF-8: of an older Windows
        yield os.fsencode(plain).decode("cp1252", "replace")


def _unquoted(text: str) -> str:
    """The text without the quotes that are around it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES
    return text[1:-1].strip() if quoted else text
