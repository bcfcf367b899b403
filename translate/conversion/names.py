"""Names of outputs: one rule decides them before anything is read or written.

Names that some file system takes for the same (upper and lower case, composed and decomposed letters) count as the same
throughout.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from translate.contracts import Route
from translate.conversion.items import Item
from translate.imaging.formats.table import written_instead
from translate.imaging.io import writable

LONGEST = 255
"""Bytes of a file name, at most, on most file systems."""


def order(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sort key of items: folder by folder, names that count as the same side by side."""
    parts = tuple(name.split("/"))
    return tuple(map(same, parts)), parts


def same(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


MAIN = ""
"""Stands for the main output among the `parts` of a direction that has several."""


def picture_parts(route: Route) -> tuple[str, ...]:
    """The outputs of a direction that are pictures: `MAIN`, and further ones by name; classes and vectors are none."""
    forms = {MAIN: route.output, **route.further}
    return tuple(part for part, form in forms.items() if form in ("image", "labels"))


def names_of(target: str, samples: int, parts: Sequence[str] = (MAIN,)) -> list[str]:
    """The output names of an input: `a/b.png` alone, or `a/b.1.png`, `a/b.2.png`, ... of several samples.

    `parts` names the outputs that are pictures: a further one, `depth`, is `a/b.depth.png`, behind the main one of its
    sample.
    """
    path = PurePosixPath(target)
    numbers = [""] if samples == 1 else [f".{number}" for number in range(1, samples + 1)]
    names = []
    for number in numbers:
        for part in parts:
            ending = f"{number}.{part}" if part else number
            names.append(str(path.with_suffix(f"{ending}{path.suffix}")) if ending else target)
    return names


def named(
    items: Sequence[Item],
    suffix: str | None,
    samples: int = 1,
    taken: Iterable[str] = (),
    paged: Sequence[str] = (),
) -> list[Item]:
    """Gives each item of one folder its output name; `taken` are names that nothing may have,
    and `paged` suffixes that outputs keep as well.

    An input whose own name is possible keeps it. Of those that need another ending (`a.gif` to `a.png`) the first in
    order gets the short name, unless it is taken: then each is named after its whole input name (`a.gif.png`).
    """
    used = set(map(same, taken))
    keeps_name = [PurePosixPath(item.name).suffix == _ending(item.name, suffix, paged) for item in items]
    result = list(items)
    # Inputs that keep their names come first, so that no other input takes one of these names before.
    for at in sorted(range(len(items)), key=lambda n: not keeps_name[n]):
        if not items[at].reason:
            result[at] = _named(items[at], _ending(items[at].name, suffix, paged), samples, keeps_name[at], used)
    return result


def _named(item: Item, ending: str, samples: int, keeps_name: bool, used: set[str]) -> Item:
    """The item with the first name that is free, whose files join `used`; or with the reason for having none."""
    file = PurePosixPath(item.name).name
    short = file if keeps_name else PurePosixPath(file).stem + ending
    for name in (short, file + ending):
        files = names_of(name, samples)
        if not used.isdisjoint(map(same, files)):
            continue
        if max(len(os.fsencode(file)) for file in files) > LONGEST:
            return replace(item, reason=f"its output name would be longer than {LONGEST} bytes; rename it")
        used.update(map(same, files))
        return replace(item, target=str(PurePosixPath(item.name).with_name(name)))
    return replace(item, reason=f"its output name {short} belongs to another image; rename one")


def _ending(name: str, wanted: str | None, paged: Sequence[str]) -> str:
    """The suffix of an input's output."""
    own = PurePosixPath(name).suffix
    if wanted is None:
        return own if own.lower() in writable() or own.lower() in paged else written_instead(own.lower())
    return own if own.lower() == wanted.lower() else wanted
