"""Transparent images: converted and then laid over white, they equal what was laid over white and then converted."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from kinds.images import Array, noise, over_white, read, save
from kinds.lab import Lab, case

SHADOW = "alpha_shadow.py"


def soft(height: int = 64, width: int = 64) -> Array:
    """An alpha from 0 to 255 with every value."""
    y, x = np.mgrid[:height, :width]
    return ((y * width + x) % 256).astype(np.uint8)


def coloured(bits: int = 8) -> Array:
    """Random colours with the soft alpha."""
    if bits == 8:
        return np.dstack([noise(64, 64), soft()])
    return np.dstack([noise(64, 64, dtype=np.uint16), soft().astype(np.uint16) * 257])


@case(script=SHADOW, quick=True)
def alpha_shadow(lab: Lab) -> None:
    """An identity gives the shadow back as it was, and over white it equals the flattened picture."""
    root = lab.script(SHADOW)
    lab.works(lab.convert(root, lab.folder / "out"))
    before, after = read(root / "rgba.png"), read(lab.folder / "out/rgba.png")
    lab.near("alpha", before[..., 3], after[..., 3])
    seen = before[..., 3] >= 8  # Below, a step of what is seen on paper is more than a dark grey.
    lab.near("colours", before[seen, :3], after[seen, :3], 1)
    flat = read(lab.folder / "out/flat.png")
    lab.near("over white", flat, over_white(after[..., :3], after[..., 3]), 1.01)


@case(of=SHADOW, quick=True)
def coloured_glass(lab: Lab) -> None:
    """Random colours of every alpha come back within a step, and unchanged where alpha is 0."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out"))
    after = read(lab.folder / "out/a.png")
    lab.near("alpha", before[..., 3], after[..., 3])
    lab.near("colours below alpha 0", before[before[..., 3] == 0], after[before[..., 3] == 0])
    lab.near("colours where opaque", before[before[..., 3] == 255], after[before[..., 3] == 255])
    lab.near("over white", over_white(before[..., :3], before[..., 3]), over_white(after[..., :3], after[..., 3]), 0.51)


