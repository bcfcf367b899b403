"""Images of every kind through the identity and a conversion: the input comes out, exactly or within a tolerance.

The files are made by Pillow, tifffile, imagecodecs and by hand, never by the engine; the expected result follows from
the arrays that they are made of. Tolerances, in steps of the sample type: 0 for all that is lossless; 3 for JPEG at
quality 100 (its colours are rounded twice); 256 of 2^32 for 32 bits and 2^-23 of 1 for float32 (a network computes in
float32). Alpha comes out as it was, and the pixels as they look over white, which is what a network sees.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from data_images import picture, saved, smooth
from PIL import Image as Pillow, ImageCms

from translate.console import PlainConsole
from translate.contracts import DataSpec
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.io import Image, read
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig

pytestmark = pytest.mark.usefixtures("warm_decoders")
Array = np.ndarray[Any, Any]

RGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_ICC = RGB_ICC[:16] + b"GRAY" + RGB_ICC[20:]
H, W = 23, 37


@dataclass(frozen=True)
class Golden:
    """A file, what its pixels are, and its alpha; `channels` are those that the network takes."""

    name: str
    data: bytes
    pixels: Array
    alpha: Array | None = None
    icc: bytes | None = None
    tolerance: float = 0
    channels: int = 3


def of(name: str, data: bytes, array: Array, alpha: Array | None = None, **more: Any) -> Golden:
    return Golden(name, data, array, alpha, channels=more.pop("channels", array.shape[2]), **more)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, bits: int, colour: int, rows: list[bytes], *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


def tiff(array: Array, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, array, metadata=None, **options)
    return out.getvalue()


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    return data[:33] + chunk(kind, body) + data[33:]


def split(array: Array) -> tuple[Array, Array | None]:
    return (array[..., :-1], array[..., -1]) if array.shape[2] in (2, 4) else (array, None)


def plain() -> Iterator[Golden]:
    """Channels x depth x profile in the formats without loss."""
    for dtype in (np.uint8, np.uint16):
        for channels in (1, 2, 3, 4):
            array = picture(H, W, channels, dtype, seed=channels)
            pixels, alpha = split(array)
            icc = GREY_ICC if channels <= 2 else RGB_ICC
            form = f"{channels}x{array.itemsize * 8}"
            data = bytes(imagecodecs.png_encode(array))
            yield of(f"png-{form}.png", data, pixels, alpha)
            body = b"icc\0\0" + zlib.compress(icc)
            yield of(f"png-{form}-icc.png", with_chunk(data, b"iCCP", body), pixels, alpha, icc=icc)
            options: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
            options |= {"extrasamples": ["unassalpha"]} if alpha is not None else {}
            flat = array[..., 0] if channels == 1 else array
            contig = {"planarconfig": "contig"} if channels > 1 else {}
            yield of(f"tif-{form}.tif", tiff(flat, **contig, **options), pixels, alpha)
            data = tiff(flat, compression="lzw", predictor=True, iccprofile=icc, **contig, **options)
            yield of(f"tif-{form}-icc.tif", data, pixels, alpha, icc=icc)


TURNS: dict[int, Callable[[Array], Array]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def turned() -> Iterator[Golden]:
    """The eight orientations (EXIF 2.32) of files with and without alpha, of 8 and 16 bits."""
    array, deep = picture(H, W), picture(H, W, 4, np.uint16)
    photo = smooth(24, 40)
    for number, turn in TURNS.items():
        exif = Pillow.Exif()
        exif[0x0112] = number
        yield of(f"turned-{number}.png", saved(array, "PNG", exif=exif), turn(array))
        data = with_chunk(bytes(imagecodecs.png_encode(deep)), b"eXIf", exif.tobytes()[6:])
        yield of(f"turned-{number}-deep.png", data, turn(deep[..., :3]), turn(deep[..., 3]))
        yield of(f"turned-{number}.webp", saved(array, "WEBP", lossless=True, exif=exif), turn(array))
        yield of(f"turned-{number}-8.tif", saved(array, "TIFF", exif=exif), turn(array))
        extra = [(274, 3, 1, number, True)]
        data = tiff(deep[..., :3], photometric="rgb", extratags=extra)
        yield of(f"turned-{number}-16.tif", data, turn(deep[..., :3]))
        data = saved(photo, "JPEG", quality=100, subsampling=0, exif=exif)
        yield of(f"turned-{number}.jpg", data, turn(decoded(data)), tolerance=3)


def decoded(data: bytes) -> Array:
    """An image file as Pillow decodes it, not turned."""
    with Pillow.open(io.BytesIO(data)) as opened:
        array = np.asarray(opened)
    return array[..., None] if array.ndim == 2 else array


def odd() -> Iterator[Golden]:
    """Few bits, palettes, colour keys, other colour spaces, other formats."""
    levels = {1: [0, 255, 255, 0], 2: [0, 85, 170, 255], 4: [0, 17, 136, 255]}
    stored = {1: b"\x60", 2: b"\x1b", 4: b"\x01\x8f"}
    for bits, values in levels.items():
        yield of(
            f"grey-{bits}.png", png(4, bits, 0, [stored[bits]] * 3), np.tile(np.uint8(values)[None, :, None], (3, 1, 1))
        )
    grey = np.tile(np.uint8([0, 85, 170, 255])[None, :, None], (3, 1, 1))
    key = chunk(b"tRNS", struct.pack(">H", 2))
    opaque = np.tile(np.uint8([255, 255, 0, 255])[None], (3, 1))
    yield of("key-2.png", png(4, 2, 0, [b"\x1b"] * 3, key), grey, opaque)
    wide = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint16)
    data = png(2, 16, 2, [struct.pack(">6H", *wide.ravel())], chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)))
    yield of("key-16.png", data, wide, np.array([[0, 65535]], np.uint16))
    plte, trns = chunk(b"PLTE", bytes([9, 8, 7, 6, 5, 4])), chunk(b"tRNS", bytes([255, 100]))
    colours = np.array([[[9, 8, 7], [6, 5, 4]]], np.uint8)
    yield of("palette.png", png(2, 8, 3, [b"\0\1"], plte), colours)
    yield of("palette-1.png", png(2, 1, 3, [b"\x40"], plte), colours)
    yield of("palette-alpha.png", png(2, 8, 3, [b"\0\1"], plte, trns), colours, np.array([[255, 100]], np.uint8))
    array, one = picture(H, W), picture(H, W, 1)
    half = np.where(one > 127, 255, 0).astype(np.uint8)
    yield of("bilevel.tif", bilevel(half), half)
    yield of("fax.tif", bilevel(half, compression="group4"), half)
    few = Pillow.fromarray(array).quantize(32)
    shown = np.asarray(few.convert("RGB"))
    for fmt, suffix in (("GIF", "gif"), ("TIFF", "tif"), ("BMP", "bmp"), ("PNG", "png")):
        out = io.BytesIO()
        few.save(out, fmt)
        yield of(f"few.{suffix}", out.getvalue(), shown)
    out = io.BytesIO()
    few.save(out, "GIF", transparency=3)
    clear = np.where(np.asarray(few) == 3, 0, 255).astype(np.uint8)
    yield of("clear.gif", out.getvalue(), shown, clear)
    yield of("rgb.bmp", saved(array, "BMP"), array)
    yield of("grey.bmp", saved(one, "BMP"), one)
    yield of("rgb.webp", saved(array, "WEBP", lossless=True, icc_profile=RGB_ICC), array, icc=RGB_ICC)
    four = picture(H, W, 4)
    data = saved(four, "WEBP", lossless=True, exact=True)
    yield of("rgba.webp", data, four[..., :3], four[..., 3])
    data = saved(smooth(24, 40), "JPEG", quality=100, icc_profile=RGB_ICC)
    yield of("photo.jpg", data, decoded(data), icc=RGB_ICC, tolerance=3)
    data = saved(smooth(24, 40)[..., :1], "JPEG", quality=100, progressive=True)
    yield of("grey.jpg", data, decoded(data), tolerance=3)
    ink = Pillow.fromarray(picture(H, W, 4), "CMYK")
    out = io.BytesIO()
    ink.save(out, "TIFF")
    yield of("ink.tif", out.getvalue(), np.asarray(ink.convert("RGB")))
    yield of("miniswhite.tif", tiff(one[..., 0], photometric="miniswhite"), 255 - one)
    deep = picture(H, W, 3, np.uint16)
    yield of("planes.tif", tiff(np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate"), deep)
    yield of("tiles.tif", tiff(deep, photometric="rgb", tile=(16, 16), compression="zlib", byteorder=">"), deep)


def bilevel(array: Array, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(array[..., 0]).convert("1", dither=Pillow.Dither.NONE).save(out, "TIFF", **options)
    return out.getvalue()


def bands() -> Iterator[Golden]:
    """Any number of channels, and samples of 32 bits."""
    kinds: dict[Any, float] = {np.uint8: 0, np.uint16: 0, np.uint32: 256, np.float32: 2**-23}
    for dtype, tolerance in kinds.items():
        for channels in (1, 2, 3, 4, 5, 8):
            array = _samples(channels, dtype)
            options: dict[str, Any] = {"planarconfig": "contig"} if channels > 1 else {}
            options["photometric"] = "rgb" if channels == 3 else "minisblack"
            data = tiff(array if channels > 1 else array[..., 0], compression="zlib", **options)
            yield of(f"bands-{channels}-{np.dtype(dtype)}.tif", data, array, tolerance=tolerance, channels=channels)


def _samples(channels: int, dtype: Any) -> Array:
    rng = np.random.default_rng(channels)
    if dtype == np.float32:
        return rng.random((H, W, channels), np.float32)
    return rng.integers(0, int(np.iinfo(dtype).max) + 1, (H, W, channels), dtype)


GOLDEN = {golden.name: golden for golden in chain(plain(), turned(), odd(), bands())}


def identity(channels: int) -> Translator:
    net = torch.nn.Conv2d(channels, channels, 1, bias=False)
    torch.nn.init.dirac_(net.weight)
    method = SingleNetwork(
        SingleNetworkConfig(out_channels=channels), DataSpec("single", {"image": channels}, (8, 8)), {}
    )
    return Translator(method, {"net": net}, {})


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """Converts all images of `GOLDEN`, those of 1 or 3 channels with a network of as many."""
    images = {}
    for channels in sorted({golden.channels for golden in GOLDEN.values()}):
        folder = tmp_path_factory.mktemp(f"of_{channels}")
        (folder / "in").mkdir()
        for golden in GOLDEN.values():
            if golden.channels == channels:
                (folder / "in" / golden.name).write_bytes(golden.data)
        console = PlainConsole(io.StringIO(), io.StringIO())
        summary = convert(
            folder / "in", folder / "out", identity(channels), ConvertOptions(quality=100), console=console
        )
        assert not summary.failures
        for path in (folder / "in").iterdir():
            target = folder / "out" / (path.with_suffix(".png").name if path.suffix == ".gif" else path.name)
            images[path.name] = read(target)
    return images


def test_there_are_enough() -> None:
    assert len(GOLDEN) >= 60


@pytest.mark.parametrize("name", GOLDEN)
def test_the_identity_changes_nothing(name: str, outputs: dict[str, Image]) -> None:
    golden, image = GOLDEN[name], outputs[name]
    assert image.pixels.shape == golden.pixels.shape and image.pixels.dtype == golden.pixels.dtype
    assert np.abs(image.pixels.astype(np.float64) - golden.pixels).max() <= golden.tolerance
    assert (image.alpha is None) == (golden.alpha is None)
    assert golden.alpha is None or (
        np.array_equal(image.alpha, golden.alpha) and image.alpha.dtype == golden.alpha.dtype
    )
    assert image.icc == golden.icc


THROUGH_OTHERS = [name for name, golden in GOLDEN.items() if golden.channels in (1, 3) and golden.tolerance == 0]


@pytest.fixture(scope="module")
def of_other_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """Converts grey images with a network of colours, and those of colours with a grey one."""
    images = {}
    for channels in (1, 3):
        folder = tmp_path_factory.mktemp(f"through_{4 - channels}")
        names = [name for name in THROUGH_OTHERS if GOLDEN[name].channels == channels]
        for name in names:  # each in a folder of its own, since all become PNG
            (folder / "in" / name).mkdir(parents=True)
            (folder / "in" / name / name).write_bytes(GOLDEN[name].data)
        console = PlainConsole(io.StringIO(), io.StringIO())
        options = ConvertOptions(format="png")
        summary = convert(folder / "in", folder / "out", identity(4 - channels), options, console=console)
        assert not summary.failures
        for name in names:
            images[name] = read(folder / "out" / name / Path(name).with_suffix(".png"))
    return images


@pytest.mark.parametrize("name", THROUGH_OTHERS)
def test_grey_and_colour_through_the_other_model(name: str, of_other_models: dict[str, Image]) -> None:
    golden, image = GOLDEN[name], of_other_models[name]
    assert golden.alpha is None or np.array_equal(image.alpha, golden.alpha)
    if golden.channels == 1:
        assert image.mode == "rgb" and np.array_equal(image.pixels, np.repeat(golden.pixels, 3, axis=2))
    else:
        luma = golden.pixels @ np.array([0.299, 0.587, 0.114])
        assert image.mode == "grey" and np.abs(image.pixels[..., 0] - luma).max() <= 0.5 + 0.01
    assert image.pixels.dtype == golden.pixels.dtype
