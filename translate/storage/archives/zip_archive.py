"""Zip archives: the central directory at the end of the file lists all members."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from translate.errors import DataError
from translate.storage.archives.archive import Archive, Member

_ENCRYPTED = 0x1  # the first bit of a member's flags


class ZipArchive(Archive):
    """A zip archive, stored or compressed in any way that Python's `zipfile` knows. Encrypted members are refused."""

    kind = "zip"

    def __init__(self, path: Path) -> None:
        try:
            # It stays open, and lends its file to any number of threads, one read at a time.
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise DataError(f"{path}: damaged or truncated zip archive: {error}") from None
        super().__init__(path)

    def _list(self) -> Iterator[Member]:
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):  # 0: packed where files have no mode
                raise self._refuse_link(info.filename)
            # `filename` has been cut at a NUL and turned by the system's separator; the name as stored is checked.
            yield Member(info.orig_filename, info.file_size, info)

    def _unpack(self, member: Member) -> bytes:
        if member.place.flag_bits & _ENCRYPTED:
            raise DataError(f"{self.path}: member {member.name!r} is encrypted; pack it again without a password")
        with self._zip.open(member.place) as file:
            return file.read(member.size + 1)
