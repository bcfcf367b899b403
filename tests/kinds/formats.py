"""Formats: by content and not by suffix, read by all decoders that there are, and refused by their names otherwise."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from kinds.images import Array, noise, plain, read, save, waves
from kinds.lab import Lab, case

TIFF, JPEG, DICOM, SUFFIX, WEBP = "tiff_compressions.py", "odd_jpegs.py", "dicom.py", "suffixes.py", "wide_webp.py"


def stays(lab: Lab, source: Path, output: Path, step: float = 1) -> None:
    """Notes for each TIFF of a folder whether its output has its values, as tifffile reads both."""
    for path in sorted(source.glob("*.tif")):
        after = output / path.name
        if not after.exists():
            reason = lab.rows(output).get(path.name, {}).get("reason")
            lab.check(path.name, "converted", f"missing: {reason}", False)
            continue
        one, two = tifffile.imread(path), tifffile.imread(after)
        two = two[..., 0] if two.ndim > one.ndim else two
        if path.stem.endswith("16_jpeg"):  # JPEG of 12 bits, which fill 16 afterwards, within JPEG's loss.
            lab.near(path.name, one / 4095, two / 65535, 16 / 4095)
            continue
        lossy = "jpeg" in path.stem.split("_")[-1] and one.dtype == np.uint8
        lab.near(path.name, one, two, 16 if lossy else step if one.dtype.kind == "u" else 1e-6)


@case(script=TIFF)
def tiff_compressions(lab: Lab) -> None:
    """TIFF of every compression that tifffile writes comes back with its values, 8, 16 and 32 bits deep."""
    root = lab.script(TIFF)
    lab.works(lab.convert(root, lab.folder / "out"))
    stays(lab, root, lab.folder / "out")


@case(of=TIFF)
def tiff_predictors(lab: Lab) -> None:
    """LZW, Deflate, PackBits and LZMA with each predictor, in strips, tiles and planes, come back."""
    (lab.folder / "in").mkdir()
    count = 0
    for dtype in (np.uint8, np.uint16, np.float32):
        for compression in ("lzw", "zlib", "zstd"):
            for more in ({"rowsperstrip": 7}, {"tile": (32, 32)}, {"planarconfig": "separate"}):
                options: dict[str, Any] = {"compression": compression, "predictor": 3 if dtype == np.float32 else 2}
                pixels = noise(64, 64, dtype=dtype, seed=count)
                if "planarconfig" in more:
                    pixels = np.moveaxis(pixels, -1, 0)
                    options["predictor"] = 2 if dtype != np.float32 else 3
                path = lab.folder / f"in/{count:02d}.tif"
                tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **options, **more)
                count += 1
    lab.works(lab.convert("in", "out"))
    for path in sorted((lab.folder / "in").iterdir()):
        one, two = tifffile.imread(path), tifffile.imread(lab.folder / "out" / path.name)
        one = np.moveaxis(one, 0, -1) if one.shape[0] == 3 else one
        two = np.moveaxis(two, 0, -1) if two.shape[0] == 3 else two
        lab.near(path.name, one, two, 1 if one.dtype.kind == "u" else 1e-6)


@case(of=TIFF)
def tiff_sample_types(lab: Lab) -> None:
    """TIFF of 1, 2, 4 bits, of int8, float16 and float64, big- and little-endian, comes out with its values."""
    (lab.folder / "in").mkdir()
    unit = np.linspace(0, 1, 1024).reshape(32, 32)
    wanted: dict[str, Array] = {}
    for order in "<>":
        for dtype in (np.uint16, np.float16, np.float32, np.float64):
            name = f"{np.dtype(dtype).name}{'little' if order == '<' else 'big'}.tif"
            pixels = (unit * 65535).astype(dtype) if dtype == np.uint16 else unit.astype(dtype)
            tifffile.imwrite(lab.folder / "in" / name, pixels, byteorder=order, metadata=None)
            wanted[name] = pixels.astype(np.float64)
    lab.works(lab.convert("in", "out", channels=1))
    for name, values in wanted.items():
        lab.near(name, values, read(lab.folder / "out" / name).astype(float), 1 if "uint" in name else 1e-6)


@case(of=TIFF)
def tiff_colours(lab: Lab) -> None:
    """TIFF in YCbCr, and in a palette of 16-bit colours, looks as libtiff and its table show it."""
    (lab.folder / "in").mkdir()
    colour = waves(64, 64)
    Image.fromarray(colour).convert("YCbCr").save(lab.folder / "in/ycbcr.tif", compression="jpeg", quality=95)
    table = (np.arange(3 * 256).reshape(3, 256) * 85).astype(np.uint16)
    index = noise(32, 32, 1)
    tifffile.imwrite(lab.folder / "in/palette.tif", index, photometric="palette", colormap=table, metadata=None)
    lab.works(lab.convert("in", "out", "--format", "png"))
    lab.near("ycbcr.tif", colour, read(lab.folder / "out/ycbcr.png"), 24)
    lab.near("palette.tif", (table[:, index] >> 8).transpose(1, 2, 0), read(lab.folder / "out/palette.png")[..., :3], 1)


@case(script=JPEG)
def odd_jpegs(lab: Lab) -> None:
    """Every JPEG looks as PIL or imagecodecs shows it, within the loss of JPEG."""
    root = lab.script(JPEG)
    lab.works(lab.convert(root, lab.folder / "out"))
    for path in sorted(root.glob("*.jpg")):
        after = lab.folder / "out" / path.name
        if not after.exists():
            lab.check(
                path.name,
                "converted",
                f"missing: {lab.rows(lab.folder / 'out').get(path.name, {}).get('reason')}",
                False,
            )
            continue
        if path.stem == "lossless":
            deep = imagecodecs.ljpeg_decode(path.read_bytes()).astype(float) / 4095
            got = imagecodecs.imread(after)
            top = 4095 if got.dtype == np.uint16 and got.max() <= 4095 else np.iinfo(got.dtype).max
            got = got[..., 0] if got.ndim == 3 else got
            lab.near(path.name, deep, got / top, 8 / 255)
            continue
        seen = (
            np.asarray(imagecodecs.jpeg8_decode(path.read_bytes(), outcolorspace="rgb"))
            if path.stem == "lossless8"
            else None
        )
        if seen is None:
            with Image.open(path) as image:
                seen = np.asarray(image.convert("RGB"))
        with Image.open(after) as image:
            lab.near(path.name, seen, np.asarray(image.convert("RGB")), 12)


@case(of=JPEG)
def jpeg_of_every_subsampling(lab: Lab) -> None:
    """4:4:4, 4:2:2, 4:2:0, grey, optimised, with restarts: all look as PIL shows them."""
    colour = waves(61, 83)
    for number, options in enumerate(
        ({"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"optimize": True}, {"restart_marker_blocks": 2})
    ):
        save(lab.folder / f"in/{number}.jpg", colour, quality=90, **options)
    save(lab.folder / "in/grey.jpg", colour[..., 0], quality=90)
    lab.works(lab.convert("in", "out", "--format", "png"))
    for path in sorted((lab.folder / "in").iterdir()):
        after = read(lab.folder / "out" / f"{path.stem}.png")
        seen = read(path)
        lab.near(path.name, seen, after if after.ndim == seen.ndim else after[..., 0], 1)


@case(of=JPEG)
def jpeg_with_more_behind(lab: Lab) -> None:
    """A JPEG with a second picture or a film behind its end (phones: MPO, motion photos) is read as its photo."""
    path = save(lab.folder / "in/a.jpg", waves(48, 64), quality=90)
    photo = path.read_bytes()
    seen = read(path)
    (lab.folder / "in/b.jpg").write_bytes(photo + b"\0\0\0\x18ftypmp42" + bytes(5000))
    (lab.folder / "in/c.jpg").write_bytes(photo + photo)
    (lab.folder / "in/d.jpg").write_bytes(photo + bytes(3))
    lab.works(lab.convert("in", "out", "--format", "png"))
    for name in "abcd":
        lab.near(f"{name}.jpg", seen, read(lab.folder / f"out/{name}.png"), 1)


@case(of=JPEG)
def jpeg_of_twelve_bits(lab: Lab) -> None:
    """A JPEG of 12 bits fills 16 afterwards, or keeps its 12, within its loss."""
    y, x = np.mgrid[:64, :64]
    deep = (x * 40 + y * 20).astype(np.uint16)
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.jpg").write_bytes(bytes(imagecodecs.jpeg8_encode(deep, level=98, bitspersample=12)))
    lab.works(lab.convert("in", "out", "--format", "tif", channels=1))
    after = read(lab.folder / "out/a.tif").astype(float)
    after /= 4095 if after.max() <= 4095 else 65535
    lab.near("a.jpg", deep / 4095, after, 16 / 4095)


@case(script=DICOM)
def dicom(lab: Lab) -> None:
    """Heads of DICOM files without a picture are called by that name, whatever their suffix; none is dropped in
    silence."""
    root = lab.script(DICOM)
    done = lab.convert(root, lab.folder / "out")
    lab.refused(done, "dicom", "scan.dcm", "IM000001", "scan.png")


def scan(path: Path, pixels: Array, **elements: Any) -> None:
    """Writes a DICOM file by pydicom."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    data.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * pixels.dtype.itemsize
    data.BitsStored, data.HighBit = (
        elements.pop("bits", data.BitsAllocated),
        elements.pop("bits_high", data.BitsAllocated) - 1,
    )
    data.PixelRepresentation = 0
    for name, value in elements.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


