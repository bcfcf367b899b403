"""DICOM, the files of medical scanners, by the package pydicom (an extra)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.formats.codec import Codec, Opened, Pages, check_frames, decoder
from translate.imaging.formats.samples import as_samples
from translate.imaging.image import FRAMES, Header, Image, Limits

Array = np.ndarray[Any, Any]

# Transfer syntaxes: how pixels are stored (DICOM PS3.5, annex A), and how imagecodecs calls their decoders.
_DECODERS = {
    "1.2.840.10008.1.2.4.50": "jpeg8", "1.2.840.10008.1.2.4.51": "jpeg", "1.2.840.10008.1.2.4.57": "jpeg",
    "1.2.840.10008.1.2.4.70": "jpeg", "1.2.840.10008.1.2.4.80": "jpegls", "1.2.840.10008.1.2.4.81": "jpegls",
    "1.2.840.10008.1.2.4.90": "jpeg2k", "1.2.840.10008.1.2.4.91": "jpeg2k", "1.2.840.10008.1.2.4.201": "htj2k",
    "1.2.840.10008.1.2.4.202": "htj2k", "1.2.840.10008.1.2.4.203": "htj2k",
}  # fmt: skip


class Dicom(Codec):
    """DICOM: grey of 8 and 16 bits, signed as floats, and RGB. It is read and not written."""

    name, suffixes = "dicom", (".dcm", ".dicom", ".ima")
    instead = ".tif"

    def recognises(self, head: bytes) -> bool:
        return head[128:132] == b"DICM"

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        opened, frames = self._header(stream, size, name, limits)
        check_frames(frames, name)
        return opened

    def _header(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> tuple[Opened, int]:
        """The opened file and the number of its frames."""
        stream.seek(0)
        facts = _facts(stream, name)
        rows, columns, samples = (int(facts.get(key, 0)) for key in ("Rows", "Columns", "SamplesPerPixel"))
        if not (rows and columns and samples):
            raise DamagedError(f"{name}: DICOM without a picture, or damaged: it gives no size")
        bits, stored = int(facts.get("BitsAllocated", 0)), int(facts.get("BitsStored", 0))
        if samples not in (1, 3) or bits not in (8, 16, 32) or not 0 < stored <= bits:
            raise UnsupportedError(f"{name}: DICOM of {samples} samples of {bits} bits is not read; convert it to TIFF")
        if "PALETTE" in str(facts.get("PhotometricInterpretation", "")):
            raise UnsupportedError(f"{name}: DICOM with a palette is not read; convert it to RGB")
        floats = bool(facts.get("PixelRepresentation", 0)) or bits == 32
        mode = "grey" if samples == 1 else "rgb"
        header = Header(self.name, columns, rows, samples, 32 if floats else bits, False, mode, floats)
        limits.check(header, size, name)
        return Opened(self, header), int(facts.get("NumberOfFrames", 1) or 1)

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        opened, frames = self._header(stream, len(data), name, limits)
        if frames > FRAMES or frames * opened.header.decoded > limits.decoded:
            raise DataError(f"{name}: {frames:,} frames are more than {limits.decoded:,} bytes, or than {FRAMES:,}")
        return Pages(tuple(self._frame(opened, data, number, frames, name) for number in range(frames)))

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        return self._frame(opened, data, 0, 1, name)

    def _frame(self, opened: Opened, data: bytes, number: int, frames: int, name: str) -> Image:
        """One of so many frames, counted from 0."""
        pydicom = decoder("pydicom", name, "DICOM files", "pydicom", "dicom")
        facts = pydicom.dcmread(BytesIO(data))
        header = opened.header
        array = _pixels(facts, number, frames, name).reshape(header.height, header.width, header.channels)
        highest = (1 << int(facts.BitsStored)) - 1
        if str(facts.PhotometricInterpretation) == "MONOCHROME1":  # 0 is white
            array = (array.min() + array.max()) - array if header.float else highest - array
        array = as_samples(array, name)
        ranges = None
        if header.bits == 16 and highest < 65535:
            ranges = [(0.0, float(highest))]
        return Image(np.ascontiguousarray(array), mode=header.mode, ranges=ranges)


def _facts(stream: BinaryIO, name: str) -> Any:
    """The elements before the pixels. Errors: DataError where pydicom is not installed, or gives the file up."""
    pydicom = decoder("pydicom", name, "DICOM files", "pydicom", "dicom")
    try:
        return pydicom.dcmread(stream, stop_before_pixels=True)
    except Exception as error:  # it raises nearly anything at damaged files
        raise DamagedError(f"{name}: damaged or truncated DICOM: {error}") from None


def _pixels(facts: Any, number: int, frames: int, name: str) -> Array:
    """The samples of one of so many frames, signed or unsigned."""
    syntax = str(facts.file_meta.TransferSyntaxUID)
    if syntax not in _DECODERS:
        whole: Array = facts.pixel_array
        return whole if frames == 1 else whole[number]
    encaps = decoder("pydicom.encaps", name, "DICOM files", "pydicom", "dicom")
    decode: Callable[[bytes], Array] = getattr(imagecodecs, f"{_DECODERS[syntax]}_decode")
    array: Array = np.asarray(decode(encaps.get_frame(facts.PixelData, number, number_of_frames=frames)))
    if facts.PixelRepresentation and array.dtype.kind == "u":
        # Numbers in two's complement of as many bits as are stored.
        spare = 8 * array.dtype.itemsize - int(facts.BitsStored)
        array = (array << spare).view(f"i{array.dtype.itemsize}") >> spare
    return array
