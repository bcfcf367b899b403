"""Tar archives, plain and compressed by gzip: a header before each member, so that the list takes one pass."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from translate.errors import DataError
from translate.storage.archives.archive import Archive, Member
from translate.storage.archives.gzip_random import GzipRandom

_BLOCK = tarfile.BLOCKSIZE
_TEXT = 1 << 20
"""The longest header of names and attributes that is read."""
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_FOLDER = b"5"
_REGULAR = (b"0", b"\0", b"7")


class _Bytes(Protocol):
    """The unpacked bytes of a tar file."""

    size: int

    def read_at(self, offset: int, size: int) -> bytes: ...


class _PlainFile:
    """A file that is opened for each read: threads share no position, and archives by the thousand no handles."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def read_at(self, offset: int, size: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


class TarArchive(Archive):
    """A tar archive (ustar, GNU or pax). One that gzip compressed is unpacked in memory, once, to find its members;
    after that each is read from the nearest of the points that were remembered on the way."""

    kind = "tar"

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                compressed = file.read(2) == b"\x1f\x8b"
            self._bytes: _Bytes = _PlainFile(path)
            if compressed:
                self._bytes = GzipRandom(path)
            super().__init__(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None

    def _list(self) -> Iterator[Member]:
        if isinstance(self._bytes, GzipRandom):
            yield from self._headers(self._bytes.sequential())
            return
        with self.path.open("rb") as file:

            def skip_to(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            yield from self._headers(skip_to)

    def _headers(self, read_at: Callable[[int, int], bytes]) -> Iterator[Member]:
        """Walks from header to header. `read_at` is only asked for places behind those that it was asked for before."""
        offset = 0
        name, size = "", -1  # of the next member, where a header before it says them
        while True:
            header = read_at(offset, _BLOCK)
            if not header.strip(b"\0"):
                # The end is two blocks of zeros; archives that were cut off behind a member are read for what they hold
                return
            info = self._parsed(header, offset)
            if size >= 0:
                info.size = size
            data = offset + _BLOCK
            offset = data + -(-info.size // _BLOCK) * _BLOCK
            if info.type in (_LONG_NAME, _PAX, _PAX_GLOBAL, _LONG_LINK):
                if info.size > _TEXT:
                    raise DataError(f"{self.path}: a header of {info.size:,} bytes, more than the limit of {_TEXT:,}")
                text = read_at(data, info.size)
                if info.type == _LONG_NAME:
                    name = _text(text.rstrip(b"\0"))
                elif info.type == _PAX:
                    name, size = self._pax(text, name, size)
                continue
            yield from self._member(info, name or info.name, data)
            name, size = "", -1

    def _parsed(self, header: bytes, offset: int) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise DataError(
                f"{self.path}: damaged or truncated tar archive: {error} (header at byte {offset:,})"
            ) from None

    def _pax(self, text: bytes, name: str, size: int) -> tuple[str, int]:
        """Name and size out of records `LENGTH KEY=VALUE`, each of LENGTH bytes with its newline."""
        while text:
            length, _, _ = text.partition(b" ")
            if not length.isdigit() or not len(length) < int(length) <= len(text):
                raise DataError(f"{self.path}: damaged tar archive: a pax header whose records have no length")
            key, _, value = text[len(length) + 1 : int(length) - 1].partition(b"=")
            if key.startswith(b"GNU.sparse"):
                raise DataError(f"{self.path}: it holds sparse files; pack it again without them")
            if key == b"path":
                name = _text(value)
            elif key == b"size" and value.isdigit():
                size = int(value)
            text = text[int(length) :]
        return name, size

    def _member(self, info: tarfile.TarInfo, name: str, data: int) -> Iterator[Member]:
        if info.type == _FOLDER or (info.type == b"\0" and name.endswith("/")):
            return
        if info.type not in _REGULAR:
            raise self._refuse_link(name)
        if not isinstance(self._bytes, GzipRandom) and data + info.size > self._bytes.size:
            raise DataError(f"{self.path}: truncated tar archive: member {name!r} ends behind the file")
        yield Member(name, info.size, data)

    def _unpack(self, member: Member) -> bytes:
        return self._bytes.read_at(member.place, member.size)


def _text(raw: bytes) -> str:
    return os.fsdecode(raw) if os.name != "nt" else raw.decode("utf-8", "replace")
