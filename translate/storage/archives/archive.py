"""An archive by the names of its members: names that nobody vouches for, checked once when the archive is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from translate.errors import DataError
from translate.storage.plain_text import composed
from translate.text import suggest

MEMBERS = 5_000_000
"""An archive of more members than this is refused: its list would fill the memory."""

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Suffixes of archives, in lower case."""


@dataclass(frozen=True)
class Member:
    """A file in an archive: its `name` with slashes, its `size` in bytes once unpacked, and `place`, by which its
    archive reads it."""

    name: str
    size: int
    place: Any


class Archive(ABC):
    """A file that holds files. Its list of members is read once; `read` may be called from any thread.

    Members keep the names that the archive gives them, without `./`. Refused are names that lead out of the archive
    (`..`, absolute ones, backslashes, NUL), names that stand for two members, and links and devices.

    Errors: DataError naming the archive, and its member where it is about one.
    """

    kind: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, Member] = {}
        """All files of the archive by name, in the order in which they lie in it."""
        for member in self._list():
            if len(self.members) == MEMBERS:
                raise DataError(f"{path}: more than {MEMBERS:,} members; pack it as several archives")
            name = self._checked_name(member.name)
            if name in self.members:
                raise DataError(f"{path}: two members are called {name!r}; pack it again with one of each")
            self.members[name] = Member(name, member.size, member.place)

    @cached_property
    def folders(self) -> frozenset[str]:
        """The names of all folders that hold a member, at any depth; the archive itself is called `.`."""
        folders = {"."}
        for name in self.members:
            for parent in PurePosixPath(name).parents:
                # All folders above one that is there are there as well.
                if str(parent) in folders:
                    break
                folders.add(str(parent))
        return frozenset(folders)

    @cached_property
    def _by_composed_name(self) -> dict[str, Member]:
        return {composed(name): member for name, member in self.members.items() if not name.isascii()}

    def member(self, name: str) -> Member | None:
        """The member of a name, or of one that looks the same (NFC, NFD); None where there is none."""
        return self.members.get(name) or self._by_composed_name.get(composed(name))

    def read(self, name: str, limit: int) -> bytes:
        """All bytes of a member that has at most `limit` of them."""
        member = self.member(name)
        if member is None:
            raise DataError(f"{self.path}: {self._absent(name)}")
        if member.size > limit:
            raise DataError(f"{self.path}: member {name!r} has {member.size:,} bytes, more than the limit of {limit:,}")
        try:
            data = self._unpack(member)
        except DataError:
            raise
        except Exception as error:  # decompressors raise nearly anything at damaged bytes
            raise DataError(f"{self.path}: member {name!r} cannot be read: {error or type(error).__name__}") from None
        if len(data) != member.size:
            raise DataError(f"{self.path}: member {name!r} has {len(data):,} bytes, and {member.size:,} are announced")
        return data

    @abstractmethod
    def _list(self) -> Iterator[Member]:
        """The files of the archive, as their names stand in it."""

    @abstractmethod
    def _unpack(self, member: Member) -> bytes:
        """The bytes of a member; in any thread."""

    def _absent(self, name: str) -> str:
        for parent in PurePosixPath(name).parents:
            if str(parent) in self.members:
                return f"{str(parent)!r} is a file in it; archives within archives are not read, unpack it first"
        siblings = [other for other in self.members if PurePosixPath(other).name == PurePosixPath(name).name]
        hint = suggest(name, siblings or _few(self.members))
        return f"it has no member {name!r}{hint}"

    def _checked_name(self, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name or "\0" in name:
            raise DataError(f"{self.path}: a member is called {name!r}; names in it must be relative, with slashes")
        return str(path)

    def _refuse_link(self, name: str) -> DataError:
        return DataError(f"{self.path}: member {name!r} is a link or a device; pack the files that links lead to")


def _few(names: Iterable[str]) -> list[str]:
    """So many names that the nearest of them is found in no time."""
    return [name for name, _ in zip(names, range(10_000), strict=False)]