@case(of=DICOM)
def dicom_of_eight_bits(lab: Lab) -> None:
    """A grey and a colour scan of 8 bits come out with their values, found without a suffix, too."""
    grey, colour = noise(32, 48, 1), noise(32, 48)
    scan(lab.folder / "in/grey.dcm", grey)
    scan(lab.folder / "in/IM0001", colour)
    lab.works(lab.convert("in", "out"))
    outputs = {path.stem: path for path in (lab.folder / "out").iterdir() if path.suffix in (".png", ".tif")}
    lab.check("outputs", ["IM0001", "grey"], sorted(outputs))
    for stem, wanted in (("grey", grey), ("IM0001", colour)):
        if stem in outputs:
            after = read(outputs[stem])
            lab.near(stem, wanted, after if after.ndim == wanted.ndim else after[..., 0], 1)


@case(of=DICOM)
def dicom_of_twelve_bits(lab: Lab) -> None:
    """Counts of 12 stored bits have their white at 4,095: the negative is 4,095 minus the counts."""
    counts = (noise(32, 48, 1, np.uint16) // 16).astype(np.uint16)
    scan(lab.folder / "in/a.dcm", counts, bits=12, bits_high=12)
    lab.works(lab.convert("in", "out", channels=1, direction="negative"))
    outputs = [path for path in (lab.folder / "out").iterdir() if path.suffix in (".png", ".tif")]
    lab.check("outputs", 1, len(outputs))
    if outputs:
        lab.near("a.dcm", 4095 - counts.astype(int), read(outputs[0]), 1)


@case(of=DICOM)
def dicom_inverted(lab: Lab) -> None:
    """MONOCHROME1, whose 0 is white, comes out as what a viewer shows."""
    grey = noise(32, 48, 1)
    scan(lab.folder / "in/a.dcm", grey, PhotometricInterpretation="MONOCHROME1")
    lab.works(lab.convert("in", "out", "--format", "png", channels=1))
    lab.near("a.dcm", 255 - grey, read(lab.folder / "out/a.png"), 1)


@case(script=SUFFIX)
def suffixes(lab: Lab) -> None:
    """Each JPEG, BMP, PNG and TIFF is found by its content under any name; what is no picture is counted by name."""
    root = lab.script(SUFFIX)
    done = lab.convert(root, lab.folder / "out")
    rows = lab.rows(lab.folder / "out")
    for path in sorted(root.iterdir()):
        if path.name[0] in "abcdefghijklmno":
            row = rows.get(path.name, {"status": "passed over"})
            lab.check(path.name, "done", f"{row['status']}", row["status"] == "done")
            if row["status"] == "done":
                with Image.open(path) as one, Image.open(lab.folder / "out" / row["output"]) as two:
                    lab.near(
                        f"values of {path.name}", np.asarray(one.convert("RGB")), np.asarray(two.convert("RGB")), 16
                    )
    lab.orderly(done)


@case(of=SUFFIX)
def wrong_suffixes(lab: Lab) -> None:
    """A PNG called .jpg and a JPEG called .png are read for what they are; the output is what its name says."""
    save(lab.folder / "in/a.jpg", plain(40), format="PNG")
    save(lab.folder / "in/b.png", plain(90), format="JPEG")
    save(lab.folder / "in/c.tif", plain(120), format="WEBP", lossless=True)
    lab.works(lab.convert("in", "out"))
    for name, value in (("a", 40), ("b", 90), ("c", 120)):
        outputs = sorted((lab.folder / "out").glob(f"{name}.*"))
        lab.check(f"outputs of {name}", 1, len(outputs))
        if outputs:
            with Image.open(outputs[0]) as image:
                lab.near(outputs[0].name, plain(value), np.asarray(image.convert("RGB")), 2)
                kind = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}.get(outputs[0].suffix)
                lab.check(f"format of {outputs[0].name}", kind, image.format)


