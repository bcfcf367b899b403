"""Damaged, unsupported and odd are three things: what every viewer shows is read, and ancillary data decide about no
pixel."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from kinds.images import SIGNATURE, Array, chunk, noise, plain, png, read, save
from kinds.lab import Lab, case

PROFILE, ODD = "large_profile_png.py", "odd_pngs.py"


@case(script=PROFILE, quick=True)
def large_profile_png(lab: Lab) -> None:
    """PNGs with a profile or a text of more than a megabyte come back with their pixels."""
    root = lab.script(PROFILE)
    lab.works(lab.convert(root, lab.folder / "out"))
    wanted = (np.random.default_rng(1).random((64, 64, 3)) * 255).astype(np.uint8)
    for path in sorted(root.iterdir()):
        after = lab.folder / "out" / path.name
        lab.check(f"{path.name}", True, after.exists())
        if after.exists():
            lab.near(path.name, wanted, read(after))


def each(lab: Lab, pictures: dict[str, bytes], wanted: Array) -> None:
    """Converts files, and notes that each comes back with its pixels."""
    (lab.folder / "in").mkdir()
    for name, data in pictures.items():
        (lab.folder / "in" / name).write_bytes(data)
    lab.works(lab.convert("in", "out"))
    for name in pictures:
        after = lab.folder / "out" / name
        reason = lab.rows(lab.folder / "out").get(name, {}).get("reason")
        if after.exists():
            lab.near(name, wanted, read(after))
        else:
            lab.check(name, "converted", f"missing: {reason}", False)


@case(of=PROFILE)
def broken_texts(lab: Lab) -> None:
    """Texts that do not unpack, without a keyword, in no known encoding, decide about no pixel."""
    pixels = noise(32, 32)
    texts = {
        "unpacked.png": chunk(b"zTXt", b"prompt\0\0" + b"no zlib at all"),
        "keyless.png": chunk(b"tEXt", b"\0value"),
        "no_zero.png": chunk(b"tEXt", b"x" * 90),
        "not_utf8.png": chunk(b"iTXt", b"k\0\0\0\0\0\xff\xfe\xff"),
        "short.png": chunk(b"iTXt", b"k\0"),
        "method.png": chunk(b"zTXt", b"k\0\x07" + zlib.compress(b"x")),
    }
    each(lab, {name: png(pixels, text) for name, text in texts.items()}, pixels)


@case(of=PROFILE)
def broken_metadata_chunks(lab: Lab) -> None:
    """Times, resolutions, gammas, backgrounds and EXIF that are cut or impossible decide about no pixel."""
    pixels = noise(32, 32)
    chunks = {
        "time.png": chunk(b"tIME", b"\xff" * 7),
        "time_short.png": chunk(b"tIME", b"\1"),
        "phys.png": chunk(b"pHYs", bytes(9)),
        "phys_short.png": chunk(b"pHYs", b"\1\2"),
        "gamma.png": chunk(b"gAMA", bytes(4)),
        "gamma_twice.png": chunk(b"gAMA", struct.pack(">I", 45455)) * 2,
        "background.png": chunk(b"bKGD", b"\1"),
        "exif.png": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        "exif_empty.png": chunk(b"eXIf", b""),
        "private.png": chunk(b"prVt", b"x" * 100),
        "chroma.png": chunk(b"cHRM", bytes(32)),
        "srgb.png": chunk(b"sRGB", b"\x09"),
        "significant.png": chunk(b"sBIT", b"\0\0\0"),
    }
    each(lab, {name: png(pixels, data) for name, data in chunks.items()}, pixels)


@case(of=PROFILE)
def broken_tiff_and_jpeg_metadata(lab: Lab) -> None:
    """EXIF of garbage in a JPEG or WebP, odd tags in a TIFF, decide about no pixel."""
    pixels = plain(90)
    (lab.folder / "in").mkdir()
    save(lab.folder / "in/a.jpg", pixels, quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 40)
    save(lab.folder / "in/b.webp", pixels, lossless=True, exif=b"garbage that is no TIFF")
    odd: list[Any] = [
        (34735, "H", 3, (1, 2, 3), True),
        (700, "B", 5, b"\xff\0\xff\0\xff", True),
        (42112, "s", 0, "<Bad", True),
    ]
    tifffile.imwrite(lab.folder / "in/c.tif", pixels, photometric="rgb", metadata=None, extratags=odd)
    lab.works(lab.convert("in", "out"))
    for name in ("a.jpg", "b.webp", "c.tif"):
        lab.near(name, pixels, read(lab.folder / "out" / name), 1)


@case(of=PROFILE)
def bombs_of_text(lab: Lab) -> None:
    """A text of 200 MB in 200 kB, and a profile of the same, are refused or passed over within seconds and little
    memory."""
    pixels = noise(16, 16)
    packed = zlib.compress(bytes(200_000_000), 9)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(png(pixels, chunk(b"zTXt", b"k\0\0" + packed)))
    (lab.folder / "in/b.png").write_bytes(png(pixels, chunk(b"iCCP", b"k\0\0" + packed)))
    save(lab.folder / "in/c.png", pixels)
    done = lab.convert("in", "out", seconds=60)
    lab.orderly(done)
    lab.near("c.png", pixels, read(lab.folder / "out/c.png"))


@case(script=ODD, quick=True)
def odd_pngs(lab: Lab) -> None:
    """Odd PNGs that every viewer shows come back with their pixels."""
    root = lab.script(ODD)
    lab.works(lab.convert(root, lab.folder / "out"))
    wanted = (np.random.default_rng(0).random((32, 32, 3)) * 255).astype(np.uint8)
    for path in sorted(root.iterdir()):
        after = lab.folder / "out" / path.name
        if not after.exists():
            reason = lab.rows(lab.folder / "out").get(path.name, {}).get("reason")
            lab.check(path.name, "converted", f"missing: {reason}", False)
        elif path.stem == "cgbi":  # Apple's chunk says that red and blue are swapped.
            lab.near(path.name, wanted[..., ::-1], read(after))
        else:
            lab.near(path.name, wanted, read(after))


@case(of=ODD)
def what_cameras_append(lab: Lab) -> None:
    """Bytes behind the end of a PNG, and chunks in an odd order, are no damage."""
    pixels = noise(32, 32)
    whole = png(pixels)
    split = whole.index(b"IDAT") - 4
    length = struct.unpack(">I", whole[split : split + 4])[0]
    body = whole[split + 8 : split + 8 + length]
    parts = b"".join(chunk(b"IDAT", body[at : at + 100]) for at in range(0, length, 100))
    pictures = {
        "behind.png": whole + b"appended by a phone" * 100,
        "zeros.png": whole + bytes(512),
        "many_idat.png": whole[:33] + parts + chunk(b"IEND", b""),
        "empty_idat.png": whole[:33] + chunk(b"IDAT", b"") + whole[33:],
        "text_last.png": whole[:-12] + chunk(b"tEXt", b"a\0b") + whole[-12:],
    }
    each(lab, pictures, pixels)


@case(of=ODD)
def damage_is_damage(lab: Lab) -> None:
    """Pixels that are cut off, or whose checksum is wrong, are an error by name, never half a picture."""
    pixels = noise(64, 64)
    whole = png(pixels)
    spoilt = bytearray(whole)
    spoilt[whole.index(b"IDAT") + 500] ^= 0x55
    (lab.folder / "in").mkdir()
    (lab.folder / "in/cut.png").write_bytes(whole[: len(whole) // 2])
    (lab.folder / "in/spoilt.png").write_bytes(bytes(spoilt))
    jpeg = save(lab.folder / "in/half.jpg", pixels, quality=95)
    jpeg.write_bytes(jpeg.read_bytes()[:2000])
    save(lab.folder / "in/ok.png", pixels)
    lab.refused(lab.convert("in", "out"), "cut.png", "spoilt.png", "half.jpg")
    made = sorted(path.name for path in (lab.folder / "out").iterdir() if path.suffix in (".png", ".jpg"))
    lab.check("outputs", ["ok.png"], made)


@case(of=ODD)
def jpeg_without_its_end(lab: Lab) -> None:
    """A JPEG that lacks only its last two bytes (EOI), or has zeros behind, is shown by every viewer: it is read."""
    pixels = noise(48, 48) // 4 + 90
    path = save(lab.folder / "in/a.jpg", pixels, quality=95)
    seen, whole = read(path), path.read_bytes()
    path.write_bytes(whole[:-2])
    (lab.folder / "in/b.jpg").write_bytes(whole + bytes(100))
    (lab.folder / "in/c.jpg").write_bytes(whole[:2] + b"\xff\xfe\0\x06abcd" + whole[2:])
    (lab.folder / "in/d.jpg").write_bytes(whole[:2] + b"\xff\xff" + whole[2:])
    lab.works(lab.convert("in", "out", "--format", "png"))
    for name in "abcd":
        after = lab.folder / f"out/{name}.png"
        reason = lab.rows(lab.folder / "out").get(f"{name}.jpg", {}).get("reason")
        lab.check(f"{name}.jpg", "there", "there" if after.exists() else f"missing: {reason}")
        if after.exists():
            lab.near(f"values of {name}.jpg", seen, read(after), 1)


@case(of=ODD)
def unsupported_is_named(lab: Lab) -> None:
    """Photoshop, FITS, a film, a vector graphic and a PDF are called by their names, with a way out."""
    (lab.folder / "in").mkdir()
    heads = {
        "a.tif": b"8BPS\0\1" + bytes(200),
        "b.png": b"SIMPLE  =                    T" + b" " * 3000,
        "c.jpg": b"%PDF-1.7\n" + bytes(200),
        "d.png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "e.jpg": b"\0\0\0\x18ftypmp42" + bytes(200),
    }
    for name, head in heads.items():
        (lab.folder / "in" / name).write_bytes(head)
    done = lab.convert("in", "out")
    lab.refused(done, "photoshop", "fits", "pdf", "svg")
    damaged = [line for line in done.text.splitlines() if "damaged" in line]
    lab.check("called damaged", [], damaged)


@case(of=ODD)
def interlaced_and_palette(lab: Lab) -> None:
    """A PNG in passes (Adam7) and one of a palette with fewer colours than 256 come back."""
    pixels = noise(37, 53)
    (lab.folder / "in").mkdir()
    passes, rows = (
        ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
        b"",
    )
    for y, x, down, right in passes:
        for row in pixels[y::down, x::right]:
            rows += b"\0" + row.tobytes() if row.size else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 53, 37, 8, 2, 0, 0, 1))
    data = SIGNATURE + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (lab.folder / "in/a.png").write_bytes(data)
    Image.fromarray(pixels).quantize(17).save(lab.folder / "in/b.png")
    with Image.open(lab.folder / "in/b.png") as image:
        flat = np.asarray(image.convert("RGB"))
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", pixels, read(lab.folder / "out/a.png"))
    with Image.open(lab.folder / "out/b.png") as image:
        lab.near("b.png", flat, np.asarray(image.convert("RGB")))
