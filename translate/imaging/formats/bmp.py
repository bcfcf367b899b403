"""Windows bitmaps (BMP); their structure is read from the bytes before any decoder sees them."""

from __future__ import annotations

import struct

from PIL.BmpImagePlugin import BmpImageFile

from translate.errors import DamagedError
from translate.imaging.formats.codec import Keeps, Opened, Settings
from translate.imaging.formats.pillow_file import PillowCodec, saved
from translate.imaging.image import Image


class Bmp(PillowCodec):
    """Windows bitmaps: 8 bits, lossless."""

    gives_way = False
    name, suffixes, signatures = "bmp", (".bmp", ".dib"), (b"BM",)
    keeps, guarded = Keeps(), False
    begins_like_text = True
    plugin = BmpImageFile

    def check_file(self, data: bytes, name: str) -> None:
        check_bmp(data, name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        return saved(image, format="BMP")

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        # Byte 14 is the header's length: 12 is OS/2's, which states no compression. Bytes 30 to 33 state it elsewhere:
        # 0 is none and 3 bit masks; 1 and 2 are run-length codes.
        return data[14] != 12 and data[30:34] in (b"\0\0\0\0", b"\3\0\0\0")


def check_bmp(data: bytes, name: str) -> None:
    """Checks that there are as many bytes of pixels as the header asks for. Run-length codes have an end mark instead.

    Errors: DataError.
    """
    if len(data) < 34:
        raise DamagedError(f"{name}: truncated BMP: the header is not whole")
    start, header = struct.unpack("<II", data[10:18])  # where the pixels begin; the length of the second header
    if header == 12:  # OS/2's, with sizes of 16 bits and no compression
        width, height, planes, depth = struct.unpack("<HHHH", data[18:26])
        packing = 0
    else:
        width, height, planes, depth, packing = struct.unpack("<iiHHI", data[18:34])
    if width < 1 or height == 0 or planes != 1 or start < 14 + header:
        raise DamagedError(f"{name}: damaged BMP: its header contradicts itself")
    # A negative height means that the first row is the upper one. Each row fills whole words of 32 bits.
    rows = abs(height) * ((width * depth + 31) // 32 * 4)
    if packing in (0, 3, 6) and len(data) < start + rows:
        raise DamagedError(f"{name}: truncated BMP: {len(data):,} of {start + rows:,} bytes")
