"""Download with resume and checksum, and extraction that trusts nothing in an archive."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from translate.contracts import Console
from translate.errors import DataError
from translate.storage.file_names import refused_name

MB = 1 << 20
_ATTEMPTS = 5


@dataclass(frozen=True)
class Caps:
    """The most that an archive may unpack to."""

    files: int = 200_000
    bytes: int = 16 << 30


def download(
    url: str,
    target: Path,
    console: Console,
    *,
    expected: int | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    pause: float = 2.0,
) -> None:
    """Downloads `url` to `target`; a connection that breaks is resumed, also by a later call.

    What is there so far lies in `<target>.part`, with the server's name for that version beside it, so that parts of
    two versions are never joined. `expected` bytes only size the disk check and a warning. Errors: DataError.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url}: only http and https addresses are downloaded")
    part, tag = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.etag")
    target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        try:
            _continue(url, part, tag, console, expected, timeout)
            break
        except (URLError, OSError, http.client.HTTPException) as error:
            if isinstance(error, HTTPError) and error.code < 500:
                raise DataError(f"{url}: the server answers {error.code} {error.reason}") from None
            if attempt == _ATTEMPTS - 1:
                raise DataError(f"{url}: {error}; run the same command again, it resumes") from None
            time.sleep(pause * attempt)
    if sha256 is not None and (found := _sha256(part)) != sha256.lower():
        part.unlink()
        raise DataError(f"{url}: wrong checksum: sha256 {found} instead of {sha256}; the download was deleted")
    if expected is not None and part.stat().st_size != expected:
        console.warn(f"{url}: {part.stat().st_size:,} bytes, while the card says {expected:,}: it was changed since")
    part.replace(target)
    tag.unlink(missing_ok=True)


def _continue(url: str, part: Path, tag: Path, console: Console, expected: int | None, timeout: float) -> None:
    """One connection: from where `part` ends to the end, or an error. Errors: OSError and kin, DataError."""
    have = part.stat().st_size if part.exists() else 0
    version = tag.read_text("utf-8") if tag.exists() else ""
    headers = {"User-Agent": "translate-i2i", "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        response = urlopen(Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return None  # all of it was there
        part.unlink()  # it is longer than the file there is now
        return _continue(url, part, tag, console, expected, timeout)
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else expected
        _room(part.parent, (total or 0) - have)
        tag.write_text(_version(response.headers), "utf-8")
        with part.open("ab" if have else "wb") as file, _megabytes(console, part.stem, total or 0, have) as advance:
            while block := response.read(MB):
                file.write(block)
                advance(len(block))
        if length is not None and part.stat().st_size != total:
            raise ConnectionError(f"the connection ended at {part.stat().st_size:,} of {total:,} bytes")
    return None


def _version(headers: Message) -> str:
    """What `If-Range` may name: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def extract(archive: Path, inside: str, folder: Path, console: Console, *, caps: Caps = Caps()) -> None:
    """Unpacks the folder `inside` of a .tar.gz or .zip as `folder`, which appears at once when all is well.

    Only plain files and folders with relative names: links, devices, absolute names, `..` and more than `caps` are
    refused. Errors: DataError, after which nothing is left.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _room(folder.parent, sum(info.file_size for info in opened.infolist()))
                _unpack(_zip_members(opened), partial, console, archive, caps)
        else:
            _room(folder.parent, archive.stat().st_size)
            with tarfile.open(archive, "r:*") as opened_tar:
                _unpack(_tar_members(opened_tar), partial, console, archive, caps)
        if not (partial / inside).is_dir():
            raise DataError(f"{archive}: it holds no folder {inside!r}")
        (partial / inside).replace(folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive}: cannot be unpacked: {error}; delete it and fetch it again") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str
    open: Callable[[], IO[bytes] | None]


def _tar_members(opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened:
        kind = "link or device"
        if info.isreg():
            kind = "file"
        elif info.isdir():
            kind = "folder"
        yield _Member(info.name, kind, lambda info=info: opened.extractfile(info))  # type: ignore[misc]


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        mode = info.external_attr >> 16
        kind = "folder" if info.is_dir() else "file"
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):  # 0: packed where files have no mode
            kind = "link or device"
        yield _Member(info.filename, kind, lambda info=info: opened.open(info))  # type: ignore[misc]


def _unpack(members: Iterator[_Member], partial: Path, console: Console, archive: Path, caps: Caps) -> None:
    files = size = 0
    with _megabytes(console, f"unpack {archive.name}", 0, 0) as advance:
        for member in members:
            path = PurePosixPath(member.name)
            if (
                path.is_absolute()
                or ".." in path.parts
                or "\\" in member.name
                or ":" in member.name
                or "\0" in member.name
            ):
                raise DataError(f"{archive}: it names {member.name!r}, outside of its folder; nothing was unpacked")
            if part := refused_name(member.name):
                raise DataError(f"{archive}: this system cannot store the name {part!r}; nothing was unpacked")
            if member.kind not in ("file", "folder"):
                raise DataError(f"{archive}: {member.name!r} is a {member.kind}; nothing was unpacked")
            target = partial / path
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            files += 1
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            assert source is not None
            with source, target.open("xb") as file:
                while block := source.read(MB):
                    size += len(block)
                    if files > caps.files or size > caps.bytes:
                        raise DataError(f"{archive}: unpacks to more than {caps.files:,} files or {caps.bytes:,} bytes")
                    file.write(block)
                    advance(len(block))


def _room(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(f"{folder}: {needed / MB:,.0f} MB are needed and {free / MB:,.0f} MB free")


@contextmanager
def _megabytes(console: Console, title: str, total: int, have: int) -> Iterator[Callable[[int], None]]:
    """A progress bar in whole megabytes, advanced by bytes."""
    seen = have
    with console.progress(title, -(-total // MB), done=have // MB, unit="MB") as progress:

        def advance(n: int) -> None:
            nonlocal seen
            before, seen = seen // MB, seen + n
            if seen // MB > before:
                progress.advance(seen // MB - before)

        yield advance


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
