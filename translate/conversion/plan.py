"""Which image goes where: every output name is decided by one rule before anything is read or written.

Trees are walked folder by folder, so that a million paths are never in memory at once. Names that some file system
takes for the same (upper and lower case, composed and decomposed letters) count as the same throughout.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from translate.conversion.samples import names_of
from translate.errors import ConfigError
from translate.imaging.io import READABLE, SUFFIXES

RESULTS = "results.jsonl"
LONGEST = 255
"""Bytes of a file name, at most, on most file systems."""


@dataclass(frozen=True)
class Item:
    """One input: its `name` below the input folder, its `source`, and its `target` below the output folder.

    `reason` tells why it cannot be converted, known before it is read. `others` are further inputs of its own by name.
    """

    name: str
    source: Path
    target: str = ""
    reason: str = ""
    others: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a conversion will do: `items`, sorted by `order`, all below `output`.

    Iterating over `items` looks anew; None stands for a file that is passed over (it is no image, is hidden, or is a
    link to a folder). `root` is what names are relative to. `journal` is where the rows go (None: a single output file
    has none). `whole`: the items are all that there is below the root, so that rows of other names are out of date. Of
    several `samples` the outputs of an item are `NAME.1.png`, `NAME.2.png`, ..., where its target is `NAME.png`.
    """

    items: Iterable[Item | None]
    output: Path
    root: Path = Path()
    journal: Path | None = None
    samples: int = 1
    whole: bool = True

    def targets(self, item: Item) -> list[Path]:
        """The files that an item gives."""
        return [self.output / name for name in names_of(item.target, self.samples)]

    def count(self) -> tuple[int, int]:
        """How many items there are, and how many files are passed over."""
        found = ignored = 0
        for item in self.items:
            found += item is not None
            ignored += item is None
        return found, ignored


