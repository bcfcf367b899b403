"""What gives pixels a meaning travels with them: place, resolution, date, artist, texts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from kinds.images import Array, noise, plain, read, save
from kinds.lab import Lab, case

GEO, RESOLUTION = "geotiff.py", "resolution.py"
PLACE = (33550, 33922, 34264, 34735, 34736, 34737)
"""The tags of GeoTIFF: pixel scale, tie points, transformation, directory of keys, doubles, texts."""


def tags(path: Path) -> dict[int, Any]:
    """The tags of a TIFF's first directory."""
    with tifffile.TiffFile(path) as tiff:
        return {tag.code: tag.value for tag in tiff.pages[0].tags}


@case(script=GEO, quick=True)
def geotiff(lab: Lab) -> None:
    """Place, pixel size and no-data come back; pixels without data stay so, and no pixel of data becomes one."""
    root = lab.script(GEO)
    lab.works(lab.convert(root, lab.folder / "out"))
    for name in ("tile8.tif", "tile16.tif"):
        before, after = read(root / name), read(lab.folder / "out" / name)
        lab.near(name, before, after, 1)
        one, two = tags(root / name), tags(lab.folder / "out" / name)
        for number in (33550, 33922, 34735, 42113):
            lab.check(f"tag {number} of {name}", one.get(number), two.get(number))
        empty = (before == 0).all(-1)
        lab.check(f"no data in {name}", int(empty.sum()), int((after == 0).all(-1).sum()))


def ground(pixels: Array, path: Path, nodata: str | None = "0", **more: Any) -> None:
    """Writes a GeoTIFF of half-metre pixels in UTM 33 north."""
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    extra: list[Any] = [
        (33550, "d", 3, (0.5, 0.5, 0.0), True),
        (33922, "d", 6, (0, 0, 0, 500000.0, 5400000.0, 0), True),
        (34735, "H", len(keys), keys, True),
    ]
    if nodata is not None:
        extra.append((42113, "s", 0, nodata, True))
    path.parent.mkdir(exist_ok=True)
    photometric = "rgb" if pixels.ndim == 3 and pixels.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(path, pixels, photometric=photometric, extratags=extra, metadata=None, **more)


@case(of=GEO)
def larger_on_the_same_ground(lab: Lab) -> None:
    """Twice as large, pixels are a quarter of a metre, and the corner stays where it was."""
    before = np.maximum(noise(64, 64), 1)
    ground(before, lab.folder / "in/a.tif")
    lab.works(lab.convert("in", "out", direction="twice"))
    after = tags(lab.folder / "out/a.tif")
    lab.check("pixel scale", (0.25, 0.25), tuple(after.get(33550, ()))[:2])
    lab.check("corner", (0, 0, 0, 500000.0, 5400000.0, 0), tuple(after.get(33922, ())))
    lab.near("pixels", before.repeat(2, 0).repeat(2, 1), read(lab.folder / "out/a.tif"), 0)


@case(of=GEO)
def a_matrix_instead_of_a_scale(lab: Lab) -> None:
    """A rotated tile (ModelTransformation): twice as large, its first two columns are halved."""
    matrix = (0.4, 0.3, 0, 500000, 0.3, -0.4, 0, 5400000, 0, 0, 0, 0, 0, 0, 0, 1)
    keys = (1, 1, 0, 1, 1024, 0, 1, 1)
    extra: list[Any] = [(34264, "d", 16, matrix, True), (34735, "H", len(keys), keys, True)]
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", noise(64, 64), photometric="rgb", extratags=extra, metadata=None)
    lab.works(lab.convert("in", "out", direction="twice"))
    after = np.array(tags(lab.folder / "out/a.tif").get(34264, [0] * 16), float)
    wanted = np.array(matrix, float)
    wanted[[0, 1, 4, 5]] /= 2
    lab.near("matrix", wanted, after, 1e-9)