@case(of=SHADOW)
def negative_glass(lab: Lab) -> None:
    """The negative of glass on white is the negative of what glass on white looks like, as far as its alpha allows."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out", direction="negative"))
    after = read(lab.folder / "out/a.png")
    wanted = 255 - over_white(before[..., :3], before[..., 3])
    darkest = over_white(np.zeros_like(before[..., :3]), before[..., 3])  # Paper that shines through cannot be darker.
    seen = before[..., 3] > 0
    got = over_white(after[..., :3], after[..., 3])
    lab.near("over white", np.maximum(wanted, darkest)[seen], got[seen], 1.5)


@case(of=SHADOW)
def deep_glass(lab: Lab) -> None:
    """16 bits with alpha, as PNG and as TIFF, come back within a step of 16 bits."""
    before = coloured(16)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(bytes(imagecodecs.png_encode(before)))
    tifffile.imwrite(lab.folder / "in/b.tif", before, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    lab.works(lab.convert("in", "out"))
    for name in ("a.png", "b.tif"):
        after = read(lab.folder / "out" / name)
        lab.near(f"alpha of {name}", before[..., 3], after[..., 3])
        white = over_white(before[..., :3], before[..., 3], 65535)
        lab.near(f"{name} over white", white, over_white(after[..., :3], after[..., 3], 65535), 1)


@case(of=SHADOW)
def grey_with_alpha(lab: Lab) -> None:
    """Grey with alpha, through a model of colours, has its grey in all colours, and its alpha."""
    grey = noise(64, 64, 1)
    save(lab.folder / "in/a.png", np.dstack([grey, soft()]))
    lab.works(lab.convert("in", "out"))
    with Image.open(lab.folder / "out/a.png") as image:
        after = np.asarray(image.convert("RGBA"))
    lab.near("values", np.dstack([grey, grey, grey, soft()]), after, 0)


@case(of=SHADOW)
def palette_with_transparency(lab: Lab) -> None:
    """A palette whose first colour is transparent keeps its hole, and its other colours."""
    indices = (noise(32, 32, 1) % 4).astype(np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette([255, 0, 255, 10, 20, 30, 200, 100, 0, 0, 255, 0])
    (lab.folder / "in").mkdir()
    picture.save(lab.folder / "in/a.png", transparency=0)
    lab.works(lab.convert("in", "out"))
    with Image.open(lab.folder / "out/a.png") as image:
        after = np.asarray(image.convert("RGBA"))
    lab.near("alpha", np.where(indices == 0, 0, 255), after[..., 3])
    table = np.array([[255, 0, 255], [10, 20, 30], [200, 100, 0], [0, 255, 0]])
    lab.near("colours", table[indices[indices > 0]], after[indices > 0][:, :3])


@case(of=SHADOW)
def webp_with_alpha(lab: Lab) -> None:
    """A lossless WebP with alpha comes back with its alpha, within a step over white."""
    before = coloured()
    (lab.folder / "in").mkdir()
    Image.fromarray(before).save(lab.folder / "in/a.webp", lossless=True, exact=True)
    lab.works(lab.convert("in", "out"))
    after = read(lab.folder / "out/a.webp")
    lab.near("alpha", before[..., 3], after[..., 3])
    lab.near("over white", over_white(before[..., :3], before[..., 3]), over_white(after[..., :3], after[..., 3]), 1)


@case(of=SHADOW)
def premultiplied(lab: Lab) -> None:
    """A TIFF whose colours are already multiplied by alpha (associated) comes back so, or with alpha undone, by its
    tag."""
    alpha = np.maximum(soft(), 1)
    straight = noise(64, 64)
    before = np.dstack([np.round(straight * (alpha[..., None] / 255)).astype(np.uint8), alpha])
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", before, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    lab.works(lab.convert("in", "out"))
    with tifffile.TiffFile(lab.folder / "out/a.tif") as tiff:
        after, associated = tiff.asarray(), tiff.pages[0].extrasamples == (1,)
    looks = before[..., :3] + 255.0 - before[..., 3:]
    colours, share = after[..., :3].astype(float), after[..., 3:] / 255
    got = colours + 255 * (1 - share) if associated else colours * share + 255 * (1 - share)
    lab.near("over white", looks, got, 1.01)


@case(of=SHADOW)
def into_a_format_without_alpha(lab: Lab) -> None:
    """As BMP, which has no alpha here, the picture lies on white."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out", "--format", "bmp"))
    lab.near("over white", over_white(before[..., :3], before[..., 3]), read(lab.folder / "out/a.bmp"), 1)


@case(of=SHADOW)
def alpha_ignored(lab: Lab) -> None:
    """`--alpha ignore` gives the colours as they are stored, also below an alpha of 0."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out", "--alpha", "ignore", direction="negative"))
    after = read(lab.folder / "out/a.png")
    lab.near("alpha", before[..., 3], after[..., 3])
    lab.near("colours", 255 - before[..., :3], after[..., :3])


@case(of=SHADOW)
def alpha_as_a_channel(lab: Lab) -> None:
    """`--alpha channel` turns alpha round, too."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out", "--alpha", "channel", direction="negative"))
    lab.near("all four", 255 - before.astype(int), read(lab.folder / "out/a.png"), 1)


@case(of=SHADOW)
def alpha_of_an_array(lab: Lab) -> None:
    """In Python a PIL image with alpha comes back like its file."""
    before = coloured()
    path: Path = save(lab.folder / "a.png", before)
    code = (
        "import sys, os, numpy as np, translate; from PIL import Image; m = translate.load(os.environ['MODEL']);"
        "a = m(Image.open(sys.argv[1])); b = m(sys.argv[1]); "
        "print(np.abs(np.asarray(a).astype(int) - np.asarray(b)).max(), np.asarray(a).shape)"
    )
    done = lab.python(code, path)
    lab.check("difference and shape", "0 (64, 64, 4)", done.last)


@case(of=SHADOW)
def twice_as_large_glass(lab: Lab) -> None:
    """A model that enlarges gives alpha in the larger size."""
    before = coloured()
    save(lab.folder / "in/a.png", before)
    lab.works(lab.convert("in", "out", direction="twice"))
    after = read(lab.folder / "out/a.png")
    lab.check("shape", (128, 128, 4), after.shape)
    opaque = before[..., 3] == 255
    lab.check(
        "alpha spans its range", "0 to 255", f"{after[..., 3].min()} to {after[..., 3].max()}", bool(opaque.any())
    )