def order(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sort key of items: folder by folder, names that count as the same side by side."""
    parts = tuple(name.split("/"))
    return tuple(map(same, parts)), parts


def same(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def plan(source: Path | Sequence[Path], output: Path, suffix: str | None = None, samples: int = 1) -> Plan:
    """Plans an image, a folder tree, a pattern (`photos/**/*.jpg`) or a list of images.

    For one image `output` is a file if it has an image suffix, else a folder. Images of a list keep their folders where
    they are given relative to the working directory; the others lie below the deepest folder that all of them share.
    `suffix` (such as `.png`) is that of all outputs; by default each keeps its own where that format can be written,
    else gets `.png`. Errors: ConfigError (nothing there, no images, output inside input).
    """
    if suffix is not None and suffix.lower() not in SUFFIXES:
        raise ConfigError(f"no image format is written for {suffix!r}; use one of {' '.join(SUFFIXES)}")
    if not isinstance(source, Path):
        return _plan_list(source, output, suffix, samples)
    if source.is_dir():
        return _plan_tree(source, (), output, suffix, samples)
    if not source.exists() and (pattern := _pattern(source)):
        return _plan_tree(*pattern, output, suffix, samples)
    if not os.path.lexists(source):
        raise ConfigError(f"{source}: there is no such file or folder")
    if not source.is_file():
        raise ConfigError(f"{source}: is neither a file nor a folder")
    return _plan_file(source, output, suffix, samples)


def _plan_file(source: Path, output: Path, suffix: str | None, samples: int) -> Plan:
    if output.suffix.lower() in READABLE and not output.is_dir():
        _one_format(output, suffix)
        item = Item(source.name, source, output.name)
        result = Plan([item], output.parent, source.parent, None, samples, whole=False)
    else:
        _check_folder(output)
        (item,) = named([Item(source.name, source)], suffix, samples)
        result = Plan([item], output, source.parent, output / RESULTS, samples, whole=False)
    if source.resolve() in (target.resolve() for item in result.items if item for target in result.targets(item)):
        raise ConfigError(f"{source}: the output would overwrite the input; give another OUTPUT")
    return result


def _one_format(output: Path, suffix: str | None) -> None:
    """Errors: ConfigError where the name of an output file asks for what is not written, or not for `suffix`."""
    own = output.suffix.lower()
    if own not in SUFFIXES:
        raise ConfigError(f"{output}: no image format is written for {own!r}; use one of {' '.join(SUFFIXES)}")
    if suffix is not None and suffix.lower() != own:
        raise ConfigError(f"{output}: its suffix and the format {suffix!r} differ; give one of them")


def _check_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; several images need a folder as OUTPUT")


def _plan_tree(root: Path, pattern: Sequence[str], output: Path, suffix: str | None, samples: int) -> Plan:
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder")
    outside = _outside(root, output)
    tree = _Tree(root, pattern, lambda items, taken: outside(named(items, suffix, samples, taken)))
    result = Plan(tree, output, root, output / RESULTS, samples, whole=not pattern)
    ignored = 0
    for item in tree:
        if item is not None:
            return result
        ignored += 1
    matching = f"that match {'/'.join(pattern)} " if pattern else ""
    raise ConfigError(f"{root}: there are no images {matching}({' '.join(READABLE)}) among {ignored} other files")


def _outside(root: Path, output: Path) -> Callable[[Iterable[Item]], Iterator[Item]]:
    """Fails items whose outputs would lie in the input folder. Errors: ConfigError where all of them would."""
    source, into = root.resolve(), output.resolve()
    if into.is_relative_to(source):
        raise ConfigError(f"{output}: the output must not lie inside the input folder {root}")
    _check_folder(output)
    inside = same(source.relative_to(into).as_posix()) if source.is_relative_to(into) else None

    def check(items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if inside is not None and same(item.target + "/").startswith(inside + "/"):
                yield replace(item, target="", reason=f"its output {item.target} would lie in the input folder")
            else:
                yield item

    return check


# ------------------------------------------------------------------------------------------------------------- names


def named(items: Sequence[Item], suffix: str | None, samples: int = 1, taken: Iterable[str] = ()) -> list[Item]:
    """Gives each item of one folder its output name; `taken` are names that nothing may have.

    An input whose own name is possible keeps it. Of those that need another ending (`a.gif` to `a.png`) the first in
    order gets the short name, unless it is taken: then each is named after its whole input name (`a.gif.png`).
    """
    gone = set(map(same, taken))
    result: dict[int, Item] = {}
    kept = [PurePosixPath(item.name).suffix == _ending(item.name, suffix) for item in items]
    for at in sorted(range(len(items)), key=lambda n: not kept[n]):
        item = items[at]
        if item.reason:
            result[at] = item
            continue
        ending, file = _ending(item.name, suffix), PurePosixPath(item.name).name
        whole = file + ending
        short = file if kept[at] else PurePosixPath(file).stem + ending
        choices = {name: names_of(name, samples) for name in (short, whole)}
        free = [name for name, files in choices.items() if not gone.intersection(map(same, files))]
        if not free:
            result[at] = replace(item, reason=f"its output name {short} belongs to another image; rename one")
        elif max(len(os.fsencode(name)) for name in choices[free[0]]) > LONGEST:
            result[at] = replace(item, reason=f"its output name would be longer than {LONGEST} bytes; rename it")
        else:
            gone.update(map(same, choices[free[0]]))
            result[at] = replace(item, target=str(PurePosixPath(item.name).with_name(free[0])))
    return [result[at] for at in range(len(items))]


def _ending(name: str, wanted: str | None) -> str:
    own = PurePosixPath(name).suffix
    if wanted is None:
        return own if own.lower() in SUFFIXES else ".png"
    return own if own.lower() == wanted.lower() else wanted


# ------------------------------------------------------------------------------------------------------------- trees


class _Tree:
    """The images of a tree in order, anew at each iteration. `name` is given the items of a folder and its folders."""

    def __init__(self, root: Path, pattern: Sequence[str], name: Callable[[list[Item], list[str]], Iterator[Item]]):
        self._root, self._pattern, self._name = root, pattern, name

    def __iter__(self) -> Iterator[Item | None]:
        return self._walk([(self._root, "")])

    def _walk(self, folders: Sequence[tuple[Path, str]]) -> Iterator[Item | None]:
        """Folders whose names count as the same are one: what they give may end up in one folder elsewhere."""
        items: list[Item] = []
        below: dict[str, list[tuple[Path, str]]] = {}
        for folder, prefix in folders:
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                reason = f"the folder cannot be read: {error.strerror or error}"
                yield Item(prefix.rstrip("/") or ".", folder, reason=reason)
                continue
            for entry in listed:
                found = self._look(entry, folder, prefix)
                if isinstance(found, Item):
                    items.append(found)
                elif found:
                    below.setdefault(same(entry.name), []).append((folder / entry.name, f"{prefix}{entry.name}/"))
                else:
                    yield None
        items.sort(key=lambda item: order(item.name))
        taken = [PurePosixPath(prefix).name for several in below.values() for _, prefix in several]
        ready = {item.name: item for item in self._name(items, taken)}
        files: dict[str, list[Item]] = {}
        for item in items:
            files.setdefault(same(PurePosixPath(item.name).name), []).append(ready[item.name])
        for name in sorted({*files, *below}):
            yield from files.get(name, ())
            if name in below:
                yield from self._walk(below[name])

    def _look(self, entry: os.DirEntry[str], folder: Path, prefix: str) -> Item | bool:
        """An item, whether it is a folder to walk, or else false."""
        name = prefix + entry.name
        if entry.name.startswith("."):
            return False
        if entry.is_dir(follow_symlinks=False):
            return True
        image = Path(entry.name).suffix.lower() in READABLE and _matches(name.split("/"), self._pattern)
        try:
            kind = entry.stat().st_mode
        except OSError as error:  # gone since, a link to nothing, links in a circle
            return Item(name, folder / entry.name, reason=error.strerror or str(error)) if image else False
        if stat.S_ISDIR(kind) or not image:
            return False
        reason = "" if stat.S_ISREG(kind) else "it is no file (a pipe, a socket or a device)"
        return Item(name, folder / entry.name, reason=reason)


def _pattern(source: Path) -> tuple[Path, tuple[str, ...]] | None:
    """A path with `*`, `?` or `[` as the folder before the first of them, and the parts of the pattern."""
    parts = source.parts
    first = next((at for at, part in enumerate(parts) if any(mark in part for mark in "*?[")), None)
    return None if first is None else (Path(*parts[:first]), parts[first:])


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path is what a pattern means; `**` stands for any number of folders, an empty one for anything."""
    from fnmatch import fnmatchcase

    if not pattern:
        return True

    def match(at: int, of: int) -> bool:
        if of == len(pattern):
            return at == len(parts)
        if pattern[of] == "**":
            return any(match(later, of + 1) for later in range(at, len(parts) + 1))
        return at < len(parts) and fnmatchcase(parts[at], pattern[of]) and match(at + 1, of + 1)

    return match(0, 0)


# ------------------------------------------------------------------------------------------------------------- lists


def read_list(data: bytes) -> list[Path]:
    """The paths of a list: a line each, or separated by zero bytes (`find -print0`), since names may hold newlines."""
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.removesuffix(b"\r") if separator == b"\n" else line for line in data.split(separator))
    return [Path(os.fsdecode(line)) for line in lines if line.strip()]


