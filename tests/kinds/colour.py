"""Colours: networks see sRGB whatever space a file is in, and the output looks like the input in the space of the
input."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

from kinds.images import Array, chunk, png, read, save, waves
from kinds.lab import Lab, case

WIDE = "wide_gamut.py"

SPACES = {
    "a98.icc": (((0.6400, 0.3300), (0.2100, 0.7100), (0.1500, 0.0600)), 563 / 256, (0.3127, 0.3290)),
    "rommrgb.icc": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), 1.8, (0.3457, 0.3585)),
}
"""Adobe RGB (1998) and ROMM RGB: primaries, gamma, white, as their standards state them."""
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB_D50 = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
"""sRGB to XYZ under D50 (IEC 61966-2-1, adapted by Bradford's matrix)."""


def to_xyz(name: str) -> Array:
    """The matrix of a space to XYZ under D50."""
    primaries, _, white = SPACES[name]
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    light = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    matrix = columns * np.linalg.solve(columns, light)
    cones = BRADFORD @ light
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / cones) @ BRADFORD
    return np.asarray(adapt @ matrix)


def profile(name: str) -> bytes:
    """An ICC profile (version 2, three primaries and a gamma) of a space."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    matrix, gamma = to_xyz(name), SPACES[name][1]
    text = name.encode() + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(*D50),
    }
    for number, letter in enumerate((b"r", b"g", b"b")):
        tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*matrix[:, number])
        tags[letter + b"TRC"] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = b"lcms" + struct.pack(">I", 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += fixed(*D50) + bytes(48)
    return struct.pack(">I", 4 + len(head) + len(table) + len(body)) + head + table + body


def in_space(colour: Array, name: str) -> Array:
    """sRGB colours of 8 bits as real numbers of another space, by its matrix and its gamma."""
    value = colour / 255.0
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    other = np.clip(light @ SRGB_D50.T @ np.linalg.inv(to_xyz(name)).T, 0, 1)
    return np.asarray(255 * other ** (1 / SPACES[name][1]))


def from_space(values: Array, name: str) -> Array:
    """Numbers of another space, 0 to 255, as sRGB colours, cut off where sRGB ends."""
    light = (values / 255.0) ** SPACES[name][1] @ to_xyz(name).T @ np.linalg.inv(SRGB_D50).T
    light = np.clip(light, 0, 1)
    return np.asarray(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def profiles(lab: Lab) -> Path:
    """A folder of the two profiles under the names that Ghostscript gives them."""
    folder = lab.folder / "icc"
    folder.mkdir()
    for name in SPACES:
        (folder / name).write_bytes(profile(name))
    return folder


@case(script=WIDE, quick=True)
def wide_gamut(lab: Lab) -> None:
    """One photograph in three spaces comes back equal; its negative is, as colours, that of the photograph in sRGB."""
    photo = save(lab.folder / "photo.png", waves(128, 128))
    root = lab.script(WIDE, photo, profiles(lab))
    lab.works(lab.convert(root, lab.folder / "same"))
    lab.works(lab.convert(root, lab.folder / "out", direction="negative"))
    colour = read(root / "srgb.png").astype(float)
    lab.near("srgb.png", 255 - colour, read(lab.folder / "out/srgb.png"))
    for name, space in (("romm.png", "rommrgb.icc"), ("adobe.png", "a98.icc")):
        before = read(root / name)
        lab.near(f"identity of {name}", before, read(lab.folder / "same" / name), 1)
        wanted = in_space(255 - from_space(before, space), space)
        lab.near(f"negative of {name}", wanted, read(lab.folder / "out" / name), 2)
        with Image.open(root / name) as one, Image.open(lab.folder / "out" / name) as two:
            lab.check(
                f"profile of {name}",
                "kept",
                "kept" if two.info.get("icc_profile") == one.info["icc_profile"] else "lost",
            )


def adobe(lab: Lab) -> Array:
    """Colours as numbers of Adobe RGB, which are those of `waves` in sRGB."""
    return np.round(in_space(waves(64, 64), "a98.icc")).astype(np.uint8)


@case(of=WIDE)
def as_is(lab: Lab) -> None:
    """`--colour as-is` keeps numbers: the negative of Adobe RGB is 255 minus each number."""
    before = adobe(lab)
    save(lab.folder / "in/a.png", before, icc_profile=profile("a98.icc"))
    lab.works(lab.convert("in", "out", "--colour", "as-is", direction="negative"))
    lab.near("a.png", 255 - before, read(lab.folder / "out/a.png"))


@case(of=WIDE, quick=True)
def primaries_without_a_profile(lab: Lab) -> None:
    """A PNG whose gAMA and cHRM say Adobe RGB is seen as Adobe RGB."""
    before = adobe(lab)
    values = [0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06]
    primaries = struct.pack(">8I", *(round(value * 100_000) for value in values))
    (lab.folder / "in").mkdir()
    gamma = struct.pack(">I", round(100_000 * 256 / 563))
    (lab.folder / "in/a.png").write_bytes(png(before, chunk(b"gAMA", gamma), chunk(b"cHRM", primaries)))
    lab.works(lab.convert("in", "out", direction="negative"))
    wanted = in_space(255 - from_space(before, "a98.icc"), "a98.icc")
    lab.near("a.png", wanted, read(lab.folder / "out/a.png"), 2)


@case(of=WIDE)
def gamma_of_one(lab: Lab) -> None:
    """A grey PNG of linear light (gAMA 1) is seen as sRGB: 50 % of the light is 188 of 255."""
    before = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(png(before, chunk(b"gAMA", struct.pack(">I", 100_000))))
    lab.works(lab.convert("in", "out", direction="negative", channels=1))
    light = before / 255.0
    seen = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    turned = 1 - seen
    wanted = 255 * np.where(turned <= 0.04045, turned / 12.92, ((turned + 0.055) / 1.055) ** 2.4)
    after = read(lab.folder / "out/a.png")
    lab.near("a.png", wanted, after if after.ndim == 2 else after[..., 0], 2)


@case(of=WIDE)
def display_p3_by_code_points(lab: Lab) -> None:
    """A PNG whose cICP says Display P3 comes back equal, with its cICP, and 16 bits deep within a step or two."""
    before = waves(64, 64).astype(np.uint16) * 257
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.png").write_bytes(png(before, chunk(b"cICP", bytes([12, 13, 0, 1]))))
    lab.works(lab.convert("in", "out"))
    data = (lab.folder / "out/a.png").read_bytes()
    lab.near("a.png", before, read(lab.folder / "out/a.png"), 2)
    lab.check("colours are named", True, b"cICP" in data or b"iCCP" in data)


@case(of=WIDE)
def exif_says_adobe(lab: Lab) -> None:
    """A camera's JPEG without profile whose EXIF says Adobe RGB (InteropIndex R03, uncalibrated) is seen as that."""
    before = adobe(lab)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    path = save(lab.folder / "in/a.jpg", before, quality=100, subsampling=0, exif=exif.tobytes())
    shown = read(path)
    lab.works(lab.convert("in", "out", "--format", "png", direction="negative"))
    with Image.open(lab.folder / "out/a.png") as image:
        after, icc = np.asarray(image), image.info.get("icc_profile")
    wanted = 255 - from_space(shown, "a98.icc")
    if icc is not None:
        wanted = in_space(wanted, "a98.icc")
    lab.near("a.png", wanted, after, 2)


