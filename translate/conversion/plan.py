"""A plan of a conversion: which image goes where, decided before anything is read or written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from translate.conversion.inputs.lists import listed
from translate.conversion.inputs.tree import Tree, pattern_of
from translate.conversion.items import Item
from translate.conversion.names import MAIN, named, names_of, order, same
from translate.errors import ConfigError
from translate.imaging.formats.raster.zarr_store import is_zarr
from translate.imaging.io import readable, writable
from translate.storage.plain_text import on_disk_as

_DOCUMENTS = (".pdf", ".ps", ".eps", ".ai", ".svg", ".psd", ".psb", ".xcf")
_PICTURES = (".ico", ".icns", ".cur", ".tga", ".dds", ".pcx", ".fits", ".heics")
_FILMS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
NOT_WRITTEN = (*_DOCUMENTS, *_PICTURES, *_FILMS)
"""Suffixes of pictures and films that nothing here writes. As OUTPUT of one image they mean a file, and no folder."""
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Plan:
    """What a conversion will do: `items`, sorted by `order`, all below `output`.

    Iterating over `items` looks anew; None stands for a file that is passed over (it is no image, hidden, left by a
    system, or a link that leads back). `root` is what names are relative to. `journal` is where the rows go (None: a
    single output file has none). `whole`: the items are all that there is below the root, so that rows of other names
    are out of date. Of several `samples` the outputs of an item are `NAME.1.png`, `NAME.2.png`, ..., where its target
    is `NAME.png`. `folders` hold inputs, so that no output may lie in them. `parts` are the outputs that are pictures:
    the main one, and further ones by name; none where all are classes and numbers.
    """

    items: Iterable[Item | None]
    output: Path
    root: Path = Path()
    journal: Path | None = None
    samples: int = 1
    whole: bool = True
    folders: tuple[Path, ...] = ()
    parts: tuple[str, ...] = (MAIN,)

    def targets(self, item: Item) -> list[Path]:
        """The files that an item gives."""
        return [self.output / name for name in names_of(item.target, self.samples, self.parts)]

    def count(self) -> tuple[int, int]:
        """How many items there are, and how many files are passed over."""
        count = ignored = 0
        for item in self.items:
            count += item is not None
            ignored += item is None
        return count, ignored


def plan(
    source: Path | Sequence[Path], output: Path, suffix: str | None = None, samples: int = 1, paged: Sequence[str] = ()
) -> Plan:
    """Plans an image, a folder tree, a pattern (`photos/**/*.jpg`) or a list of images.

    For one image `output` is a file if it has a picture's suffix, else a folder. Images of a list keep their folders
    where they are given relative to the working directory; the others lie below the deepest folder that all share.
    `suffix` (such as `.png`) is that of all outputs; by default each keeps its own where that format can be written,
    else gets `.png`; suffixes that are `paged` are written as well.

    Folders and patterns among the paths of a list stand for their images.

    Errors: ConfigError (nothing there, no images, output inside input).
    """
    if suffix is not None and suffix.lower() not in writable():
        raise ConfigError(f"no image format is written for {suffix!r}; use one of {' '.join(writable())}")
    if not isinstance(source, Path):
        return _plan_list(source, output, suffix, samples, paged)
    source = on_disk_as(source)
    if source.is_dir() and not is_zarr(source):
        return _plan_tree(source, (), output, suffix, samples, paged)
    if not source.exists() and (pattern := pattern_of(source)):
        return _plan_tree(*pattern, output, suffix, samples, paged)
    if not os.path.lexists(source):
        raise ConfigError(f"{source}: there is no such file or folder")
    if not source.is_file() and not is_zarr(source):
        raise ConfigError(f"{source}: is neither a file nor a folder")
    return _plan_file(source, output, suffix, samples, paged)


# -------------------------------------------------------------------------------------------------------------- files


def _plan_file(source: Path, output: Path, suffix: str | None, samples: int, paged: Sequence[str]) -> Plan:
    if output.suffix.lower() in (*readable(), *NOT_WRITTEN) and not output.is_dir():
        _one_format(output, suffix, paged)
        item = Item(source.name, source, output.name)
        result = Plan([item], output.parent, source.parent, None, samples, whole=False)
    else:
        _check_folder(output)
        (item,) = named([Item(source.name, source)], suffix, samples, (), paged)
        result = Plan([item], output, source.parent, output / RESULTS, samples, whole=False)
    if source.resolve() in [target.resolve() for target in result.targets(item)]:
        raise ConfigError(f"{source}: the output would overwrite the input; give another OUTPUT")
    return result


def _one_format(output: Path, suffix: str | None, paged: Sequence[str]) -> None:
    """Errors: ConfigError where the name of an output file asks for what is not written, or not for `suffix`."""
    own = output.suffix.lower()
    if own not in writable() and own not in paged:
        raise ConfigError(f"{output}: no image format is written for {own!r}; use one of {' '.join(writable())}")
    if suffix is not None and suffix.lower() != own:
        raise ConfigError(f"{output}: its suffix and the format {suffix!r} differ; give one of them")


def _check_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; several images need a folder as OUTPUT")


# -------------------------------------------------------------------------------------------------------------- trees


def _plan_tree(
    root: Path, pattern: Sequence[str], output: Path, suffix: str | None, samples: int, paged: Sequence[str]
) -> Plan:
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder")
    outside = _outside([root], output)
    tree = Tree(root, pattern, output, lambda items, taken: outside(named(items, suffix, samples, taken, paged)))
    result = Plan(tree, output, root, output / RESULTS, samples, whole=not pattern, folders=(root,))
    ignored = 0
    for item in tree:
        if item is not None:
            return result
        ignored += 1
    matching = f"that match {'/'.join(pattern)} " if pattern else ""
    raise ConfigError(f"{root}: there are no images {matching}({' '.join(readable())}) among {ignored} other files")


def _outside(folders: Iterable[Path], output: Path) -> Callable[[Iterable[Item]], Iterator[Item]]:
    """Fails items whose outputs would lie in an input folder. Errors: ConfigError where all of them would."""
    into = output.resolve()
    inside: list[str] = []
    for folder in folders:
        source = folder.resolve()
        if into.is_relative_to(source):
            raise ConfigError(f"{output}: the output must not lie inside the input folder {folder}")
        if source.is_relative_to(into):
            inside.append(same(source.relative_to(into).as_posix()))
    _check_folder(output)

    def check(items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if any(same(item.target + "/").startswith(folder + "/") for folder in inside):
                yield replace(item, target="", reason=f"its output {item.target} would lie in the input folder")
            else:
                yield item

    return check


# -------------------------------------------------------------------------------------------------------------- lists


def _plan_list(sources: Sequence[Path], output: Path, suffix: str | None, samples: int, paged: Sequence[str]) -> Plan:
    if not sources:
        raise ConfigError("the list of images is empty")
    _check_folder(output)
    images = listed(sources, output)
    if not images.items:
        raise ConfigError(f"there are no images ({' '.join(readable())}) among {images.passed_over} other files")
    outside = _outside(images.folders, output)
    folders: dict[str, list[Item]] = {}
    for name in sorted(images.items, key=order):
        folders.setdefault(same(str(PurePosixPath(name).parent)), []).append(images.items[name])
    taken = _folders_by_parent(images.items)
    inputs = {item.source.resolve() for item in images.items.values()}
    items: list[Item] = []
    for folder, members in folders.items():
        for item in outside(named(members, suffix, samples, taken.get(folder, ()), paged)):
            items.append(_spare_inputs(item, output, samples, inputs))
    items.sort(key=lambda item: order(item.name))
    every = [*[None] * images.passed_over, *items]
    kept = tuple(images.folders)
    return Plan(every, output, images.root, output / RESULTS, samples, whole=False, folders=kept)


def _folders_by_parent(names: Iterable[str]) -> dict[str, set[str]]:
    """The names of the folders in each folder: no output may be called like one of them."""
    folders: dict[str, set[str]] = {}
    for name in names:
        for below in PurePosixPath(name).parents:
            folders.setdefault(same(str(below.parent)), set()).add(below.name)
    return folders


def _spare_inputs(item: Item, output: Path, samples: int, inputs: set[Path]) -> Item:
    """The item, or the reason against it where one of its outputs would be written over an input."""
    if not item.target:
        return item
    if inputs.isdisjoint((output / name).resolve() for name in names_of(item.target, samples)):
        return item
    return replace(item, target="", reason=f"its output {item.target} would overwrite an input")
