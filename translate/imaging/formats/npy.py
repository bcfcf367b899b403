"""Arrays of NumPy in files (.npy): H x W, or H x W x C with any number of bands, of which none is alpha.

The header is read and judged before the content is looked at; a file of Python objects (pickles) is never loaded. The
format is described in NEP 1 and by `numpy.lib.format`.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from translate.errors import DamagedError, DataError
from translate.imaging.formats.codec import Codec, Keeps, Opened, Parts, Settings
from translate.imaging.formats.samples import FLOAT, SIGNED, UNSIGNED, as_samples
from translate.imaging.image import SCENES, Header, Image, Limits

Array = np.ndarray[Any, Any]

_HEAD = 1 << 16


class Npy(Codec):
    """Arrays of numpy: any bands and any finite floats; lossless."""

    gives_way = False
    name, suffixes, signatures = "npy", (".npy",), (b"\x93NUMPY",)
    # Alpha becomes the last band.
    keeps, guarded = Keeps(bits=32, floats=True, bands=True, alpha=True), False

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        npy = npy_header(stream.read(_HEAD), size, name)
        limits.check(npy.header, size, name)
        return Opened(self, npy.header, npy)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        return Image(decode_npy(data, opened.source, name), mode=opened.header.mode)

    def parts(self, stream: BinaryIO, size: int, name: str) -> Parts | None:
        stream.seek(0)
        npy = npy_header(stream.read(_HEAD), size, name)
        SCENES.check(npy.header, size, name)
        return NpyParts(stream, npy)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        return encode_npy(image.array)

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        return True  # its bytes are the samples


@dataclass(frozen=True)
class NpyHeader:
    """The header of an array file, whose content begins at byte `offset`; `fortran`: the first axis varies fastest."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def header(self) -> Header:
        """The header of the image."""
        height, width, channels = (*self.shape, 1)[:3]
        mode = {1: "grey", 3: "rgb"}.get(channels, "bands")
        is_float = self.dtype.kind not in "ub"
        bits = 32 if is_float else 8 * self.dtype.itemsize
        return Header("npy", width, height, channels, bits, False, mode, is_float)


class NpyParts(Parts):
    """The rows of an array file, which is mapped into memory and read where they lie."""

    def __init__(self, stream: BinaryIO, npy: NpyHeader) -> None:
        super().__init__((npy.shape[0], npy.shape[1]))
        self._stream, self._npy = stream, npy

    def part(self, first: int, last: int) -> tuple[int, int, bytes]:
        npy, out = self._npy, BytesIO()
        # Mapped anew for each part: pages of a map that stays count as memory of the process.
        array = np.memmap(self._stream, npy.dtype, "r", npy.offset, npy.shape, "F" if npy.fortran else "C")
        np.save(out, np.ascontiguousarray(array[first:last]), allow_pickle=False)
        return first, last, out.getvalue()


def npy_header(head: bytes, size: int, name: str) -> NpyHeader:
    """Reads the header at the beginning of a file of `size` bytes. Errors: DataError, where the length is wrong too."""
    stream = BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        # Both limit the text of the header to 10,000 bytes, and read it as a literal.
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"version {version[0]}.{version[1]}")
        shape, fortran, dtype = readers[version](stream)
    except Exception as error:  # a text that is no literal may raise nearly anything
        raise DamagedError(f"{name}: damaged or truncated NPY: {error}") from None
    bits = {"b": UNSIGNED, "u": UNSIGNED, "i": SIGNED, "f": FLOAT}
    if dtype.hasobject or 8 * dtype.itemsize not in bits.get(dtype.kind, ()):
        raise DataError(
            f"{name}: NPY of {dtype}; images are uint8, uint16, uint32, float32 or bool, or what becomes float32 "
            "(int8, int16, int32, float16, float64)"
        )
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(f"{name}: NPY of shape {shape}; an image is H x W or H x W x C")
    header = NpyHeader(shape, dtype, fortran, stream.tell())
    length = header.offset + header.dtype.itemsize * int(np.prod(shape, dtype=object))
    if size != length:
        what = "truncated" if size < length else "damaged"
        raise DataError(f"{name}: {what} NPY: {size:,} bytes where its header asks for {length:,}")
    return header


def decode_npy(data: bytes, npy: NpyHeader, name: str) -> Array:
    """The pixels, H x W x C. Errors: DataError, for samples that are not finite as well."""
    flat = np.frombuffer(data, npy.dtype, offset=npy.offset)
    array = flat.reshape(npy.shape, order="F" if npy.fortran else "C")
    if npy.dtype.kind == "b":  # black and white
        array = (array.view(np.uint8) != 0).astype(np.uint8) * np.uint8(255)
    samples = as_samples(array[..., None] if array.ndim == 2 else array, name)
    return samples if samples.flags.writeable else samples.copy()


def encode_npy(array: Array) -> bytes:
    """The bytes of a file of an array H x W x C, little-endian; of one band H x W."""
    out = BytesIO()
    flat = array[..., 0] if array.shape[2] == 1 else array
    np.save(out, np.ascontiguousarray(flat, flat.dtype.newbyteorder("<")), allow_pickle=False)
    return out.getvalue()
