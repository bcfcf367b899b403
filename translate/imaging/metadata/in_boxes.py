"""Metadata of formats in boxes: EXIF and XMP of JPEG XL (ISO 18181-2), AVIF and HEIC (ISO 23008-12)."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL.AvifImagePlugin import AvifImageFile

from translate.imaging.formats.codec import decoder
from translate.imaging.formats.photo.boxes import box, boxes
from translate.imaging.metadata.metadata import Metadata, exif_with_resolution, resolution_of, upright_exif
from translate.imaging.metadata.tiff_tags import read_tags

CODESTREAM = b"\xff\x0a"
SIGNATURE = (b"JXL ", b"\r\n\x87\n")
FILE_TYPE = (b"ftyp", b"jxl " + bytes(4) + b"jxl ")


def read_jxl(data: bytes) -> Metadata:
    """The metadata of a JPEG XL file; a bare codestream has none."""
    if data.startswith(CODESTREAM):
        return Metadata()
    content = dict(boxes(data))
    exif = content.get(b"Exif", b"")
    # The box begins with the number of bytes between this number and the block.
    return _metadata(exif[4 + int.from_bytes(exif[:4], "big") :], content.get(b"xml ", b""))


def write_jxl(data: bytes, metadata: Metadata) -> bytes:
    """A JPEG XL file with metadata: a bare codestream is put into boxes."""
    exif = exif_with_resolution(metadata)
    if not (exif or metadata.xmp):
        return data
    content = [SIGNATURE, FILE_TYPE, (b"jxlc", data)] if data.startswith(CODESTREAM) else list(boxes(data))
    content += [(b"Exif", bytes(4) + exif)] if exif else []
    content += [(b"xml ", metadata.xmp)] if metadata.xmp else []
    return b"".join(box(kind, value) for kind, value in content)


def read_avif(data: bytes) -> Metadata:
    """The metadata of an AVIF file."""
    return _of_info(AvifImageFile(BytesIO(data)).info)


def read_heic(data: bytes) -> Metadata:
    """The metadata of a HEIC file."""
    file = decoder("pillow_heif", "", "HEIC photos", "pillow-heif", "heic").open_heif(BytesIO(data))
    return _of_info(file[file.primary_index].info)


def _of_info(info: dict[Any, Any]) -> Metadata:
    return _metadata(info.get("exif") or b"", info.get("xmp") or b"")


def _metadata(exif: bytes, xmp: bytes) -> Metadata:
    block = exif.removeprefix(b"Exif\0\0")
    return Metadata(resolution_of(read_tags(block)), upright_exif(block), xmp)
