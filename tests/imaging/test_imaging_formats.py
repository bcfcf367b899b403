"""All formats: what is read equals what other libraries decode, what is odd is read, and what is damaged is not."""

from __future__ import annotations

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from data_images import benchmark
from PIL import Image as Pillow, ImageOps

import translate
from translate.errors import DataError
from translate.imaging.decode import decode, probe, read
from translate.imaging.formats.table import CODECS, SUFFIXES, codec_for
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import encode

pytestmark = pytest.mark.usefixtures("warm_decoders")
Array = np.ndarray[Any, Any]
MUTATIONS = benchmark("mutations")
Y, X = np.mgrid[:48, :64]
COLOUR = np.dstack([X * 4, Y * 5, 255 - X * 4]).astype(np.uint8)
DEEP = COLOUR.astype(np.uint16) * 257 - np.arange(64, dtype=np.uint16)[None, :, None]


@pytest.mark.parametrize("form", MUTATIONS.FORMS)
def test_the_pixels_are_those_of_other_decoders(form: str, tmp_path: Path) -> None:
    suffix, write = MUTATIONS.FORMS[form]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(write(COLOUR))
    with GuardedReader() as reader:
        image, header = reader.read(path), reader.probe(path)
    pixels = image.over_white()
    pixels = MUTATIONS.in_16_bits(pixels) if pixels.dtype == np.float32 else pixels
    assert np.array_equal(pixels, MUTATIONS.independent(path.read_bytes()))
    assert (header.height, header.width, header.channels) == image.pixels.shape
    assert header.dtype == image.pixels.dtype.name and header.alpha == (image.alpha is not None)
    assert np.array_equal(read(path).pixels, image.pixels), "the suffix, the reader: none of them changes anything"


@pytest.mark.parametrize("form", [form for form in MUTATIONS.FORMS if not form.startswith("ppm text")])
def test_a_file_that_is_cut_is_an_error(form: str) -> None:
    data = MUTATIONS.FORMS[form][1](COLOUR)
    for size in range(1, len(data) - 16, max(1, len(data) // 12)):
        with pytest.raises(DataError, match=r"^x: "):
            decode(data[:size], "x")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_photos_are_turned_upright(kind: str, orientation: int) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = MUTATIONS.saved(Pillow.fromarray(COLOUR), kind, quality=90, exif=exif.tobytes())
    with Pillow.open(BytesIO(data)) as opened:
        right = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(decode(data, "x").pixels, right)


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if codec_for(suffix).keeps.bits >= 16])
def test_sixteen_bits_survive(suffix: str) -> None:
    image = decode(encode(DEEP, suffix, quality=100), "x")
    right = DEEP if image.pixels.dtype == np.uint16 else (DEEP / 65535).astype(np.float32)
    if suffix == ".avif":  # of 12 bits
        assert np.abs(image.pixels.astype(int) - right).max() <= 8
        return
    assert np.array_equal(image.pixels, right)


def test_twelve_bits_fill_sixteen() -> None:
    data = bytes(
        imagecodecs.jpeg2k_encode(np.array([[0, 1, 4095]], np.uint16), level=0, reversible=True, bitspersample=12)
    )
    assert decode(data, "x").pixels[..., 0].tolist() == [[0, 16, 65535]]


def test_what_was_lossless_is_told() -> None:
    for suffix in (".webp", ".jxl", ".jp2"):
        codec = codec_for(suffix)
        assert codec and [codec.is_lossless(encode(COLOUR, suffix, quality=q)[:4096]) for q in (100, 80)] == [
            True,
            False,
        ]


def test_each_format_has_suffixes_of_its_own() -> None:
    every = [suffix for codec in CODECS for suffix in codec.suffixes]
    assert len(every) == len({*every}) and all(suffix == suffix.lower() for suffix in every)


# ----------------------------------------------------------------------------------------------------------------- PNG


def chunk(kind: bytes, body: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


HEAD = b"\x89PNG\r\n\x1a\n"
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
ROWS = b"".join(b"\0" + row.tobytes() for row in COLOUR)
DATA, END = chunk(b"IDAT", zlib.compress(ROWS)), chunk(b"IEND", b"")
BGR = b"".join(b"\0" + row.tobytes() for row in COLOUR[..., ::-1])
SMALL_WINDOW = b"\x08\x1d" + zlib.compress(ROWS)[2:]  # it states a window of 256 bytes
TEXT = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2_000_000)))
ODD = {
    "a text with a wrong checksum": HEAD + HEADER + chunk(b"tEXt", b"Software\0x", 1) + DATA + END,
    "a time of no bytes": HEAD + HEADER + chunk(b"tIME", b"") + DATA + END,
    "a damaged profile": HEAD + HEADER + chunk(b"iCCP", b"x\0\0none") + DATA + END,
    "too many rows": HEAD + HEADER + chunk(b"IDAT", zlib.compress(ROWS + bytes(500))) + END,
    "bytes behind the data": HEAD + HEADER + chunk(b"IDAT", zlib.compress(ROWS) + b"\0\0") + END,
    "no end": HEAD + HEADER + DATA,
    "half an end": HEAD + HEADER + DATA + END[:7],
    "bytes behind the end": HEAD + HEADER + DATA + END + b"trailer",
    "two megabytes of text": HEAD
    + HEADER
    + chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2_000_000)))
    + DATA
    + END,
    "a small window": HEAD + HEADER + chunk(b"IDAT", SMALL_WINDOW) + END,
    "Apple's": HEAD + chunk(b"CgBI", b"P\0 \6") + HEADER + chunk(b"IDAT", zlib.compress(BGR)[2:-4]) + END,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pngs_are_read(name: str) -> None:
    assert np.array_equal(decode(ODD[name], "x").pixels, COLOUR)