def _lexical(path: Path) -> Path:
    """Absolute, without `..`, and links left as they are."""
    return Path(os.path.normpath(path.absolute()))


def _plan_list(sources: Sequence[Path], output: Path, suffix: str | None, samples: int) -> Plan:
    if not sources:
        raise ConfigError("the list of images is empty")
    _check_folder(output)
    here = all(not path.is_absolute() and ".." not in path.parts for path in sources)
    root = Path() if here else Path(os.path.commonpath([_lexical(path).parent for path in sources]))
    found: dict[str, Item] = {}
    for path in sources:
        name = path.as_posix() if here else _lexical(path).relative_to(root).as_posix()
        reason = "" if path.is_file() else "it is a folder" if path.is_dir() else "there is no such file"
        found[name] = Item(name, path, reason=reason)
    folders: dict[str, list[Item]] = {}
    for name in sorted(found, key=order):
        folders.setdefault(same(str(PurePosixPath(name).parent)), []).append(found[name])
    taken: dict[str, set[str]] = {}
    for name in found:
        for below in PurePosixPath(name).parents:
            taken.setdefault(same(str(below.parent)), set()).add(below.name)
    sources_of = {item.source.resolve() for item in found.values()}
    items = []
    for folder, members in folders.items():
        for item in named(members, suffix, samples, taken.get(folder, ())):
            clash = item.target and any((output / t).resolve() in sources_of for t in names_of(item.target, samples))
            reason = f"its output {item.target} would overwrite an input"
            items.append(replace(item, target="", reason=reason) if clash else item)
    items.sort(key=lambda item: order(item.name))
    return Plan(items, output, root, output / RESULTS, samples, whole=False)
