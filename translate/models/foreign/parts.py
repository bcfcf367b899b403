"""Finds the networks within a checkpoint of another program, and the one that is to be imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from translate.errors import ConfigError, DataError
from translate.models.foreign.recognise import (
    Recognised,
    ResemblanceError,
    recognise,
    recognise_by_spandrel,
    without_prefix,
)
from translate.plugins import Registry
from translate.text import suggest

if TYPE_CHECKING:
    from torch import Tensor

DEPTH = 4
"""Levels of names at which one state dict may divide into several networks."""
LISTED = 12
"""Networks that an error lists, at most."""


@dataclass(frozen=True)
class Part:
    """A network within a file: where it stands, its tensors, and what it is or why it is none that is known.

    `path` are keys of mappings and beginnings of names, joined by dots (`state_dict.netG`); empty for a file that is
    one state dict. `beside` counts the tensors of the same state dict that are not its own.
    """

    path: str
    tensors: Mapping[str, Tensor]
    known: Recognised | DataError
    beside: int = 0

    @property
    def imports(self) -> bool:
        """True for a generator that can be imported."""
        return isinstance(self.known, Recognised) and self.known.layout.generates

    def in_words(self) -> str:
        """`params_ema: rrdb (...)`."""
        count = len(self.tensors)
        tensors = f"{count} tensor{'' if count == 1 else 's'}"
        what = f"{tensors} of an unknown layout"
        if isinstance(self.known, Recognised):
            what = self.known.in_words()
        elif isinstance(self.known, ResemblanceError):
            what = f"{tensors}; {str(self.known).partition(', but')[0]}, and differs"
        return f"{self.path or 'the file itself'}: {what}"


def find_parts(networks: Mapping[str, Mapping[str, Tensor]], registry: Registry, told: Mapping[str, Any]) -> list[Part]:
    """The networks of a file (see `read_networks`), of which those within one state dict are found by their names.
    `told` are options that are taken where no file tells."""
    parts: list[Part] = []
    for path, tensors in networks.items():
        known = _recognised(tensors, registry, told)
        if isinstance(known, Recognised):
            parts.append(Part(path, tensors, known))
            continue
        inner = list(_within(path, tensors, registry, told, DEPTH))
        good = any(isinstance(part.known, Recognised) for part in inner)
        near = any(isinstance(part.known, ResemblanceError) for part in inner)
        if not good and (other := _by_spandrel(tensors)) is not None:
            parts.append(Part(path, tensors, other))
            continue
        divided = good or (near and not isinstance(known, ResemblanceError))
        parts += inner if divided else [Part(path, tensors, known)]
    return parts


def choose(parts: Sequence[Part], name: str | None) -> Part:
    """The part of a name, which is its path or an end of it (`netG`), or without a name the only generator.

    Errors: ConfigError listing what is there (several, or none of this name), DataError where none can be imported.
    """
    if name is not None:
        return _named(parts, name)
    generators = [part for part in parts if part.imports]
    if len(generators) == 1:
        return generators[0]
    if len(generators) > 1:
        names = " or ".join(f"`--network {part.path}`" for part in generators[:3])
        raise ConfigError(f"it holds several networks; say which one, such as {names}. There are\n{_listed(parts)}")
    if len(parts) == 1:
        raise _unusable(parts[0])
    near = [part for part in parts if isinstance(part.known, ResemblanceError)]
    reason = f"{near[0].path}: {near[0].known}\n" if near else ""
    raise DataError(f"it holds no generator that is known. {reason}There are\n{_listed(parts)}")


def _named(parts: Sequence[Part], name: str) -> Part:
    wanted = name.strip(".").split(".")
    same = [part for part in parts if part.path == name]
    same = same or [part for part in parts if part.path.split(".")[-len(wanted) :] == wanted]
    same = same or [part for part in parts if _contains(part.path.split("."), wanted)]
    if len(same) > 1:
        same = [part for part in same if part.imports] or same
    if len(same) > 1:
        raise ConfigError(f"--network {name} fits several networks:\n{_listed(same)}")
    if not same:
        near = suggest(name, [part.path for part in parts if part.path])
        raise ConfigError(f"it holds no network {name!r}{near}. There are\n{_listed(parts)}")
    if not same[0].imports:
        raise _unusable(same[0])
    return same[0]


def _contains(path: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(list(path[n : n + len(wanted)]) == list(wanted) for n in range(len(path)))


def _unusable(part: Part) -> DataError:
    """Why a part cannot be imported."""
    where = f"{part.path}: " if part.path else ""
    if isinstance(part.known, Recognised):
        return DataError(
            f"{where}it is a discriminator of the reference implementation, which makes no images; import the generator"
        )
    return type(part.known)(f"{where}{part.known}") if type(part.known) is DataError else part.known


def _listed(parts: Sequence[Part]) -> str:
    lines = [f"  {part.in_words()}" for part in parts[:LISTED]]
    return "\n".join([*lines, *([f"  and {len(parts) - LISTED} more"] if len(parts) > LISTED else [])])


def _recognised(tensors: Mapping[str, Tensor], registry: Registry, told: Mapping[str, Any]) -> Recognised | DataError:
    try:
        return recognise({name: tuple(value.shape) for name, value in tensors.items()}, registry, **told)
    except DataError as error:
        return error


def _by_spandrel(tensors: Mapping[str, Tensor]) -> Recognised | DataError | None:
    try:
        return recognise_by_spandrel(tensors)
    except DataError as error:
        return error


def _within(
    path: str, tensors: Mapping[str, Tensor], registry: Registry, told: Mapping[str, Any], depth: int
) -> Iterator[Part]:
    """The networks of a state dict by what their names begin with: `netG.model.1.weight` is of `netG`."""
    groups: dict[str, dict[str, Tensor]] = {}
    for inner, theirs in without_prefix(tensors).items():
        first, dot, _ = inner.partition(".")
        if dot:
            groups.setdefault(first, {})[theirs] = tensors[theirs]
    if len(groups) == 1 and sum(map(len, groups.values())) == len(tensors):
        return
    for first, group in groups.items():
        here = f"{path}.{first}" if path else first
        known = _recognised(group, registry, told)
        inner_parts: list[Part] = []
        if not isinstance(known, Recognised) and depth:
            inner_parts = list(_within(here, group, registry, told, depth - 1))
        if any(isinstance(part.known, Recognised) for part in inner_parts):
            yield from inner_parts
        else:
            yield Part(here, group, known, beside=len(tensors) - len(group))
