"""Thousands of damaged files through the conversion of a folder: no crash, no hang, no damage that goes unnoticed.

    python tests/benchmarks/mutations.py --count 10000 --seed 0

Originals in 45 forms of eighteen formats are cut, spliced, overwritten with zeros, have bits flipped or bytes
removed, get another format's suffix, or are replaced by a bomb; all are converted by a child process, with the identity
for a network. Then, for each: it is in exactly one row of the results, took less than `SECONDS`, and, if it was
converted,

- `same`: the output is the undamaged original's (the damage was behind the end, or in what is no pixel), or
- `unseen`: two decoders of other hands (OpenCV, imagecodecs, tifffile, Pillow), strict, with warnings taken for
  errors, agree with the output: nothing in the file tells that it was ever different. Never of a file that was cut.

Anything else that was converted is `silent`: a damaged file converted as if it were whole. So is one of which a
`GuardedReader` makes something else when it reads the file once more. The exit code is 1 if there
is one, or anything of the above fails, or the child and its children together took more than `MEMORY` megabytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

SECONDS = 10.0
MEMORY = 1500.0
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".jxl", ".jp2", ".jls"),
    *(".jxr", ".qoi", ".ppm", ".pfm", ".hdr", ".exr", ".dcm"),
)
MUTATIONS = ("cut", "flip", "zero", "splice", "suffix", "drop", "bomb")

Array = np.ndarray[Any, Any]


# ---------------------------------------------------------------------------------------------------------- originals


def picture(height: int, width: int, seed: int) -> Array:
    """Waves and noise, H x W x 3 uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 7 + seed) + np.cos(y / 5), np.sin((x + y) / 9), np.cos(x / 6 - seed)], axis=2)
    return (128 + 55 * waves + rng.normal(0, 5, (height, width, 3))).clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, fmt: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def interlaced(array: Array) -> bytes:
    """A PNG in the seven passes of Adam7 (PNG specification, 8.2), which Pillow cannot write."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in array[y::dy, x::dx])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 8, 2, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_png(array: Array) -> bytes:
    from imagecodecs import png_encode

    return bytes(png_encode(array.astype(np.uint16) * 257 + np.arange(array.shape[1], dtype=np.uint16)[:, None]))


def deep_tiff(array: Array) -> bytes:
    import tifffile

    out = BytesIO()
    tifffile.imwrite(
        out, array.astype(np.uint16) * 257, photometric="rgb", compression="lzw", rowsperstrip=9, metadata=None
    )
    return out.getvalue()


def jpeg_with_orientation(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image, "JPEG", quality=80, exif=exif, restart_marker_rows=1)


def coded(name: str, **options: Any) -> Callable[[Array], bytes]:
    """A writer of imagecodecs."""

    def write(array: Array) -> bytes:
        import imagecodecs

        return bytes(getattr(imagecodecs, f"{name}_encode")(np.ascontiguousarray(array), **options))

    return write


def deep(array: Array) -> Array:
    """16 bits, none of which is a copy of the upper eight."""
    return array.astype(np.uint16) * 257 - np.arange(array.shape[1], dtype=np.uint16)[:, None] % 200


def tiff_by(compression: str) -> Callable[[Array], bytes]:
    def write(array: Array) -> bytes:
        import tifffile

        out = BytesIO()
        tifffile.imwrite(out, array, photometric="rgb", compression=compression, metadata=None)
        return out.getvalue()

    return write


def deep_inks(array: Array) -> bytes:
    """Cyan, magenta, yellow and black of 16 bits."""
    import tifffile

    out = BytesIO()
    inks = np.dstack([65535 - deep(array), np.zeros(array.shape[:2], np.uint16)])
    tifffile.imwrite(out, inks, photometric="separated", compression="lzw", metadata=None)
    return out.getvalue()


def sparse_tiff(array: Array) -> bytes:
    """Tiles of which the first is left out."""
    import tifffile

    out = BytesIO()
    tifffile.imwrite(out, array, photometric="rgb", tile=(16, 16), compression="zlib", metadata=None)
    data = bytearray(out.getvalue())
    with tifffile.TiffFile(BytesIO(data)) as file:
        for number in (324, 325):
            tag = file.pages.first.tags[number]
            data[tag.valueoffset : tag.valueoffset + int(tag.dtype) // 4 * 2 + 2] = bytes(int(tag.dtype) // 4 * 2 + 2)
    return bytes(data)


def heic(array: Array) -> bytes:
    import pillow_heif

    out = BytesIO()
    pillow_heif.from_pillow(Image.fromarray(array)).save(out, quality=90)
    return out.getvalue()


def exr(array: Array) -> bytes:
    import OpenEXR

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.exr"
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": (array / 255).astype(np.float16)}).write(str(path))
        return path.read_bytes()


def dicom(array: Array) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    facts = Dataset()
    facts.file_meta = meta
    facts.Rows, facts.Columns, facts.SamplesPerPixel, facts.PixelRepresentation = *array.shape[:2], 1, 0
    facts.BitsAllocated, facts.BitsStored, facts.HighBit = 16, 16, 15
    facts.PhotometricInterpretation = "MONOCHROME2"
    facts.PixelData = deep(array)[..., 0].tobytes()
    out = BytesIO()
    facts.save_as(out, enforce_file_format=True)
    return out.getvalue()


def text_ppm(array: Array) -> bytes:
    height, width = array.shape[:2]
    return b"P3\n%d %d\n255\n" % (width, height) + b" ".join(b"%d" % value for value in array.ravel())


FORMS: dict[str, tuple[str, Callable[[Array], bytes]]] = {
    "png 8": (".png", lambda a: saved(Image.fromarray(a), "PNG")),
    "png 16": (".png", deep_png),
    "png palette": (".png", lambda a: saved(Image.fromarray(a).quantize(64), "PNG")),
    "png interlaced": (".png", interlaced),
    "jpeg": (".jpg", lambda a: saved(Image.fromarray(a), "JPEG", quality=90)),
    "jpeg restart": (".jpg", lambda a: jpeg_with_orientation(Image.fromarray(a))),
    "jpeg progressive": (".jpeg", lambda a: saved(Image.fromarray(a), "JPEG", progressive=True)),
    "jpeg grey": (".jpg", lambda a: saved(Image.fromarray(a).convert("L"), "JPEG")),
    "jpeg cmyk": (".jpg", lambda a: saved(Image.fromarray(a).convert("CMYK"), "JPEG", quality=85)),
    "webp lossy": (".webp", lambda a: saved(Image.fromarray(a), "WEBP", quality=80)),
    "webp lossless": (".webp", lambda a: saved(Image.fromarray(a), "WEBP", lossless=True)),
    "tiff raw": (".tif", lambda a: saved(Image.fromarray(a), "TIFF")),
    "tiff lzw": (".tif", lambda a: saved(Image.fromarray(a), "TIFF", compression="tiff_lzw")),
    "tiff deflate": (".tiff", lambda a: saved(Image.fromarray(a), "TIFF", compression="tiff_adobe_deflate")),
    "tiff 16 lzw": (".tif", deep_tiff),
    "bmp": (".bmp", lambda a: saved(Image.fromarray(a), "BMP")),
    "gif": (".gif", lambda a: saved(Image.fromarray(a).quantize(64), "GIF")),
    "avif": (".avif", lambda a: saved(Image.fromarray(a), "AVIF", quality=80)),
    "avif 12": (".avif", lambda a: coded("avif", level=90, bitspersample=12)(deep(a) >> 4)),
    "avif lossless": (".avif", coded("avif", level=100, matrix=0)),
    "heic": (".heic", heic),
    "jxl": (".jxl", coded("jpegxl", lossless=True)),
    "jxl floats": (".jxl", lambda a: coded("jpegxl", lossless=True)((a / 255).astype(np.float32))),
    "jxl lossy": (".jxl", coded("jpegxl", level=80, usecontainer=True)),
    "jp2": (".jp2", coded("jpeg2k", level=0, reversible=True, codecformat="jp2")),
    "j2k 16": (".j2k", lambda a: coded("jpeg2k", level=0, reversible=True, codecformat="j2k")(deep(a))),
    "htj2k": (".jph", coded("htj2k", reversible=True)),
    "jls": (".jls", coded("jpegls")),
    "jxr": (".jxr", coded("jpegxr", level=1.0)),
    "jpeg 12": (".jpg", lambda a: coded("jpeg8", bitspersample=12, level=90)(deep(a)[..., 0] >> 4)),
    "jpeg lossless": (".jpg", lambda a: coded("ljpeg", bitspersample=16)(deep(a)[..., 0])),
    "qoi": (".qoi", coded("qoi")),
    "ppm": (".ppm", lambda a: saved(Image.fromarray(a), "PPM")),
    "ppm text": (".ppm", text_ppm),
    "pfm": (".pfm", lambda a: b"PF\n%d %d\n-1.0\n" % a.shape[1::-1] + (a[::-1] / 255).astype("<f4").tobytes()),
    "hdr": (".hdr", lambda a: coded("rgbe", header=True)((a / 255).astype(np.float32))),
    "exr": (".exr", exr),
    "dicom": (".dcm", dicom),
    "tiff inks 16": (".tif", deep_inks),
    "tiff sparse": (".tif", sparse_tiff),
    "tiff zstd": (".tif", tiff_by("zstd")),
    "tiff lzma": (".tif", tiff_by("lzma")),
    "tiff lerc": (".tif", tiff_by("lerc")),
    "tiff jpeg 2000": (".tif", tiff_by("jpeg2000")),
    "tiff webp": (".tif", tiff_by("webp")),
}


# ---------------------------------------------------------------------------------------------------------- mutations


def mutate(data: bytes, other: bytes, how: str, rng: np.random.Generator) -> bytes:
    """A damaged copy; `other` is another file, for splices."""
    size = len(data)
    if how == "cut":
        return data[: int(rng.integers(0, size))]
    if how == "splice":
        return data[: int(rng.integers(1, size))] + other[int(rng.integers(1, len(other))) :]
    changed = bytearray(data)
    at, length = int(rng.integers(0, size)), int(rng.integers(1, max(2, size // 4)))
    if how == "zero":
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    if how == "drop":
        del changed[at : at + int(rng.integers(1, 17))]
    if how == "flip":
        for _ in range(int(rng.integers(1, 9))):
            changed[int(rng.integers(0, size))] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def bombs() -> list[bytes]:
    spec = importlib.util.spec_from_file_location("bombs", Path(__file__).with_name("bombs.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [data for _, data in module.bombs() if len(data) < 200_000]


class Case:
    """A file, and the undamaged pixels that it was made of (of a splice, of both)."""

    def __init__(self, name: str, form: str, how: str, wholes: list[Array]) -> None:
        self.name, self.form, self.how, self.wholes = name, form, how, wholes


def build(folder: Path, count: int, seed: int) -> list[Case]:
    """Writes the files; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    forms = list(FORMS)
    originals = {
        form: [FORMS[form][1](picture(int(h), int(w), n)) for n, (h, w) in enumerate([(48, 64), (33, 47), (64, 80)])]
        for form in forms
    }
    wholes = {form: [independent(data) for data in made] for form, made in originals.items()}
    explosive, cases = bombs(), []
    for number in range(count):
        form, how = forms[number % len(forms)], MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        which = int(rng.integers(3))
        data, suffix, sources = originals[form][which], FORMS[form][0], [wholes[form][which]]
        if how == "bomb":
            data, sources = explosive[int(rng.integers(len(explosive)))], []
        elif how == "suffix":
            suffix = SUFFIXES[int(rng.integers(len(SUFFIXES)))]
        else:
            akin = form if rng.random() < 0.5 else forms[int(rng.integers(len(forms)))]
            second = int(rng.integers(3))
            data = mutate(data, originals[akin][second], how, rng)
            sources = [*sources, wholes[akin][second]] if how == "splice" else sources
        name = f"{number:06d}-{form.replace(' ', '-')}-{how}{suffix}"
        (folder / name).write_bytes(data)
        cases.append(Case(name, form, how, sources))
    return cases


