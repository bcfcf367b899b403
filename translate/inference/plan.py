"""Which image of a folder goes where: every output name is decided before the first image is read."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from translate.data.image import READABLE, SUFFIXES
from translate.errors import ConfigError
from translate.inference.samples import names_of


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
    """What a conversion will do: `items` sorted by name, all below `output`; `ignored` counts what is no image, is
    hidden or is a link to a folder; `journal` is where the rows go (None: a single output file has none). Of several
    `samples` the outputs of an item are `NAME.1.png`, `NAME.2.png`, ..., where its target is `NAME.png`."""

    items: list[Item]
    output: Path
    ignored: int = 0
    journal: Path | None = None
    samples: int = 1

    def targets(self, item: Item) -> list[Path]:
        """The files that an item gives."""
        return [self.output / name for name in names_of(item.target, self.samples)]


def plan(source: Path, output: Path, suffix: str | None = None, samples: int = 1) -> Plan:
    """Plans an image or a folder tree. For one image `output` is a file if it has an image suffix, else a folder.

    `suffix` (such as `.png`) is that of all outputs; by default each keeps its own where that format can be written,
    else gets `.png`. Errors: ConfigError (nothing there, no images, output inside input).
    """
    if suffix is not None and suffix.lower() not in SUFFIXES:
        raise ConfigError(f"no image format is written for {suffix!r}; use one of {' '.join(SUFFIXES)}")
    if source.is_dir():
        return _plan_folder(source, output, suffix, samples)
    if not source.is_file():
        raise ConfigError(f"{source}: there is no such file or folder")
    if output.suffix.lower() in READABLE and not output.is_dir():
        _one_format(output, suffix)
        result = Plan([Item(source.name, source, output.name)], output.parent, samples=samples)
    else:
        target = PurePosixPath(source.name).with_suffix(_suffix(source.name, suffix)).name
        result = Plan([Item(source.name, source, target)], output, 0, output / "results.jsonl", samples)
    if source.resolve() in (target.resolve() for target in result.targets(result.items[0])):
        raise ConfigError(f"{source}: the output would overwrite the input; give another OUTPUT")
    return result


def _one_format(output: Path, suffix: str | None) -> None:
    """Errors: ConfigError where the name of an output file asks for what is not written, or not for `suffix`."""
    own = output.suffix.lower()
    if own not in SUFFIXES:
        raise ConfigError(f"{output}: no image format is written for {own!r}; use one of {' '.join(SUFFIXES)}")
    if suffix is not None and suffix.lower() != own:
        raise ConfigError(f"{output}: its suffix and the format {suffix!r} differ; give one of them")


def _plan_folder(source: Path, output: Path, suffix: str | None, samples: int) -> Plan:
    root, into = source.resolve(), output.resolve()
    if into.is_relative_to(root):
        raise ConfigError(f"{output}: the output must not lie inside the input folder {source}")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; a folder of images needs a folder as OUTPUT")
    inside = root.relative_to(into).as_posix() if root.is_relative_to(into) else None
    found: list[Item] = []
    ignored = 0
    for item in _walk(source, ""):
        if item is None:
            ignored += 1
        else:
            found.append(item)
    if not found:
        raise ConfigError(f"{source}: there are no images ({' '.join(READABLE)}) among {ignored} other files")
    return Plan(list(_name(found, suffix, inside, samples)), output, ignored, output / "results.jsonl", samples)


def _walk(folder: Path, prefix: str) -> Iterator[Item | None]:
    """Images of a tree in sorted order, None for what is passed over; a folder that cannot be read is a failed item."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda e: e.name)
    except OSError as error:
        yield Item(prefix.rstrip("/") or ".", folder, reason=f"the folder cannot be read: {error.strerror or error}")
        return
    for entry in listed:
        path, name = folder / entry.name, prefix + entry.name
        if entry.name.startswith(".") or (entry.is_symlink() and entry.is_dir()):
            yield None
        elif entry.is_dir():
            yield from _walk(path, f"{name}/")
        else:
            yield Item(name, path) if path.suffix.lower() in READABLE else None


def _name(items: list[Item], suffix: str | None, inside: str | None, samples: int) -> Iterator[Item]:
    """Gives each item its output name.

    Where two would share one (`a.gif` and `a.png`; upper and lower case count as the same, as on many disks), the later
    one in sorted order is named after its whole input name (`a.png.png`). `inside` is the input folder relative to the
    output folder, where that contains it: nothing is written there.
    """
    taken = {_same(str(parent)) for item in items for parent in PurePosixPath(item.name).parents}
    for item in items:
        if item.reason:
            yield item
            continue
        ending = _suffix(item.name, suffix)
        short = str(PurePosixPath(item.name).with_suffix(ending))
        names = {name: set(map(_same, names_of(name, samples))) for name in (short, item.name + ending)}
        free = [name for name in names if not names[name] & taken]
        if not free:
            yield Item(item.name, item.source, reason=f"its output name {short} belongs to another image; rename one")
        elif inside is not None and f"{free[0]}/".startswith(f"{inside}/"):
            yield Item(item.name, item.source, reason=f"its output {free[0]} would lie in the input folder")
        else:
            taken |= names[free[0]]
            yield Item(item.name, item.source, free[0])


def _suffix(name: str, wanted: str | None) -> str:
    own = PurePosixPath(name).suffix
    return wanted or (own if own.lower() in SUFFIXES else ".png")


def _same(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()