@case(of=GEO)
def holes_do_not_bleed(lab: Lab) -> None:
    """Around pixels without data (255) the negative is that of the data alone, and the holes stay 255."""
    before = np.full((64, 64, 3), 100, np.uint8)
    before[20:40, 20:40] = 255
    ground(before, lab.folder / "in/a.tif", nodata="255")
    lab.works(lab.convert("in", "out", direction="negative"))
    after = read(lab.folder / "out/a.tif")
    wanted = np.full((64, 64, 3), 155, np.uint8)
    wanted[20:40, 20:40] = 255
    lab.near("a.tif", wanted, after, 0)


@case(of=GEO)
def data_never_becomes_none(lab: Lab) -> None:
    """A white pixel, whose negative is the value of no data (0), becomes the next value, 1."""
    before = np.full((32, 32, 3), 255, np.uint8)
    before[:8] = 0
    ground(before, lab.folder / "in/a.tif")
    lab.works(lab.convert("in", "out", direction="negative"))
    after = read(lab.folder / "out/a.tif")
    lab.near("no data", before[:8], after[:8])
    holes = int((after[8:] == 0).all(-1).sum())
    lab.check("data that became none", 0, holes)


@case(of=GEO, quick=True)
def floats_with_nan_as_no_data(lab: Lab) -> None:
    """Float32 with NaN as GDAL_NODATA: NaN stays NaN, and the data next to it stay as they are."""
    before = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    before[10:20, 10:20] = np.nan
    ground(before, lab.folder / "in/a.tif", nodata="nan")
    done = lab.convert("in", "out", channels=1)
    lab.works(done)
    after = read(lab.folder / "out/a.tif")
    lab.near("where NaN is", np.isnan(before), np.isnan(after))
    lab.near("data", np.nan_to_num(before), np.nan_to_num(after), 1e-6)


@case(of=GEO)
def floats_with_a_large_negative(lab: Lab) -> None:
    """Float32 with -9999 as no data keeps it, and the other values in [0, 1]."""
    before = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    before[10:20, 10:20] = -9999
    ground(before, lab.folder / "in/a.tif", nodata="-9999")
    lab.works(lab.convert("in", "out", channels=1))
    lab.near("a.tif", before, read(lab.folder / "out/a.tif"), 1e-6)


@case(of=GEO)
def everything_is_no_data(lab: Lab) -> None:
    """A tile at the border that holds no data at all comes back as it is."""
    before = np.zeros((32, 32, 3), np.uint8)
    ground(before, lab.folder / "in/a.tif")
    lab.works(lab.convert("in", "out", direction="negative"))
    lab.near("a.tif", before, read(lab.folder / "out/a.tif"))


@case(of=GEO)
def tiled_and_compressed_ground(lab: Lab) -> None:
    """A tiled, compressed BigTIFF keeps place and values."""
    before = np.maximum(noise(128, 128, dtype=np.uint16), 1)
    ground(before, lab.folder / "in/a.tif", bigtiff=True, tile=(64, 64), compression="zlib", predictor=2)
    lab.works(lab.convert("in", "out"))
    lab.near("a.tif", before, read(lab.folder / "out/a.tif"), 1)
    lab.check("place", (0.5, 0.5, 0.0), tuple(tags(lab.folder / "out/a.tif").get(33550, ())))


@case(script=RESOLUTION)
def resolution(lab: Lab) -> None:
    """300 dpi, date, artist and place are in the outputs of JPEG, PNG, TIFF and WebP as they were in the inputs."""
    root = lab.script(RESOLUTION)
    lab.works(lab.convert(root, lab.folder / "out"))
    for suffix in ("jpg", "png", "tif", "webp"):
        with Image.open(root / f"scan.{suffix}") as one, Image.open(lab.folder / f"out/scan.{suffix}") as two:
            before, after = one.getexif(), two.getexif()
            if "dpi" in one.info:
                dots = [round(float(value)) for value in two.info.get("dpi", (0, 0))]
                lab.check(f"dpi of {suffix}", [300, 300], dots)
            lab.check(f"date of {suffix}", before.get(0x0132), after.get(0x0132))
            lab.check(f"artist of {suffix}", before.get(0x013B), after.get(0x013B))
            lab.check(f"place of {suffix}", dict(before.get_ifd(0x8825)), dict(after.get_ifd(0x8825)))