@pytest.mark.parametrize(
    "data",
    [
        HEAD + HEADER + chunk(b"IDAT", zlib.compress(ROWS), 1) + END,
        HEAD + HEADER + chunk(b"IDAT", zlib.compress(ROWS[:-1])) + END,
        HEAD + HEADER + chunk(b"IDAT", zlib.compress(ROWS)[:-4]) + END,
        HEAD + HEADER + chunk(b"ABCD", b"") + DATA + END,
        HEAD + HEADER + DATA[:-20],
        HEAD + HEADER + chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 27))) + DATA + END,
    ],
)
def test_damaged_pngs_are_not(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^x: .*PNG"):
        decode(data, "x")


# ---------------------------------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize(
    "compression", ["zstd", "lzma", "lerc", "jpeg2000", "jpegxl", "jpegxr", "lzw", "zlib", "packbits"]
)
@pytest.mark.parametrize("kind", ["grey16", "rgb8", "rgb16", "float32"])
def test_compressions_of_tiff(compression: str, kind: str) -> None:
    array = {"grey16": DEEP[..., 0], "rgb8": COLOUR, "rgb16": DEEP, "float32": (DEEP[..., 0] / 7).astype(np.float32)}[
        kind
    ]
    out = BytesIO()
    try:
        photometric = "rgb" if array.ndim == 3 else "minisblack"
        tifffile.imwrite(out, array, compression=compression, photometric=photometric, metadata=None)
    except Exception:
        pytest.skip("tifffile does not write it")
    image = decode(out.getvalue(), "x")
    stored = tifffile.imread(BytesIO(out.getvalue()))
    assert np.array_equal(image.pixels.squeeze(), stored) and image.pixels.dtype == stored.dtype


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_that_share_bytes(bits: int) -> None:
    array = (DEEP[..., 0] >> (16 - bits)).astype(np.uint16)
    out = BytesIO()
    tifffile.imwrite(out, array, photometric="minisblack", metadata=None, bitspersample=bits)
    assert len(out.getvalue()) < 48 * 64 * 2, "they do share bytes"
    assert np.array_equal(decode(out.getvalue(), "x").pixels[..., 0], MUTATIONS.filled(array, bits))


def pyramid(**first: Any) -> bytes:
    out = BytesIO()
    with tifffile.TiffWriter(out) as file:
        file.write(COLOUR, photometric="rgb", tile=(16, 16), metadata=None, **first)
        file.write(COLOUR[::2, ::2], photometric="rgb", tile=(16, 16), metadata=None, subfiletype=1)
        file.write(COLOUR[::4, ::4], photometric="rgb", tile=(16, 16), metadata=None)  # without the tag
        file.write((X > 9).astype(bool), photometric="minisblack", metadata=None, subfiletype=4)
    return out.getvalue()


def test_pyramids_and_masks_are_no_pages() -> None:
    assert np.array_equal(decode(pyramid(), "x").pixels, COLOUR)


@pytest.mark.parametrize("preview", [np.uint8, np.uint16])
def test_a_preview_is_not_the_photo(preview: Any) -> None:
    out = BytesIO()
    with tifffile.TiffWriter(out) as file:
        file.write(COLOUR[::8, ::8].astype(preview), photometric="rgb", metadata=None, subfiletype=1)
        file.write(COLOUR, photometric="rgb", metadata=None)
    assert np.array_equal(decode(out.getvalue(), "x").pixels, COLOUR)


@pytest.mark.parametrize("options", [{"imagej": True, "metadata": {"axes": "ZYX"}}, {"metadata": {"axes": "ZYX"}}])
def test_a_stack_under_one_directory_has_pages(options: dict[str, Any]) -> None:
    out = BytesIO()
    tifffile.imwrite(out, np.moveaxis(DEEP, 2, 0), truncate=True, photometric="minisblack", **options)
    with pytest.raises(DataError, match=r"^x: 3 frames or pages in one file; `--pages all` converts each"):
        decode(out.getvalue(), "x")