@case(of=WIDE)
def grey_profile(lab: Lab) -> None:
    """A grey picture with a grey profile of gamma 1.8 comes back equal, profile and all."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(1.8 * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in D50)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(79)
    parts, body, table = {b"desc": text, b"wtpt": white, b"kTRC": curve}, b"", struct.pack(">I", 3)
    for key, value in parts.items():
        table += key + struct.pack(">II", 132 + 36 + len(body), len(value))
        body += value
    head = b"lcms" + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in D50) + bytes(48)
    icc = struct.pack(">I", 4 + len(head) + len(table) + len(body)) + head + table + body
    before = np.arange(256, dtype=np.uint8).reshape(16, 16)
    save(lab.folder / "in/a.png", before, icc_profile=icc)
    lab.works(lab.convert("in", "out", channels=1))
    with Image.open(lab.folder / "out/a.png") as image:
        lab.near("a.png", before, np.asarray(image.convert("L")), 1)
        lab.check("profile", True, image.info.get("icc_profile") == icc)


@case(of=WIDE)
def profile_in_other_formats(lab: Lab) -> None:
    """Adobe RGB in TIFF, WebP and JPEG comes back with its profile, equal within the format's own loss."""
    before = adobe(lab)
    icc = profile("a98.icc")
    save(lab.folder / "in/a.tif", before, icc_profile=icc)
    save(lab.folder / "in/b.webp", before, icc_profile=icc, lossless=True)
    shown = read(save(lab.folder / "in/c.jpg", before, icc_profile=icc, quality=95, subsampling=0))
    lab.works(lab.convert("in", "out"))
    for name, values, step in (("a.tif", before, 1), ("b.webp", before, 1), ("c.jpg", shown, 12)):
        with Image.open(lab.folder / "out" / name) as image:
            lab.near(name, values, np.asarray(image), step)
            lab.check(f"profile of {name}", True, image.info.get("icc_profile") == icc)