def described(lab: Lab, orientation: int = 1) -> Path:
    """in/a.jpg: 60 x 40 pixels, 300 dpi, with EXIF and a comment."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x010F] = orientation, "A Name", "A Camera"
    exif.get_ifd(0x8769)[0x9003] = "1999:07:01 12:00:00"
    exif.get_ifd(0x8769)[0xA002] = 60
    options = {"exif": exif.tobytes(), "dpi": (300, 300), "comment": b"a comment"}
    return save(lab.folder / "in/a.jpg", noise(40, 60), quality=95, **options)


@case(of=RESOLUTION)
def upright_photo(lab: Lab) -> None:
    """A photo that lies on its side comes out upright, its orientation is reset, and its date stays."""
    described(lab, 6)
    lab.works(lab.convert("in", "out"))
    with Image.open(lab.folder / "out/a.jpg") as image:
        lab.check("size", (40, 60), image.size)
        lab.check("orientation", "1 or none", image.getexif().get(0x0112, 1), image.getexif().get(0x0112, 1) == 1)
        lab.check("date", "1999:07:01 12:00:00", image.getexif().get_ifd(0x8769).get(0x9003))
        lab.check("artist", "A Name", image.getexif().get(0x013B))


@case(of=RESOLUTION, quick=True)
def upright_by_xmp(lab: Lab) -> None:
    """XMP that repeats the orientation of a photo on its side says afterwards that it is upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, said in (("a", 'tiff:Orientation="6"'), ("b", "><tiff:Orientation>6</tiff:Orientation><x")):
        xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/' {said}/></x:xmpmeta>".encode()
        save(lab.folder / f"in/{name}.jpg", noise(40, 60), exif=exif.tobytes(), xmp=xmp)
    lab.works(lab.convert("in", "out"))
    for name, said in (("a", b'tiff:Orientation="1"'), ("b", b"<tiff:Orientation>1</tiff:Orientation>")):
        lab.check(f"{name}.jpg", True, said in (lab.folder / f"out/{name}.jpg").read_bytes())


@case(of=RESOLUTION)
def all_orientations(lab: Lab) -> None:
    """Each of the eight orientations comes out as PIL turns it."""
    from PIL import ImageOps

    before = noise(40, 60)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(lab.folder / f"in/{orientation}.png", before, exif=exif.tobytes())
        save(lab.folder / f"in/{orientation}.tif", before, exif=exif.tobytes())
    lab.works(lab.convert("in", "out"))
    for path in sorted((lab.folder / "in").iterdir()):
        with Image.open(path) as image:
            turned = np.asarray(ImageOps.exif_transpose(image))
        with Image.open(lab.folder / "out" / path.name) as image:
            lab.near(path.name, turned, np.asarray(image))
            lab.check(f"orientation of {path.name}", 1, image.getexif().get(0x0112, 1))


@case(of=RESOLUTION)
def twice_the_dots(lab: Lab) -> None:
    """Twice as large, 300 dots per inch are 600, so that the print has the size that it had."""
    described(lab)
    save(lab.folder / "in/b.png", noise(40, 60), dpi=(300, 150))
    save(lab.folder / "in/c.tif", noise(40, 60), dpi=(72, 72))
    lab.works(lab.convert("in", "out", direction="twice"))
    for name, wanted in (("a.jpg", (600, 600)), ("b.png", (600, 300)), ("c.tif", (144, 144))):
        with Image.open(lab.folder / "out" / name) as image:
            dots = tuple(round(float(Fraction(value))) for value in image.info.get("dpi", (0, 0)))
            lab.check(f"dpi of {name}", wanted, dots)


@case(of=RESOLUTION)
def nothing_is_told(lab: Lab) -> None:
    """`--metadata none` drops artist, place, comment and resolution, and the picture stays upright."""
    described(lab, 6)
    lab.works(lab.convert("in", "out", "--metadata", "none"))
    data = (lab.folder / "out/a.jpg").read_bytes()
    left = [word for word in (b"A Name", b"A Camera", b"a comment", b"1999") if word in data]
    lab.check("left", [], left)
    with Image.open(lab.folder / "out/a.jpg") as image:
        lab.check("size", (40, 60), image.size)


