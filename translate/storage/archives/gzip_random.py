"""Random access to what gzip compressed, through copies of the decompressor at points on the way."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from translate.errors import DataError

_READ = 1 << 16
_BLOCK = 1 << 18
"""The most that is unpacked at once, whatever a few bytes may unpack to."""
POINTS = 512
"""Points that are remembered at most; each takes about 50 kB, most of it the last 32 kB that were unpacked."""
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say: with gzip's header, and its checksum at the end


@dataclass(frozen=True)
class _Point:
    """A place in the file from which it can be unpacked: the next byte to read, the unpacked bytes before it, and the
    state of the decompressor there."""

    packed: int
    unpacked: int
    state: Any


class GzipRandom:
    """The unpacked bytes of a gzip file (of several members, too), read at any place and from any thread.

    `sequential` unpacks the file once, in order, and remembers points; without it every read starts at the beginning.
    Errors: DataError naming the file.
    """

    def __init__(self, path: Path, spacing: int = 1 << 22) -> None:
        self._path = path
        self._spacing = spacing
        self._points = [_Point(0, 0, zlib.decompressobj(_GZIP))]
        self.size = 0
        """Unpacked bytes that were seen so far."""

    def sequential(self) -> Callable[[int, int], bytes]:
        """A function (offset, size) that gives bytes at offsets which never go back, in one pass over the file."""
        blocks = self._blocks(self._points[0], remember=True)
        block, start = b"", 0

        def read_at(offset: int, size: int) -> bytes:
            nonlocal block, start
            parts = bytearray()
            while len(parts) < size:
                wanted = offset + len(parts)
                if wanted < start + len(block):
                    parts += block[wanted - start : wanted - start + size - len(parts)]
                    continue
                start += len(block)
                block = next(blocks, b"")
                if not block:
                    break
            return bytes(parts)

        return read_at

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        point = self._points[bisect_right(self._points, offset, key=lambda point: point.unpacked) - 1]
        start, parts = point.unpacked, bytearray()
        for block in self._blocks(point, remember=False):
            wanted = offset + len(parts)
            if wanted < start + len(block):
                parts += block[wanted - start : wanted - start + size - len(parts)]
            start += len(block)
            if len(parts) == size:
                break
        return bytes(parts)

    def _blocks(self, point: _Point, *, remember: bool) -> Iterator[bytes]:
        """The unpacked bytes from a point to the end of the file."""
        state = point.state.copy()
        unpacked = point.unpacked
        with self._path.open("rb") as file:
            file.seek(point.packed)
            waiting = b""
            while waiting := waiting or file.read(_READ):
                if state.eof:
                    # One gzip file may follow another; zeros behind the last one are padding.
                    waiting = waiting.lstrip(b"\0")
                    if not waiting:
                        continue
                    state = zlib.decompressobj(_GZIP)
                try:
                    block = state.decompress(waiting, _BLOCK)
                except zlib.error as error:
                    raise DataError(f"{self._path}: damaged gzip data: {error}") from None
                waiting = state.unused_data if state.eof else state.unconsumed_tail
                unpacked += len(block)
                if remember:
                    self._remember(_Point(file.tell() - len(waiting), unpacked, state))
                if block:
                    yield block
            if not state.eof:
                raise DataError(f"{self._path}: truncated: its gzip data end early")

    def _remember(self, point: _Point) -> None:
        self.size = point.unpacked
        if point.unpacked - self._points[-1].unpacked < self._spacing:
            return
        self._points.append(_Point(point.packed, point.unpacked, point.state.copy()))
        if len(self._points) > POINTS:
            # Twice as far from one point to the next, so that the memory stays the same for a file of any size.
            self._points = self._points[::2]
            self._spacing *= 2