@case(of=WIDE, quick=True)
def palette_with_a_profile(lab: Lab) -> None:
    """Colours of a palette are seen by the profile, or the gamma, of their file as any others: PNG and TIFF."""
    indices = Image.fromarray(adobe(lab)).quantize(64)
    icc, before = profile("a98.icc"), np.asarray(indices.convert("RGB"))
    (lab.folder / "in").mkdir()
    indices.save(lab.folder / "in/a.png", icc_profile=icc)
    indices.save(lab.folder / "in/b.tif", icc_profile=icc)
    indices.save(lab.folder / "in/c.png")
    plain_file = (lab.folder / "in/c.png").read_bytes()
    values = [0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06]
    stated = chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))
    stated += chunk(b"gAMA", struct.pack(">I", round(100_000 * 256 / 563)))
    (lab.folder / "in/c.png").write_bytes(plain_file[:33] + stated + plain_file[33:])
    lab.works(lab.convert("in", "out", direction="negative"))
    lab.works(lab.convert("in", "same"))
    wanted = in_space(255 - from_space(before, "a98.icc"), "a98.icc")
    for name in ("a.png", "b.tif", "c.png"):
        lab.near(name, wanted, read(lab.folder / "out" / name), 2)
        lab.near(f"identity of {name}", before, read(lab.folder / "same" / name), 1)


@case(of=WIDE)
def damaged_profile(lab: Lab) -> None:
    """A profile that is garbage, or of the wrong kind, decides about no pixel."""
    before = waves(48, 48)
    (lab.folder / "in").mkdir()
    save(lab.folder / "in/garbage.png", before, icc_profile=b"garbage" * 40)
    lab_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    save(lab.folder / "in/lab.png", before, icc_profile=lab_profile)
    cut = profile("a98.icc")[:150]
    save(lab.folder / "in/cut.png", before, icc_profile=cut)
    lab.works(lab.convert("in", "out"))
    for name in ("garbage.png", "lab.png", "cut.png"):
        lab.near(name, before, read(lab.folder / "out" / name), 0)


@case(of=WIDE)
def another_format_of_wide_colours(lab: Lab) -> None:
    """Adobe RGB into BMP, which has no profile: the numbers are then those of sRGB."""
    before = adobe(lab)
    save(lab.folder / "in/a.png", before, icc_profile=profile("a98.icc"))
    lab.works(lab.convert("in", "out", "--format", "bmp"))
    lab.near("a.bmp", from_space(before, "a98.icc"), read(lab.folder / "out/a.bmp"), 2)


@case(of=WIDE)
def metadata_none_is_srgb(lab: Lab) -> None:
    """`--metadata none` drops the profile, and the numbers are then those of sRGB."""
    before = adobe(lab)
    save(lab.folder / "in/a.png", before, icc_profile=profile("a98.icc"))
    lab.works(lab.convert("in", "out", "--metadata", "none"))
    data = (lab.folder / "out/a.png").read_bytes()
    lab.check("profile", False, b"iCCP" in data)
    lab.near("a.png", from_space(before, "a98.icc"), np.asarray(imagecodecs.png_decode(data)), 2)


@case(of=WIDE)
def inks(lab: Lab) -> None:
    """CMYK without a profile looks as other programs show it: 255 minus ink, times what black leaves."""
    sheet = np.zeros((32, 32, 4), np.uint8)
    sheet[:16, :, 0], sheet[:, :16, 1], sheet[8:24, :, 2], sheet[:, 24:, 3] = 200, 100, 50, 128
    (lab.folder / "in").mkdir()
    Image.fromarray(sheet, "CMYK").save(lab.folder / "in/a.tif")
    lab.works(lab.convert("in", "out", "--format", "png"))
    wanted = (255 - sheet[..., :3].astype(float)) * (255 - sheet[..., 3:]) / 255
    lab.near("a.png", wanted, read(lab.folder / "out/a.png"), 1)