@case(of=RESOLUTION)
def texts_and_xmp(lab: Lab) -> None:
    """Texts of a PNG and XMP, in letters of any language, are in the output."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "plain")
    info.add_itxt("Beschreibung", "Grüße 北京", "de", "")
    info.add_text("prompt", "x" * 5000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta xmlns:x='adobe:ns:meta/'>é</x:xmpmeta>")
    save(lab.folder / "in/a.png", noise(), pnginfo=info)
    lab.works(lab.convert("in", "out"))
    with Image.open(lab.folder / "out/a.png") as image:
        image.load()
        texts = dict(image.text)
    lab.check("Title", "plain", texts.get("Title"))
    lab.check("Beschreibung", "Grüße 北京", texts.get("Beschreibung"))
    lab.check("prompt", 5000, len(texts.get("prompt", "")))
    lab.check("XMP", True, "é</x:xmpmeta>" in texts.get("XML:com.adobe.xmp", ""))


@case(of=RESOLUTION)
def into_another_format(lab: Lab) -> None:
    """From JPEG to PNG, TIFF and WebP date, artist and resolution travel as well."""
    described(lab)
    for suffix in ("png", "tif", "webp"):
        lab.works(lab.convert("in", f"out-{suffix}", "--format", suffix))
        with Image.open(lab.folder / f"out-{suffix}/a.{suffix}") as image:
            lab.check(f"artist in {suffix}", "A Name", image.getexif().get(0x013B))
            lab.check(f"date in {suffix}", "1999:07:01 12:00:00", image.getexif().get_ifd(0x8769).get(0x9003))
            if suffix != "webp":
                dots = [round(float(value)) for value in image.info.get("dpi", (0, 0))]
                lab.check(f"dpi in {suffix}", [300, 300], dots)


@case(of=RESOLUTION)
def no_lie_about_the_thumbnail(lab: Lab) -> None:
    """The thumbnail of the input, which shows the picture before, is not in the output."""
    small = lab.folder / "small.jpg"
    save(small, plain(77, 20, 30), quality=50)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\x1a\0\0\0"
    jpeg = small.read_bytes()
    exif += b"\x02\0\x01\x02\x04\0\x01\0\0\0" + (56).to_bytes(4, "little") + b"\x02\x02\x04\0\x01\0\0\0"
    exif += len(jpeg).to_bytes(4, "little") + bytes(4) + jpeg
    save(lab.folder / "in/a.jpg", noise(40, 60), quality=95, exif=exif)
    lab.works(lab.convert("in", "out"))
    lab.check("pictures in the file", 1, (lab.folder / "out/a.jpg").read_bytes().count(b"\xff\xd8\xff"))


@case(of=RESOLUTION)
def microscope(lab: Lab) -> None:
    """An OME-TIFF of a single plane says its pixel size afterwards, too, and half of it when twice as large."""
    (lab.folder / "in").mkdir()
    meta = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    plane = noise(64, 64, 1, np.uint16)
    tifffile.imwrite(lab.folder / "in/a.ome.tif", plane, metadata=meta, ome=True)
    for direction, wanted, size in (("copy", "0.5", "64"), ("twice", "0.25", "128")):
        lab.works(lab.convert("in", direction, channels=1, direction=direction))
        with tifffile.TiffFile(lab.folder / direction / "a.ome.tif") as tiff:
            text = tiff.ome_metadata or ""
        said = f'PhysicalSizeX="{wanted}"' in text and f'SizeX="{size}"' in text
        lab.check(f"OME-XML of {direction}", f"true, or left out; {wanted}", said or not text, said or not text)


@case(of=RESOLUTION)
def deep_png_with_resolution(lab: Lab) -> None:
    """A 16-bit PNG keeps its dots per metre, too."""
    (lab.folder / "in").mkdir()
    data = bytes(imagecodecs.png_encode(noise(32, 32, dtype=np.uint16)))
    from kinds.images import chunk

    dots = (11811).to_bytes(4, "big") * 2 + b"\1"
    (lab.folder / "in/a.png").write_bytes(data[:33] + chunk(b"pHYs", dots) + data[33:])
    lab.works(lab.convert("in", "out"))
    lab.check("pHYs", True, chunk(b"pHYs", dots) in (lab.folder / "out/a.png").read_bytes())