# --------------------------------------------------------------------------------------------------- damaged or unknown


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (b"\0\0\0\x14ftypqt  " + bytes(40), "film"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"\0\0\0\x18ftypheic" + bytes(32), "damaged or truncated HEIC"),
        (bytes(128) + b"DICM\2\0\0\0UL\4\0" + bytes(70), "DICOM without a picture"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(data: bytes, words: str, tmp_path: Path) -> None:
    for name in ("x.png", "x"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=words):
            probe(tmp_path / name)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(
        DataError, match=r"x: DICOM files need the package pydicom: pip install 'translate-i2i\[dicom\]'"
    ):
        decode(bytes(128) + b"DICM" + bytes(99), "x")
    photo = MUTATIONS.heic(COLOUR)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        DataError, match=r"x: HEIC photos need the package pillow-heif: pip install 'translate-i2i\[heic\]'"
    ):
        decode(photo, "x")


def test_a_size_that_no_file_of_the_format_has() -> None:
    with pytest.raises(DataError, match=r"x: 20000 x 2 pixels cannot be written as .webp, .* 16,383 a side .* png"):
        encode(np.zeros((2, 20000, 3), np.uint8), ".webp", name="x")


# --------------------------------------------------------------------------------------------------------------- DICOM


def test_signed_counts_and_inverted_ones() -> None:
    """Hounsfield units are floats; of MONOCHROME1 the smallest count is white."""
    from pydicom import dcmread

    facts = dcmread(BytesIO(MUTATIONS.dicom(COLOUR)))
    counts = (DEEP[..., 0] >> 4).astype(np.uint16)
    facts.BitsStored, facts.HighBit = 12, 11
    for kind, signed, stored in (("MONOCHROME1", 0, counts), ("MONOCHROME2", 1, counts.astype(np.int16) - 2048)):
        facts.PhotometricInterpretation, facts.PixelRepresentation = kind, signed
        facts.PixelData = stored.tobytes()
        out = BytesIO()
        facts.save_as(out, enforce_file_format=True)
        image = decode(out.getvalue(), "x")
        right = stored.astype(np.float32) if signed else 4095 - stored
        assert np.array_equal(image.pixels[..., 0], right) and image.pixels.dtype == right.dtype
        assert image.ranges == (None if signed else [(0.0, 4095.0)])


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"])
def test_compressed_frames(syntax: str, tmp_path: Path) -> None:
    from pydicom import dcmread
    from pydicom.encaps import encapsulate

    encoders = {"80": imagecodecs.jpegls_encode, "90": imagecodecs.jpeg2k_encode, "70": imagecodecs.ljpeg_encode}
    options = {"90": {"level": 0, "reversible": True, "codecformat": "j2k"}, "70": {"bitspersample": 16}}
    kind = syntax[-2:]
    frames = [np.ascontiguousarray(DEEP[..., 0]), np.ascontiguousarray(DEEP[..., 1])]
    facts = dcmread(BytesIO(MUTATIONS.dicom(COLOUR)))
    facts.file_meta.TransferSyntaxUID, facts.NumberOfFrames = syntax, 2
    facts.PixelData = encapsulate([bytes(encoders[kind](frame, **options.get(kind, {}))) for frame in frames])
    facts["PixelData"].is_undefined_length = True
    facts.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    with pytest.raises(DataError, match=r"2 frames or pages"):
        probe(tmp_path / "x.dcm")
    for page, frame in zip(translate.pages(tmp_path / "x.dcm"), frames, strict=True):
        assert np.array_equal(page[..., 0], frame)


# ----------------------------------------------------------------------------------------------------------- raw photos


@pytest.mark.parametrize("preview", [False, True])
def test_a_raw_photo_is_developed(preview: bool, tmp_path: Path) -> None:
    """Its preview, in the first directory, is not the photo."""
    mosaic = np.full((96, 128), 1000, np.uint16)
    camera = [(50706, 1, 4, (1, 4, 0, 0), True), (271, 2, 0, "Some", True), (50708, 2, 0, "Some Camera", True)]
    camera += [(50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True), (50778, 3, 1, 21, True)]
    pattern = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True), (50717, 4, 1, 4095, True)]
    with tifffile.TiffWriter(tmp_path / "x.dng") as file:
        if preview:
            small = {"photometric": "rgb", "subfiletype": 1, "subifds": 1}
            file.write(COLOUR[::4, ::4], metadata=None, extratags=camera, **small)
            file.write(mosaic, photometric=32803, metadata=None, extratags=pattern)
        else:
            file.write(mosaic, photometric=32803, metadata=None, extratags=[*camera, *pattern])
    with GuardedReader() as reader:
        image = reader.read(tmp_path / "x.dng")
    assert image.pixels.shape == (96, 128, 3) and image.pixels.dtype == np.uint16
