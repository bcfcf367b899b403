"""AVIF and HEIC: still pictures in ISO base media files, coded as AV1 or HEVC."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image as Pillow
from PIL.AvifImagePlugin import AvifImageFile

from translate.errors import DamagedError
from translate.imaging.colour.dynamic_range import NAMES, note_on
from translate.imaging.colour.spaces import cicp_profile
from translate.imaging.formats.animation import animated, frames_of
from translate.imaging.formats.codec import Codec, Keeps, Opened, Pages, Settings, check_frames, decoder, turned
from translate.imaging.formats.photo.boxes import HeifInfo, brands, heif_info
from translate.imaging.image import FRAMES, Header, Image, Limits
from translate.imaging.metadata.in_avif import with_items
from translate.imaging.metadata.metadata import NOTHING, exif_with_resolution
from translate.imaging.pixels import filled

Array = np.ndarray[Any, Any]

# Brands of files that the decoder here knows; others (`crx `, `qt  `, `isom`) are raws and films.
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class _Heif(Codec):
    """What AVIF and HEIC share: the header."""

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        info = heif_info(stream, size)
        width, height = info.upright
        bits = 8 if info.bits <= 8 else 16
        header = Header(
            self.name, width, height, info.channels, bits, info.alpha, "grey" if info.channels == 1 else "rgb"
        )
        # A picture may be put together of tiles: no part of it is larger than the limits, either.
        limits.check(Header(self.name, *info.largest, 3, bits, info.alpha, "rgb"), size, name)
        limits.check(header, size, name)
        return Opened(self, header, info)


class Avif(_Heif):
    """AVIF: 8, 10 and 12 bits, alpha, lossy or (at quality 100) lossless; 16 bits become 12."""

    name, suffixes = "avif", (".avif",)
    keeps = Keeps(bits=16, alpha=True, icc=True, side=65536)

    def recognises(self, head: bytes) -> bool:
        return head[4:8] == b"ftyp" and not _AVIF.isdisjoint(brands(head))

    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        opened = super().open(stream, size, name, limits)
        if opened.source.sequence:
            stream.seek(0)
            check_frames(min(AvifImageFile(stream).n_frames, FRAMES + 1), name)
        return opened

    paged = True

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        info: HeifInfo = _Heif.open(self, stream, len(data), name, limits).source
        if not info.sequence:
            return super().read_pages(stream, data, name, limits)
        pages = frames_of(AvifImageFile(BytesIO(data)), self.name, len(data), name, limits)
        if info.bits <= 8:
            return pages
        first = replace(pages.images[0], notes=(f"its frames have {info.bits} bits, of which 8 are read",))
        return replace(pages, images=(first, *pages.images[1:]))

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        if len(pages.images) == 1:
            return self.encode(pages.images[0], name, settings)
        options: dict[str, Any] = {"subsampling": "4:4:4" if settings.quality >= 90 else "4:2:0"}
        if metadata := pages.images[0].metadata:
            options |= {"exif": exif_with_resolution(metadata), "xmp": metadata.xmp}
        return animated(pages, "AVIF", quality=settings.quality, **options)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        info: HeifInfo = opened.source
        array = imagecodecs.avif_decode(data, index=0 if info.sequence else None, numthreads=1)
        array = array[..., None] if array.ndim == 2 else array
        return _image(opened, _transformed(filled(array, info.bits), info), _profile(data, name), name)

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        if image.bits > 8 or settings.quality >= 100:
            return _precisely(image, settings)
        options: dict[str, Any] = {"icc_profile": image.icc} if image.icc else {}
        if image.metadata:
            options |= {"exif": exif_with_resolution(image.metadata), "xmp": image.metadata.xmp}
        array = image.array
        if array.shape[2] <= 2:  # grey: three equal channels, which the format stores without their chroma
            array = np.dstack([array[..., :1]] * 3 + [array[..., 1:]])
        out = BytesIO()
        subsampling = "4:4:4" if settings.quality >= 90 else "4:2:0"
        Pillow.fromarray(array).save(out, "AVIF", quality=settings.quality, subsampling=subsampling, **options)
        return out.getvalue()


def _precisely(image: Image, settings: Settings) -> bytes:
    """A file of 8 or 12 bits; at quality 100 lossless: its channels are red, green and blue then, and no brightness."""
    array = np.ascontiguousarray(image.array[..., 0] if image.array.shape[2] == 1 else image.array)
    if array.ndim == 3 and array.shape[2] == 2:
        array = np.dstack([array[..., :1]] * 3 + [array[..., 1:]])
    deep = array.dtype == np.uint16
    if deep:
        array = ((array.astype(np.uint32) * 4095 + 32767) // 65535).astype(np.uint16)
    data = bytes(
        imagecodecs.avif_encode(
            array, level=settings.quality, bitspersample=12 if deep else None, numthreads=1, speed=6, primaries=1,
            transfer=13, matrix=0 if settings.quality >= 100 and array.ndim == 3 else 1,
        )
    )  # fmt: skip
    metadata = image.metadata or NOTHING
    return with_items(data, image.icc, exif_with_resolution(metadata), metadata.xmp)


class Heic(_Heif):
    """HEIC, the photos of telephones: 8, 10 and 12 bits, alpha. It is read and not written."""

    name, suffixes = "heic", (".heic", ".heif", ".hif")

    def recognises(self, head: bytes) -> bool:
        names = brands(head)
        return head[4:8] == b"ftyp" and _AVIF.isdisjoint(names) and not _HEIC.isdisjoint(names)

    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        heif = decoder("pillow_heif", name, "HEIC photos", "pillow-heif", "heic")
        file = heif.open_heif(BytesIO(data), convert_hdr_to_8bit=False)
        picture = file[file.primary_index]
        array: Array = np.asarray(picture)
        icc: Any = picture.info.get("icc_profile")
        array = array[..., None] if array.ndim == 2 else array
        # 10 and 12 bits come shifted to the top of 16.
        if array.dtype == np.uint16:
            array = filled(array >> 16 - opened.source.bits, opened.source.bits)
        image = _image(opened, array, icc, name)
        if len(file) < 2:
            return image
        note = f"it holds {len(file)} pictures, of which the one that it calls the primary is read"
        return replace(image, notes=(*image.notes, note))


def _image(opened: Opened, array: Array, icc: bytes | None, name: str) -> Image:
    """The image of a decoded array H x W x (1 to 4), whose form the header has announced."""
    header = opened.header
    if array.shape[2] in (3, 4) and header.channels == 1:
        array = array[..., [0, 3][: array.shape[2] - 2]]
    channels = header.channels
    if array.shape[2] < channels or array.dtype != np.dtype(header.dtype):
        raise DamagedError(f"{name}: damaged {header.format.upper()}: its header and its picture differ")
    primaries, transfer = opened.source.colours
    notes = (note_on(transfer),) if not icc and transfer in NAMES else ()
    # Encoders of video write the codes of its curve for what is sRGB.
    if not icc and channels == 3 and (primaries, transfer) not in [(1, curve) for curve in (1, 6, 14, 15)]:
        icc = cicp_profile(primaries, transfer)
    alpha = array[..., channels] if array.shape[2] > channels else None
    if header.alpha and alpha is None:
        alpha = np.full(array.shape[:2], np.iinfo(array.dtype).max, array.dtype)
    image = turned(opened, array[..., :channels], alpha if header.alpha else None, icc, name)
    return replace(image, notes=(*image.notes, *notes)) if notes else image


def _transformed(array: Array, info: HeifInfo) -> Array:
    x, y = info.corner
    array = array[y : y + info.height, x : x + info.width]
    for kind, value in info.transforms:
        # np.rot90 turns counterclockwise, as irot counts; imir names the axis that is mirrored.
        array = np.rot90(array, value) if kind == "turn" else np.flip(array, value)
    return array


def _profile(data: bytes, name: str) -> bytes | None:
    """The colour profile among the properties: in the box colr, behind the word prof or rICC."""
    for word in (b"colrprof", b"colrrICC"):
        at = data.find(word)
        if at >= 4:
            length = int.from_bytes(data[at - 4 : at], "big")
            return data[at + 8 : at - 4 + length]
    return None