# ------------------------------------------------------------------------------------------------------------- oracle


def independent(data: bytes) -> Array:
    """What two strict decoders that are not ours agree on, H x W x (1 or 3) over white, 8 or 16 bits.

    Errors: nearly anything where one of them refuses the file, warns, or they differ.
    """
    from translate.imaging.formats.table import codec_of

    kind = codec_of(data[:4096], "x").name
    first, second = [decoder(data) for decoder in DECODERS[kind]]
    assert first.shape == second.shape and np.array_equal(first, second), "two decoders, two images"
    return first


def by_pillow(data: bytes) -> Array:
    with Image.open(BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 1
        image = ImageOps.exif_transpose(opened)
        alpha = image.has_transparency_data
        grey = image.mode in ("L", "LA", "1")
        converted = image.convert(("L" if grey else "RGB") + ("A" if alpha else ""))
        return on_white(np.asarray(converted).reshape(image.height, image.width, -1), alpha)


def on_white(array: Array, alpha: bool) -> Array:
    if not alpha:
        return array
    weight = array[..., -1:].astype(np.uint64)
    top = int(np.iinfo(array.dtype).max)
    return ((array[..., :-1] * weight + top * (top - weight) + top // 2) // top).astype(array.dtype)


def by_opencv(data: bytes) -> Array:
    """Its libraries print their warnings; here these are errors."""
    import cv2

    with tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        words = said.read().decode(errors="replace")
    assert array is not None and not words.strip(), words
    array = array[..., None] if array.ndim == 2 else array
    return array[..., [2, 1, 0, *range(3, array.shape[2])]] if array.shape[2] > 2 else array


def jpeg_by_opencv(data: bytes) -> Array:
    from translate.imaging.pixels import upright

    with Image.open(BytesIO(data)) as opened:
        orientation, ink = opened.getexif().get(0x0112, 1), opened.mode == "CMYK"
    array = by_opencv(data)
    return by_pillow(data) if ink else upright(array, orientation)  # of ink they make other colours


def png_by_opencv(data: bytes) -> Array:
    array = by_opencv(data)
    return on_white(array, array.shape[2] in (2, 4))


def png_by_libpng(data: bytes) -> Array:
    from imagecodecs import png_decode

    array = png_decode(data)
    array = array[..., None] if array.ndim == 2 else array
    return on_white(array, array.shape[2] in (2, 4))


def webp_by_imagecodecs(data: bytes) -> Array:
    from imagecodecs import webp_decode

    array = webp_decode(data)
    return on_white(array, array.shape[2] == 4)


def gif_by_imagecodecs(data: bytes) -> Array:
    """giflib, which insists on all codes; what is transparent it does not tell, so Pillow does."""
    from imagecodecs import gif_decode

    array = gif_decode(data if data.endswith(b";") else data + b";")
    with Image.open(BytesIO(data)) as opened:
        return by_pillow(data) if opened.has_transparency_data else array[..., :3]


def tiff_by_tifffile(data: bytes) -> Array:
    import tifffile

    from translate.imaging.pixels import upright

    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        unstated = "PhotometricInterpretation" not in page.tags  # three samples are RGB then, as libtiff has it
        known = ((3, 0),) if unstated else ((3, 2), (4, 5))
        assert len(file.pages) == 1 and (page.shape[-1], page.photometric) in known
        if page.photometric == 5:
            stored = page.asarray().astype(np.uint32)
            left = (65535 - stored[..., :3]) * (65535 - stored[..., 3:])
            return ((left + 32767) // 65535).astype(np.uint16)
        assert page.tags["Orientation"].value == 1 if "Orientation" in page.tags else True
        return upright(page.asarray(), 1)


def tiff_by_imagecodecs(data: bytes) -> Array:
    """libtiff."""
    from imagecodecs import tiff_decode

    array = tiff_decode(data)
    return array[..., None] if array.ndim == 2 else array


def tiff_by_pillow_or_libtiff(data: bytes) -> Array:
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as file:
        first = file.pages.first
        is_deep, compression = first.dtype != np.uint8, int(first.compression)
        ours_alone = first.photometric == 5 or 0 in first.dataoffsets
    if compression in (34712, 34887, 50001) or ours_alone:  # of which Pillow's libtiff knows none
        return tiff_by_tifffile(data)
    return tiff_by_imagecodecs(data) if is_deep else by_pillow(data)


def ended(data: bytes, end: bytes) -> bytes:
    """The file with the end that every viewer does without."""
    return data if end in data else data + end


def raw(name: str, bits: int = 0) -> Callable[[bytes], Array]:
    """A decoder of imagecodecs, of samples that fill their type or have so many `bits`."""

    def read(data: bytes) -> Array:
        import imagecodecs

        array = np.asarray(getattr(imagecodecs, f"{name}_decode")(data))
        array = array[..., None] if array.ndim == 2 else array
        return filled(array, bits) if bits and array.dtype == np.uint16 else array

    return read


def filled(array: Array, bits: int) -> Array:
    top = (1 << bits) - 1
    return ((array.astype(np.uint32).clip(0, top) * 65535 + top // 2) // top).astype(np.uint16)


def special_jpeg(data: bytes) -> Array:
    """JPEGs that Pillow does not know, by libjpeg; all others as above."""
    from imagecodecs import jpeg_decode

    frame = next(at for at in range(2, len(data)) if data[at - 1] == 0xFF and data[at] in (0xC1, 0xC3))
    array = np.asarray(jpeg_decode(data))
    array = array[..., None] if array.ndim == 2 else array
    return filled(array, data[frame + 3]) if array.dtype == np.uint16 else array


def jpeg_by_pillow(data: bytes) -> Array:
    data = ended(data, b"\xff\xd9")
    try:
        return by_pillow(data)
    except OSError:
        return special_jpeg(data)


def jpeg_by_any(data: bytes) -> Array:
    data = ended(data, b"\xff\xd9")
    try:
        return jpeg_by_opencv(data)
    except Exception:
        return special_jpeg(data)


def pfm_by_opencv(data: bytes) -> Array:
    return in_16_bits(by_opencv(data))


def jxl_by_imagecodecs(data: bytes) -> Array:
    array = raw("jpegxl")(data)
    return in_16_bits(array) if array.dtype == np.float32 else array


def heic_by_pillow(data: bytes) -> Array:
    """A reader may take any of the brands of a file (ISO 14496-12, 4.3), and Pillow looks at the first alone."""
    import pillow_heif

    from translate.imaging.formats.photo.boxes import brands

    pillow_heif.register_heif_opener()
    return by_pillow(data[:8] + b"heic" + data[12:] if b"heic" in brands(data) else data)


def in_16_bits(array: Array) -> Array:
    """Floats from 0 to 1 in steps of the PNG, and not rounded to them: see `equal`."""
    assert np.isfinite(array).all()
    return array.clip(0, 1) * np.float64(65535)


def equal(made: Array, wanted: Array) -> bool:
    """Whether an output has the values of an image: the same ones, or of an image of floats the nearest ones.

    Networks see floats from -1 to 1, which are 2^-24 apart near the ends, where a step of 16 bits is 2^-15: what is a
    few of the former from the middle between two of the latter may become either.
    """
    if made.shape != wanted.shape:
        return False
    if wanted.dtype != np.float64:
        return made.dtype == wanted.dtype and bool((made == wanted).all())
    return made.dtype == np.uint16 and bool((np.abs(made - wanted) <= 0.5 + 1 / 128).all())


def hdr_by_imagecodecs(data: bytes) -> Array:
    from imagecodecs import rgbe_decode

    return in_16_bits(rgbe_decode(data, header=True))


def exr_by_openexr(data: bytes) -> Array:
    import OpenEXR

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.exr"
        path.write_bytes(data)
        return in_16_bits(OpenEXR.File(str(path)).channels()["RGB"].pixels.astype(np.float32))


def dicom_by_pydicom(data: bytes) -> Array:
    import pydicom

    facts = pydicom.dcmread(BytesIO(data))
    array = facts.pixel_array
    array = array.max() + array.min() - array if facts.PhotometricInterpretation == "MONOCHROME1" else array
    return array.reshape(*array.shape[:2], -1)


def avif_by_imagecodecs(data: bytes) -> Array:
    return raw("avif", 12)(data)


def avif_by_any(data: bytes) -> Array:
    array = avif_by_imagecodecs(data)
    try:
        return array if array.dtype == np.uint16 else by_pillow(data)
    except Image.UnidentifiedImageError:  # it looks at the first brand alone
        return array


DECODERS: dict[str, tuple[Callable[[bytes], Array], Callable[[bytes], Array]]] = {
    "png": (png_by_libpng, png_by_opencv),
    "jpeg": (jpeg_by_pillow, jpeg_by_any),
    "avif": (avif_by_any, avif_by_imagecodecs),
    "heic": (heic_by_pillow, heic_by_pillow),
    "jpegxl": (jxl_by_imagecodecs, jxl_by_imagecodecs),
    "pfm": (pfm_by_opencv, pfm_by_opencv),
    "jpeg2000": (raw("jpeg2k"), raw("jpeg2k")),
    "jpegls": (raw("jpegls"), raw("jpegls")),
    "jpegxr": (raw("jpegxr"), raw("jpegxr")),
    "qoi": (raw("qoi"), by_pillow),
    "pnm": (by_pillow, by_pillow),
    "radiance": (hdr_by_imagecodecs, hdr_by_imagecodecs),
    "openexr": (exr_by_openexr, exr_by_openexr),
    "dicom": (dicom_by_pydicom, dicom_by_pydicom),
    "webp": (by_pillow, webp_by_imagecodecs),
    "gif": (by_pillow, gif_by_imagecodecs),
    "bmp": (by_pillow, by_opencv),
    "tiff": (tiff_by_tifffile, tiff_by_pillow_or_libtiff),
}


def verdict(case: Case, data: bytes, made: Array) -> str:
    """`same`, `unseen`, or what is wrong with having converted this file."""

    def alike(other: Array) -> bool:
        return equal(made, np.repeat(other, 3, axis=2) if other.shape[2] == 1 else other)

    if any(alike(whole) for whole in case.wholes):
        return "same"
    if case.how in ("cut", "bomb", "suffix"):
        return f"silent: a {case.how} that was converted"
    try:
        return "unseen" if alike(independent(data)) else "silent: others see another image"
    except Exception as error:
        return f"silent: others refuse it: {type(error).__name__}: {error}"


# --------------------------------------------------------------------------------------------------------- conversion


def convert(source: Path, target: Path) -> None:
    """The child: converts a folder with the identity for a network."""
    import torch
    from torch import Tensor, nn

    from translate.console import PlainConsole
    from translate.contracts import DataSpec
    from translate.conversion.convert import convert as convert_folder
    from translate.conversion.options import ConvertOptions
    from translate.inference.translator import Translator
    from translate.models.single_network import SingleNetwork, SingleNetworkConfig

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 3, 1, bias=False)
            nn.init.dirac_(self.mix.weight)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.mix(x)
            return made

    torch.set_num_threads(1)
    method = SingleNetwork(SingleNetworkConfig(), DataSpec("single", {"image": 3}, (32, 32)), {})
    translator = Translator(method, {"net": Same()}, {})
    summary = convert_folder(source, target, translator, ConvertOptions(format="png"), console=PlainConsole())
    print(json.dumps({"done": summary.done, "failed": summary.failed, "skipped": summary.skipped}))


def watched(command: list[str]) -> tuple[int, str, str, float]:
    """(exit code, standard output, standard error, megabytes at most of the process and its children)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        most = 0.0
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.05)
        out.seek(0)
        err.seek(0)
        return process.returncode, out.read().decode(), err.read().decode(), most


def resident(pid: int) -> float:
    """Megabytes at the peak of a process and of those that any of its threads has started."""
    total = 0
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        below = [one for thread in threads for one in (thread / "children").read_text("ascii").split()]
        for one in [str(pid), *below]:
            lines = Path(f"/proc/{one}/status").read_text("ascii").splitlines()
            total += next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    except OSError:
        pass
    return total / 1024


def read_png(path: Path) -> Array:
    """RGB of the output, by libpng."""
    from imagecodecs import png_decode

    array = png_decode(path.read_bytes())
    array = array[..., None] if array.ndim == 2 else array
    return array[..., : array.shape[2] - (array.shape[2] in (2, 4))]


def read_again(reader: Any, path: Path) -> Array | None:
    """What a guarded reader makes of the file, over white, RGB; None if it refuses it."""
    from translate.errors import DataError

    try:
        array: Array = reader.read(path).over_white()
    except DataError as error:
        assert str(error).startswith(f"{path}: "), error
        return None
    if array.dtype == np.float32:
        array = in_16_bits(array)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def judge(cases: list[Case], source: Path, target: Path) -> Iterator[tuple[Case, str]]:
    """(case, what became of it) of all; more rows than inputs, or fewer, are an AssertionError."""
    from translate.imaging.guard.reader import GuardedReader

    rows: dict[str, Any] = {}
    for line in (target / "results.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        assert row["input"] not in rows, f"{row['input']} is in two rows"
        rows[row["input"]] = row
    assert rows.keys() == {case.name for case in cases}, "inputs without a row"
    with GuardedReader() as reader:
        for case in cases:
            row, again = rows[case.name], read_again(reader, source / case.name)
            if row["seconds"] > SECONDS:
                yield case, f"slow: {row['seconds']} s"
            elif row["status"] != "done":
                assert row["reason"], case.name
                # Whole, and nothing for this model: other channels, or floats beyond white.
                other = " channels, and this model takes 3" in row["reason"] or "has floats from" in row["reason"]
                yield case, "failed" if again is None or other else "silent: read when it was read again"
            else:
                made = read_png(target / row["output"])
                alike = again is not None and equal(made, again)
                data = (source / case.name).read_bytes()
                yield case, verdict(case, data, made) if alike else "silent: another image when it was read again"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files, which is not deleted")
    parser.add_argument("--convert", nargs=2, type=Path, metavar=("IN", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.convert:
        convert(*args.convert)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return run(args.keep or Path(folder), args.count, args.seed)


def run(folder: Path, count: int, seed: int) -> int:
    source, target = folder / "in", folder / "out"
    source.mkdir(parents=True)
    cases = build(source, count, seed)
    began = time.perf_counter()
    code, out, err, most = watched([sys.executable, __file__, "--convert", str(source), str(target)])
    seconds = time.perf_counter() - began
    if code or not out.strip():
        print(f"the child ended with {code}\n{err[-3000:]}")
        return 1
    became: dict[str, Counter[str]] = {form: Counter() for form in FORMS}
    hows: dict[str, Counter[str]] = {how: Counter() for how in MUTATIONS}
    wrong = []
    for case, what in judge(cases, source, target):
        kind = what.partition(":")[0]
        became[case.form][kind] += 1
        hows[case.how][kind] += 1
        if kind in ("silent", "slow"):
            wrong.append(f"{case.name}: {what}")
    kinds = ("failed", "same", "unseen", "silent", "slow")
    for title, table in (("original", became), ("mutation", hows)):
        print(f"{title:<20}" + "".join(f"{kind:>9}" for kind in kinds))
        for name, found in table.items():
            print(f"{name:<20}" + "".join(f"{found[kind]:>9}" for kind in kinds))
    print(f"{count} files in {seconds:.0f} s: {out.strip().splitlines()[-1]}; at most {most:.0f} MB")
    print("\n".join(wrong[:40]))
    print(f"{len(wrong)} silent or slow")
    return 1 if wrong or most > MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
