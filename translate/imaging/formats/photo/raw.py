"""Raw files of cameras (DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2, ...), developed by LibRaw (the extra rawpy).

Most are TIFFs whose first directory is a small preview: the photo is in another one, as a mosaic of single colours.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from translate.errors import DamagedError
from translate.imaging.formats.codec import Codec, Opened, decoder
from translate.imaging.image import Header, Image, Limits

_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO\x08", b"IIRS\x08", b"MMOR", b"IIU\x00", b"FOVb")


# Tags: NewSubfileType, PhotometricInterpretation, Make, SubIFDs, DNGVersion; and the interpretation of a mosaic.
_REDUCED, _PHOTOMETRIC, _MAKE, _PARTS, _DNG = 254, 262, 271, 330, 50706
_MOSAIC = 32803


class Raw(Codec):
    """Raw photos: they are developed to RGB of 16 bits in sRGB, with the camera's white balance."""

    name = "raw"
    suffixes = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".nrw", ".sr2", ".rwl")

    def recognises(self, head: bytes) -> bool:
        cr2 = head[:4] == b"II*\0" and head[8:10] == b"CR"
        return cr2 or head.startswith(_SIGNATURES) or head[4:12] == b"ftypcrx " or is_raw_tiff(head)

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        stream.seek(0)
        with _opened(stream, name) as raw:
            sizes = raw.sizes
            width, height = sizes.iwidth, sizes.iheight
            if sizes.flip in (5, 6):  # the camera was held upright: developing turns it
                width, height = height, width
            stored = Header(self.name, sizes.raw_width, sizes.raw_height, 1, 16, False, "grey")
        limits.check(stored, size, name)
        header = Header(self.name, width, height, 3, 16, False, "rgb")
        limits.check(header, size, name)
        return Opened(self, header)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        with _opened(BytesIO(data), name) as raw:
            array = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
        if array.shape != (opened.header.height, opened.header.width, 3):
            raise DamagedError(f"{name}: damaged raw photo: its header and its picture differ")
        return Image(np.ascontiguousarray(array))


def is_raw_tiff(head: bytes) -> bool:
    """Whether a TIFF is a raw photo, by its first directory: it has a version of DNG, or a mosaic, or a camera's
    preview and further parts."""
    if len(head) < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order = "<" if head[:2] == b"II" else ">"
    at = struct.unpack(f"{order}I", head[4:8])[0]
    if len(head) < at + 2:
        return False
    tags: dict[int, int] = {}
    for number in range(min(256, struct.unpack(f"{order}H", head[at : at + 2])[0])):
        entry = head[at + 2 + 12 * number : at + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, kind, _ = struct.unpack(f"{order}HHI", entry[:8])
        # A value of 2 bytes (kind 3) stands at the beginning of its 4.
        form, value = ("H", entry[8:10]) if kind == 3 else ("I", entry[8:])
        tags[tag] = struct.unpack(order + form, value)[0]
    preview = bool(tags.get(_REDUCED, 0) & 1) and _PARTS in tags and _MAKE in tags
    return _DNG in tags or tags.get(_PHOTOMETRIC) == _MOSAIC or preview


def _opened(stream: BinaryIO, name: str) -> Any:
    rawpy = decoder("rawpy", name, "raw photos", "rawpy", "raw")
    try:
        return rawpy.imread(stream)
    except rawpy.LibRawError as error:
        words = str(error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error)
        raise DamagedError(f"{name}: damaged raw photo, or of a camera that LibRaw does not know: {words}") from None