@case(of=SUFFIX)
def text_called_png(lab: Lab) -> None:
    """A text, an empty file and a web page called .png fail by their names, and say what they are."""
    (lab.folder / "in").mkdir()
    (lab.folder / "in/note.png").write_text("hello")
    (lab.folder / "in/empty.png").write_bytes(b"")
    (lab.folder / "in/page.jpg").write_text("<!doctype html><html>not found</html>")
    (lab.folder / "in/pointer.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    save(lab.folder / "in/ok.png", plain(3))
    done = lab.convert("in", "out")
    lab.refused(done, "note.png", "empty.png", "page.jpg", "pointer.png")
    lab.check("ok.png", True, (lab.folder / "out/ok.png").is_file())


@case(of=SUFFIX)
def output_of_every_format(lab: Lab) -> None:
    """OUTPUT `x.avif`, `x.jxl`, `x.jp2`, `x.webp`, `x.qoi`, `x.ppm`, `x.bmp` is a file of that format, which others
    decode."""
    colour = waves(32, 48)
    save(lab.folder / "a.png", colour)
    for suffix, step in (("avif", 40), ("jxl", 60), ("jp2", 40), ("webp", 40), ("qoi", 0), ("ppm", 0), ("bmp", 0)):
        done = lab.convert("a.png", f"x.{suffix}")
        lab.works(done)
        path = lab.folder / f"x.{suffix}"
        if not path.is_file():
            lab.check(path.name, "a file", "a folder" if path.is_dir() else "missing", False)
            continue
        data = path.read_bytes()
        decode = {"avif": imagecodecs.avif_decode, "jxl": imagecodecs.jpegxl_decode, "jp2": imagecodecs.jpeg2k_decode}
        decode |= {"webp": imagecodecs.webp_decode, "qoi": imagecodecs.qoi_decode}
        if suffix in decode:
            after = np.asarray(decode[suffix](data))
        else:
            with Image.open(io.BytesIO(data)) as image:
                after = np.asarray(image.convert("RGB"))
        lab.near(path.name, colour, after[..., :3], step)


@case(of=SUFFIX, quick=True)
def output_of_no_format(lab: Lab) -> None:
    """OUTPUT `x.pdf`, `x.svg`, `x.tga`, `x.heic`, `x.mp4` is refused by its suffix, and makes no folder."""
    save(lab.folder / "a.png", plain(40))
    for name in ("x.pdf", "x.svg", "x.TGA", "x.heic", "x.mp4"):
        lab.refused(lab.convert("a.png", name), Path(name).suffix)
        lab.check(name, False, (lab.folder / name).exists())


@case(of=SUFFIX)
def inputs_of_new_formats(lab: Lab) -> None:
    """HEIC, AVIF, JPEG XL, JPEG 2000, JPEG-LS, JPEG XR, QOI, PPM, PGM of 16 bits, PFM, HDR and EXR come in with their
    values."""
    colour, deep = noise(32, 48), noise(32, 48, 1, np.uint16)
    folder = lab.folder / "in"
    folder.mkdir()
    lossless = {
        "b.avif": imagecodecs.avif_encode(colour, level=100, pixelformat="444"),
        "c.jxl": imagecodecs.jpegxl_encode(colour, lossless=True),
        "d.jp2": imagecodecs.jpeg2k_encode(colour, reversible=True),
        "e.jls": imagecodecs.jpegls_encode(colour),
        "f.qoi": imagecodecs.qoi_encode(colour),
    }
    for name, data in lossless.items():
        (folder / name).write_bytes(bytes(data))
    (folder / "g.ppm").write_bytes(b"P6\n# a comment\n48 32\n255\n" + colour.tobytes())
    (folder / "h.pgm").write_bytes(b"P5 48 32 65535\n" + deep.astype(">u2").tobytes())
    (folder / "i.ppm").write_text("P3 48 32 255\n" + " ".join(map(str, colour.ravel())))
    unit = (np.abs(colour[::-1]) / np.float32(255)).astype("<f4")
    (folder / "j.pfm").write_bytes(b"PF\n48 32\n-1.0\n" + unit.tobytes())
    lab.works(lab.convert("in", "out", "--format", "tif"))
    for name in (*lossless, "g.ppm", "i.ppm", "j.pfm"):
        path = lab.folder / "out" / f"{name.split('.')[0]}.tif"
        if not path.exists():
            path = lab.folder / "out" / f"{name}.tif"
        if not path.exists():
            lab.check(name, "converted", f"missing: {lab.rows(lab.folder / 'out').get(name, {}).get('reason')}", False)
            continue
        after = read(path).astype(float)
        after = after * 255 if after.max() <= 1 else after
        lab.near(name, colour, after, 3 if name == "b.avif" else 1)
    after = read(lab.folder / "out/h.tif")
    lab.near("h.pgm", deep, after if after.ndim == 2 else after[..., 0], 1)


@case(script=WEBP)
def wide_webp(lab: Lab) -> None:
    """A strip that is too tall for WebP at four times the size is refused from its header, with the limit and the way
    out."""
    root = lab.script(WEBP)
    done = lab.convert(root, lab.folder / "out", direction="four_times")
    lab.refused(done, "page.webp", "16,383")
    lab.works(lab.convert(root, lab.folder / "png", "--format", "png", direction="four_times"))
    with Image.open(lab.folder / "png/page.png") as image:
        lab.check("size as PNG", (96, 16800), image.size)


@case(of=WEBP)
def webp_at_its_limit(lab: Lab) -> None:
    """16,383 pixels go into a WebP; 16,384 of a PNG with --format webp do not, and are refused from the header."""
    (lab.folder / "in").mkdir()
    Image.new("RGB", (16383, 4), (10, 20, 30)).save(lab.folder / "in/a.png")
    Image.new("RGB", (4, 16384), (10, 20, 30)).save(lab.folder / "in/b.png")
    lab.refused(lab.convert("in", "out", "--format", "webp"), "b.png", "16,383")
    with Image.open(lab.folder / "out/a.webp") as image:
        lab.check("size", (16383, 4), image.size)


@case(of=WEBP)
def jpeg_at_its_limit(lab: Lab) -> None:
    """A picture of 70,000 pixels a side does not go into a JPEG: refused from the header, and PNG takes it."""
    (lab.folder / "in").mkdir()
    Image.new("RGB", (70_000, 2), (10, 20, 30)).save(lab.folder / "in/a.png")
    lab.refused(lab.convert("in", "out", "--format", "jpg"), "a.png", "65,535")
    lab.works(lab.convert("in", "png"))


@case(of=WEBP)
def dry_run_says_it(lab: Lab) -> None:
    """`--dry-run` says that the strip will not fit, too, or at least writes nothing and ends in order."""
    (lab.folder / "in").mkdir()
    Image.new("RGB", (24, 4200), (10, 20, 30)).save(lab.folder / "in/page.webp")
    done = lab.convert("in", "out", "--dry-run", direction="four_times")
    lab.orderly(done)
    lab.check("out", False, (lab.folder / "out").exists())
    lab.check("numbers", "none of a pipe's", "none", not re.search(r"0x[0-9a-f]{6}", done.text))


@case(of=WEBP)
def lossless_webp_stays_lossless(lab: Lab) -> None:
    """A lossless WebP comes out without loss, a lossy one with its loss."""
    colour = noise(48, 48)
    save(lab.folder / "in/a.webp", colour, lossless=True)
    lab.works(lab.convert("in", "out"))
    lab.near("a.webp", colour, read(lab.folder / "out/a.webp"))
