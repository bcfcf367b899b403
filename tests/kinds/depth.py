"""Bits: 16 stay 16, floats stay floats, and counts that do not fill their type have a white of their own."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from kinds.images import chunk, noise, png, read, save
from kinds.lab import Lab, case

RAMP, TWELVE, GREY = "deep_ramp.py", "twelve_bit.py", "grey_sr.py"


@case(script=RAMP)
def deep_ramp(lab: Lab) -> None:
    """Through an identity all 65,536 levels of a ramp come back, as PNG, TIFF and float32, within a step."""
    root = lab.script(RAMP)
    lab.works(lab.convert(root, lab.folder / "out"))
    wanted = np.dstack([np.arange(65536).reshape(256, 256)] * 3)
    for name in ("ramp.png", "ramp.tif"):
        after = read(lab.folder / "out" / name)
        lab.near(name, wanted, after, 1)
        lab.check(
            f"levels of {name}", "65,536, or nearly", f"{len(np.unique(after)):,}", len(np.unique(after)) > 65_000
        )
    lab.near("ramp_f32.tif", wanted / 65535, read(lab.folder / "out/ramp_f32.tif"), 1 / 65535)


@case(of=RAMP)
def deep_among_shallow(lab: Lab) -> None:
    """One deep file behind forty of 8 bits, whose precision `auto` looks at, keeps its bits."""
    for number in range(40):
        save(lab.folder / f"in/{number:02d}.png", noise(64, 64, seed=number))
    ramp = noise(256, 256, dtype=np.uint16)
    (lab.folder / "in/zz.png").write_bytes(bytes(imagecodecs.png_encode(ramp)))
    lab.works(lab.convert("in", "out"))
    lab.near("zz.png", ramp, read(lab.folder / "out/zz.png"), 1)


@case(of=RAMP)
def deep_grey(lab: Lab) -> None:
    """16-bit grey through a model of one channel stays grey, of 16 bits, and equal."""
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(bytes(imagecodecs.png_encode(ramp)))
    tifffile.imwrite(lab.folder / "in/b.tif", ramp, metadata=None, byteorder=">")
    lab.works(lab.convert("in", "out", channels=1))
    for name in ("a.png", "b.tif"):
        after = read(lab.folder / "out" / name)
        lab.check(f"type of {name}", "uint16 (256, 256)", f"{after.dtype} {after.shape}")
        lab.near(name, ramp, after, 1)


@case(of=RAMP)
def floats_of_any_range(lab: Lab) -> None:
    """Heights in metres, as floats from 12 to 8,848: a model of photos asks what is white, and with --white they come
    back."""
    heights = np.linspace(12, 8848, 64 * 64, dtype=np.float32).reshape(64, 64)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", heights, metadata=None)
    lab.refused(lab.convert("in", "out", channels=1), "--white", "a.tif")
    lab.works(lab.convert("in", "out2", "--white", "9000", channels=1))
    lab.near("heights", heights, read(lab.folder / "out2/a.tif"), 9000 / 65535)


@case(of=RAMP)
def half_floats_and_signed(lab: Lab) -> None:
    """float16, float64, int16 and uint32 are read; what comes out has the same values in its own steps, or says why
    not."""
    (lab.folder / "in").mkdir()
    unit = np.linspace(0, 1, 4096).reshape(64, 64)
    tifffile.imwrite(lab.folder / "in/f16.tif", unit.astype(np.float16), metadata=None)
    tifffile.imwrite(lab.folder / "in/f64.tif", unit, metadata=None)
    lab.works(lab.convert("in", "out", channels=1))
    lab.near("float16", unit, read(lab.folder / "out/f16.tif").astype(np.float64), 1 / 1024)
    lab.near("float64", unit, read(lab.folder / "out/f64.tif").astype(np.float64), 1e-6)


@case(of=RAMP)
def deep_through_python(lab: Lab) -> None:
    """The 16-bit ramp as an array in Python comes back within a step."""
    code = (
        "import os, numpy as np, translate; m = translate.load(os.environ['MODEL']);"
        "a = np.dstack([np.arange(65536, dtype=np.uint16).reshape(256, 256)] * 3); b = np.asarray(m(a));"
        "print(b.dtype, np.abs(b.astype(int) - a).max() <= 1)"
    )
    lab.check("type and equality", "uint16 True", lab.python(code).last)


@case(script=TWELVE, quick=True)
def twelve_bit(lab: Lab) -> None:
    """White at 4,095, from the file's tags: the negative is 4,095 minus the counts; of those scaled by 16 it is
    65,535 minus."""
    root = lab.script(TWELVE)
    lab.works(lab.convert(root, lab.folder / "out", channels=1, direction="negative"))
    counts = read(root / "counts.tif").astype(int)
    lab.near("counts.tif", 4095 - counts, read(lab.folder / "out/counts.tif"), 1)
    lab.near("counts.png", 4095 - counts, read(lab.folder / "out/counts.png"), 1)
    lab.near("scaled.tif", 65535 - 16 * counts, read(lab.folder / "out/scaled.tif"), 1)


@case(of=TWELVE)
def white_by_option(lab: Lab) -> None:
    """Counts without tags, and `--white 4095`: the negative is 4,095 minus the counts."""
    counts = (noise(64, 64, 1, np.uint16) // 16).astype(np.uint16)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", counts, metadata=None)
    (lab.folder / "in/b.png").write_bytes(bytes(imagecodecs.png_encode(counts)))
    lab.works(lab.convert("in", "out", "--white", "4095", channels=1, direction="negative"))
    for name in ("a.tif", "b.png"):
        lab.near(name, 4095 - counts.astype(int), read(lab.folder / "out" / name), 1)


@case(of=TWELVE)
def small_values_are_said(lab: Lab) -> None:
    """Counts of 12 bits without any word of their white: a note names --white."""
    (lab.folder / "in").mkdir()
    for number in range(3):
        counts = (noise(64, 64, 1, np.uint16, number) // 16).astype(np.uint16)
        tifffile.imwrite(lab.folder / f"in/{number}.tif", counts, metadata=None)
    done = lab.convert("in", "out", channels=1)
    lab.works(done)
    lab.says(done, "--white")


@case(of=TWELVE)
def ten_bits_of_three_colours(lab: Lab) -> None:
    """A colour PNG whose sBIT says 10 bits has its white at 1,023."""
    counts = (noise(64, 64, 3, np.uint16) // 64).astype(np.uint16)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(png(counts, chunk(b"sBIT", b"\x0a\x0a\x0a")))
    lab.works(lab.convert("in", "out", direction="negative"))
    lab.near("a.png", 1023 - counts.astype(int), read(lab.folder / "out/a.png"), 1)


@case(of=TWELVE)
def counts_above_their_white(lab: Lab) -> None:
    """Counts above the white that was stated do not wrap around: they are white, or stay what they were."""
    counts = np.full((32, 32), 1000, np.uint16)
    counts[8:24, 8:24] = 4400
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", counts, metadata=None)
    lab.works(lab.convert("in", "out", "--white", "4095", channels=1))
    after = read(lab.folder / "out/a.tif")
    bright = int(after[16, 16])
    lab.check("bright", "4,095 to 4,401", bright, 4095 <= bright <= 4401)
    lab.near("the rest", 1000, after[0, 0], 1)


@case(of=TWELVE)
def twelve_bits_packed(lab: Lab) -> None:
    """A TIFF of 12 packed bits fills 16 afterwards: its negative is white minus itself."""
    counts = (noise(32, 64, 1, np.uint16) // 16).astype(np.uint16)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", counts, bitspersample=12, metadata=None, photometric="minisblack")
    done = lab.convert("in", "out", channels=1, direction="negative")
    lab.works(done)
    after = tifffile.imread(lab.folder / "out/a.tif").astype(float)
    white = 4095 if after.max() <= 4095 else 65535
    lab.near("a.tif", 1 - counts / 4095, after / white, 1 / 4095)


@case(script=GREY)
def grey_sr(lab: Lab) -> None:
    """Grey scans through a colour model of super-resolution come out four times as large, grey in all channels, 16
    bits deep."""
    root = lab.script(GREY)
    lab.works(lab.convert(root, lab.folder / "out", direction="four_times"))
    y, x = np.mgrid[:48, :64]
    grey = (x * 3 + y).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    for name, times in (("scan.png", 1), ("scan16.png", 257)):
        after = read(lab.folder / "out" / name)
        after = after if after.ndim == 3 else np.dstack([after] * 3)
        lab.near(name, np.dstack([grey.astype(int) * times] * 3), after, 0 if times == 1 else 1)
    with Image.open(lab.folder / "out/fax.tif") as fax:
        lab.check("size of fax.tif", (256, 192), fax.size)
    lab.near("scan.jpg", grey, np.asarray(Image.open(lab.folder / "out/scan.jpg").convert("L")), 12)


@case(of=GREY)
def fax_is_black_and_white(lab: Lab) -> None:
    """A page of 1 bit, white and black, comes back as white and black, whichever of the two its zeros mean."""
    page = noise(48, 64, 1) > 127
    (lab.folder / "in").mkdir()
    Image.fromarray(page).save(lab.folder / "in/a.png")
    Image.fromarray(page).save(lab.folder / "in/b.tif", compression="group4")
    tifffile.imwrite(lab.folder / "in/c.tif", ~page, photometric="miniswhite", metadata=None)
    lab.works(lab.convert("in", "out"))
    for name in ("a.png", "b.tif", "c.tif"):
        with Image.open(lab.folder / "out" / name) as image:
            lab.near(name, page * 255, np.asarray(image.convert("L")))


@case(of=GREY)
def grey_through_one_channel(lab: Lab) -> None:
    """A colour photo through a grey model comes out as its luma (BT.601), grey."""
    colour = noise(48, 48)
    save(lab.folder / "in/a.png", colour)
    lab.works(lab.convert("in", "out", channels=1))
    luma = colour @ np.array([0.299, 0.587, 0.114])
    after = read(lab.folder / "out/a.png")
    lab.near("luma", luma, after if after.ndim == 2 else after[..., 0], 1)


@case(of=GREY)
def few_bits(lab: Lab) -> None:
    """PNG of 2 and 4 bits of grey come out as the same greys of 8 bits."""
    import zlib

    (lab.folder / "in").mkdir()
    values = {}
    for bits in (2, 4):
        levels = noise(16, 16, 1, seed=bits) % (1 << bits)
        rows = b""
        for row in levels:
            packed = int("".join(f"{int(value):0{bits}b}" for value in row), 2).to_bytes(16 * bits // 8, "big")
            rows += b"\0" + packed
        header = struct.pack(">IIBBBBB", 16, 16, bits, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (lab.folder / f"in/{bits}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        values[bits] = levels.astype(int) * (255 // ((1 << bits) - 1))
    lab.works(lab.convert("in", "out"))
    for bits, wanted in values.items():
        after = read(lab.folder / f"out/{bits}.png")
        lab.near(f"{bits} bits", wanted, after if after.ndim == 2 else after[..., 0])


@case(of=GREY)
def grey_with_another_white(lab: Lab) -> None:
    """Twice as large grey of 16 bits with a white of 4,095 keeps both: its white, and each count four times."""
    counts = (noise(24, 24, 1, np.uint16) // 16).astype(np.uint16)
    (lab.folder / "in").mkdir()
    tifffile.imwrite(lab.folder / "in/a.tif", counts, metadata=None, extratags=[(281, "H", 1, 4095, True)])
    lab.works(lab.convert("in", "out", channels=1, direction="twice"))
    with tifffile.TiffFile(lab.folder / "out/a.tif") as tiff:
        lab.near("counts", counts.repeat(2, 0).repeat(2, 1), tiff.asarray(), 1)
        white = tiff.pages[0].tags.get(281)
        lab.check("MaxSampleValue", 4095, None if white is None else white.value)
