"""Which picture a file shows: pyramids, masks and thumbnails are no pages; pages and frames are each converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageSequence

from kinds.images import Array, noise, plain, read, save
from kinds.lab import Lab, case

COG, ONE = "cog.py", "imagej_one_directory.py"


@case(script=COG, quick=True)
def cog(lab: Lab) -> None:
    """Of a pyramid, with overviews beside or below the image, the image in full size is converted."""
    root = lab.script(COG)
    lab.works(lab.convert(root, lab.folder / "out"))
    for name in ("cog.tif", "pyramid.ome.tif"):
        with tifffile.TiffFile(root / name) as one, tifffile.TiffFile(lab.folder / "out" / name) as two:
            lab.near(name, one.pages[0].asarray(), two.pages[0].asarray(), 0)


@case(of=COG)
def image_with_a_mask(lab: Lab) -> None:
    """A GeoTIFF whose second directory is a transparency mask (NewSubfileType 4) is one picture."""
    before = noise(64, 64)
    (lab.folder / "in").mkdir()
    with tifffile.TiffWriter(lab.folder / "in/a.tif") as tiff:
        tiff.write(before, photometric="rgb", metadata=None)
        tiff.write(noise(64, 64, 1) > 127, photometric="mask", metadata=None, subfiletype=4)
    lab.works(lab.convert("in", "out"))
    lab.near("a.tif", before, tifffile.imread(lab.folder / "out/a.tif", key=0), 0)


@case(of=COG)
def thumbnail_first(lab: Lab) -> None:
    """A file whose first directory is a thumbnail (NewSubfileType 1) and whose second is the photo gives the photo."""
    before = noise(64, 96)
    (lab.folder / "in").mkdir()
    with tifffile.TiffWriter(lab.folder / "in/a.tif") as tiff:
        tiff.write(before[::8, ::8], photometric="rgb", metadata=None, subfiletype=1)
        tiff.write(before, photometric="rgb", metadata=None)
    lab.works(lab.convert("in", "out"))
    after = tifffile.imread(lab.folder / "out/a.tif", key=0)
    lab.near("a.tif", before, after, 0)


@case(of=COG)
def three_overviews(lab: Lab) -> None:
    """A pyramid of four levels, as SubIFDs and as a chain, is one picture, also with --pages all."""
    before = noise(256, 256)
    (lab.folder / "in").mkdir()
    with tifffile.TiffWriter(lab.folder / "in/a.tif") as tiff:
        tiff.write(before, photometric="rgb", tile=(64, 64), subifds=3, metadata=None)
        for step in (2, 4, 8):
            tiff.write(before[::step, ::step], photometric="rgb", tile=(64, 64), subfiletype=1, metadata=None)
    lab.works(lab.convert("in", "out"))
    lab.works(lab.convert("in", "all", "--pages", "all"))
    for folder in ("out", "all"):
        lab.near(folder, before, tifffile.imread(lab.folder / folder / "a.tif", key=0), 0)


@case(of=COG)
def pages_of_a_scan_are_refused_by_name(lab: Lab) -> None:
    """A scan of three pages is refused with the way out, --pages all."""
    (lab.folder / "in").mkdir()
    with tifffile.TiffWriter(lab.folder / "in/a.tif") as tiff:
        for value in (10, 20, 30):
            tiff.write(plain(value), photometric="rgb", metadata=None)
    lab.refused(lab.convert("in", "out"), "a.tif", "--pages all")


@case(script=ONE)
def imagej_one_directory(lab: Lab) -> None:
    """All five planes of a stack under one directory come out with --pages all, and without it the file is refused."""
    root = lab.script(ONE)
    lab.works(lab.convert(root, lab.folder / "out", "--pages", "all", channels=1))
    for name in ("stack.tif", "stack_by_tifffile.tif"):
        planes = np.squeeze(tifffile.imread(lab.folder / "out" / name))
        wanted = np.stack([np.full((64, 64), 10000 * n) for n in range(1, 6)])
        lab.near(name, wanted, planes, 1)
    lab.refused(lab.convert(root / "stack.tif", lab.folder / "one.tif", channels=1))


def pages(path: Path) -> list[Array]:
    """The pages of a TIFF."""
    with tifffile.TiffFile(path) as tiff:
        return [page.asarray() for page in tiff.pages]


@case(of=ONE)
def scan_of_three_pages(lab: Lab) -> None:
    """Each page of a scan is converted, also where pages have sizes of their own."""
    before = [noise(40, 60, seed=1), noise(60, 40, seed=2), noise(32, 32, seed=3)]
    (lab.folder / "in").mkdir()
    with tifffile.TiffWriter(lab.folder / "in/a.tif") as tiff:
        for page in before:
            tiff.write(page, photometric="rgb", metadata=None)
    lab.works(lab.convert("in", "out", "--pages", "all", direction="negative"))
    after = pages(lab.folder / "out/a.tif")
    lab.check("pages", 3, len(after))
    for number, (one, two) in enumerate(zip(before, after, strict=False)):
        lab.near(f"page {number}", 255 - one, two)


@case(of=ONE)
def ome_stack(lab: Lab) -> None:
    """An OME-TIFF of 3 planes in z, 16 bits: each plane is converted."""
    before = noise(3 * 32, 32, 1, np.uint16).reshape(3, 32, 32)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.ome.tif", before, metadata={"axes": "ZYX"}, ome=True)
    lab.works(lab.convert("in", "out", "--pages", "all", channels=1))
    lab.near("planes", before, np.squeeze(tifffile.imread(lab.folder / "out/a.ome.tif")), 1)


@case(of=ONE)
def channels_of_one_directory(lab: Lab) -> None:
    """An ImageJ file of three channels is one image of three bands."""
    before = noise(3 * 32, 32, 1, np.uint16).reshape(3, 32, 32)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", before, imagej=True, metadata={"axes": "CYX"})
    lab.works(lab.convert("in", "out"))
    after = np.squeeze(tifffile.imread(lab.folder / "out/a.tif"))
    after = after if after.shape == before.shape else np.moveaxis(after, -1, 0)
    lab.near("bands", before, after, 1)


def frames(path: Path) -> list[Array]:
    """The frames of an animation in RGBA, by PIL."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def animated(lab: Lab, suffix: str, **options: Any) -> list[Array]:
    """in/a.SUFFIX: three frames of 100, 200, 300 ms, twice; what PIL reads of it."""
    (lab.folder / "in").mkdir(exist_ok=True)
    path = lab.folder / f"in/a.{suffix}"
    made = [Image.fromarray(np.roll(noise(32, 32) // 64 * 80, 9 * n, 1)) for n in range(3)]
    made[0].save(path, save_all=True, append_images=made[1:], duration=[100, 200, 300], loop=2, **options)
    return frames(path)


def timing(path: Path) -> list[Any]:
    """The milliseconds of each frame, and the repetitions."""
    with Image.open(path) as image:
        times = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            times.append(round(float(image.info.get("duration", 0))))
        return [*times, image.info.get("loop")]


@case(of=ONE)
def animations(lab: Lab) -> None:
    """Frames of GIF, lossless WebP and APNG come back, with their times and repetitions."""
    wanted = {
        "gif": animated(lab, "gif"),
        "webp": animated(lab, "webp", lossless=True),
        "png": animated(lab, "png"),
    }
    lab.works(lab.convert("in", "out", "--pages", "all"))
    for path in sorted((lab.folder / "in").iterdir()):
        output = lab.folder / "out" / path.name
        suffix = path.suffix[1:]
        if not output.exists():
            lab.check(path.name, "there", "missing", False)
            continue
        after = frames(output)
        lab.check(f"frames of {suffix}", 3, len(after))
        for number, (one, two) in enumerate(zip(wanted[suffix], after, strict=False)):
            lab.near(f"frame {number} of {suffix}", one, two, 0 if suffix != "gif" else 1)
        lab.check(f"times of {suffix}", timing(path), timing(output))


@case(of=ONE)
def animation_without_pages(lab: Lab) -> None:
    """An animated GIF without --pages is refused with the way out; a GIF of one picture is converted."""
    animated(lab, "gif")
    save(lab.folder / "in/one.gif", noise(32, 32, 1))
    lab.refused(lab.convert("in", "out"), "a.gif", "--pages all")
    lab.check("one.gif", "done", lab.rows(lab.folder / "out").get("one.gif", {}).get("status"))


@case(of=ONE)
def transparent_animation(lab: Lab) -> None:
    """A GIF whose frames change a part, with transparency, comes out as what a viewer shows."""
    (lab.folder / "in").mkdir()
    ground = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    moving = []
    for number in range(3):
        frame = ground.copy()
        frame.paste((200, 40 * number, 0, 255), (8 * number, 8, 8 * number + 8, 24))
        moving.append(frame)
    path = lab.folder / "in/a.gif"
    moving[0].save(path, save_all=True, append_images=moving[1:], duration=80, disposal=2, loop=0)
    lab.works(lab.convert("in", "out", "--pages", "all"))
    for number, (one, two) in enumerate(zip(frames(path), frames(lab.folder / "out/a.gif"), strict=True)):
        seen = one[..., 3] > 0
        lab.near(f"alpha of frame {number}", one[..., 3], two[..., 3])
        lab.near(f"frame {number}", one[seen], two[seen], 1)


@case(of=ONE)
def damaged_second_page(lab: Lab) -> None:
    """A scan whose second page is cut off fails by its name, and leaves no half file."""
    (lab.folder / "in").mkdir()
    path = lab.folder / "in/a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for value in (10, 20):
            tiff.write(plain(value), photometric="rgb", metadata=None)
    path.write_bytes(path.read_bytes()[:-3000])
    lab.refused(lab.convert("in", "out", "--pages", "all"), "a.tif")
    lab.check("outputs", [], [path.name for path in (lab.folder / "out").glob("*.tif")])


@case(of=ONE)
def pages_in_python(lab: Lab) -> None:
    """`model(translate.pages(file))` gives each page in its order."""
    path = lab.folder / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for value in (10, 20, 30):
            tiff.write(plain(value), photometric="rgb", metadata=None)
    code = (
        "import sys, os, numpy as np, translate; m = translate.load(os.environ['MODEL']);"
        "print([int(np.asarray(page)[0, 0, 0]) for page in m(translate.pages(sys.argv[1]))])"
    )
    lab.check("values", "[10, 20, 30]", lab.python(code, path).last)
    lab.near("input", plain(10), read(path)[0] if read(path).ndim == 4 else plain(10))
