"""`pages="all"`: each page or frame of a file is converted, and comes out in a file of the same kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow
from torch import nn

import translate
from translate.console import PlainConsole
from translate.contracts import DataSpec, TestTime
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.conversion.summary import Summary
from translate.imaging.colour.spaces import profile_of
from translate.imaging.guarded import read_pages as translate_pages
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig

RNG = np.random.default_rng(0)
PICTURES = [np.kron(RNG.integers(0, 4, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) * 80 for _ in range(4)]
FRAMES = [Pillow.fromarray(picture) for picture in PICTURES]
TIMES = [40, 80, 120, 200]


def identity() -> Translator:
    net = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.dirac_(net.weight)
    method = SingleNetwork(SingleNetworkConfig(), DataSpec("single", {"image": 3}, (8, 8)), {})
    return Translator(method, {"net": net}, {})


def converted(tmp_path: Path, **options: Any) -> Summary:
    torch.manual_seed(0)
    console = PlainConsole(io.StringIO(), io.StringIO())
    return convert(tmp_path / "in", tmp_path / "out", identity(), ConvertOptions(**options), console=console)


def frames(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[int], int]:
    """The frames of an animation, their milliseconds, and how often it is repeated."""
    pixels, times = [], []
    with Pillow.open(path) as file:
        for number in range(file.n_frames):
            file.seek(number)
            pixels.append(np.asarray(file.convert("RGB")))
            times.append(round(file.info["duration"]))
        return pixels, times, file.info["loop"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_keep_their_frames_and_timing(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    name = f"a{suffix}"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    FRAMES[0].save(tmp_path / "in" / name, save_all=True, append_images=FRAMES[1:], duration=TIMES, loop=3, **lossless)
    assert not converted(tmp_path, pages="all", quality=100).failures
    pixels, times, loop = frames(tmp_path / "out" / name)
    assert times == TIMES and loop == 3
    assert all(np.array_equal(a, b) for a, b in zip(pixels, PICTURES, strict=True))


@pytest.mark.parametrize("truncate", [False, True])
def test_pages_of_a_tiff(truncate: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    stack = RNG.integers(0, 65536, (3, 20, 24), dtype=np.uint16)
    axes = {"axes": "ZYX"}
    tifffile.imwrite(tmp_path / "in" / "a.tif", stack, photometric="minisblack", metadata=axes, truncate=truncate)
    assert not converted(tmp_path, pages="all").failures
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as file:
        pages = [page.asarray() for page in file.pages]
    assert len(pages) == 3
    for page, plane in zip(pages, stack, strict=True):
        assert np.array_equal(page.reshape(20, 24, -1)[..., 0], plane)


def test_pages_in_python(tmp_path: Path) -> None:
    FRAMES[0].save(tmp_path / "a.webp", save_all=True, append_images=FRAMES[1:], lossless=True)
    outputs = identity()(translate.pages(tmp_path / "a.webp"))
    assert all(np.array_equal(a, b) for a, b in zip(outputs, PICTURES, strict=True))


def test_by_default_they_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    FRAMES[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=FRAMES[1:])
    ((name, reason),) = converted(tmp_path).failures
    assert name == "a.gif" and reason.startswith("4 frames or pages in one file; `--pages all` converts each")


def test_a_still_among_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    FRAMES[0].save(tmp_path / "in" / "a.gif")
    FRAMES[0].save(tmp_path / "in" / "b.png")
    assert not converted(tmp_path, pages="all").failures
    for name in ("a.gif", "b.png"):
        with Pillow.open(tmp_path / "out" / name) as file:
            assert np.array_equal(np.asarray(file.convert("RGB")), PICTURES[0])


def test_images_are_found_by_content_and_keep_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpe", "b.JFIF", "c", "d.jpg~", "e.jpg_large", "f.dib", "g.apng"):
        kind = {".dib": "BMP", ".apng": "PNG"}.get(Path(name).suffix, "JPEG")
        FRAMES[0].save(tmp_path / "in" / name, format=kind)
    (tmp_path / "in" / "notes").write_text("P5 is a format, BM another")
    summary = converted(tmp_path)
    assert (summary.done, summary.failures) == (7, ())
    outputs = sorted(
        path.name for path in (tmp_path / "out").iterdir() if path.suffix not in (".jsonl", ".json", ".html")
    )
    assert outputs == ["a.jpe", "b.JFIF", "c.png", "d.png", "e.png", "f.dib", "g.apng"]


def test_what_its_format_cannot_hold_fails_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    whole = io.BytesIO()
    Pillow.fromarray(np.zeros((2, 20000, 3), np.uint8)).save(whole, "PNG")
    # Its image data are cut: decoding it would tell that.
    (tmp_path / "in" / "a.png").write_bytes(whole.getvalue()[:-40])
    ((_, reason),) = converted(tmp_path, format="webp").failures
    assert "20000 x 2 pixels cannot be written as .webp, which holds 16,383 a side at most: choose another" in reason


def test_pages_of_a_tiff_keep_what_each_says(tmp_path: Path) -> None:
    """Three pages of 16 bits, each with its date, its resolution, a place on the ground and a profile of its own."""
    (tmp_path / "in").mkdir()
    deep = [RNG.integers(1, 65536, (20, 24 + 4 * n, 3)).astype(np.uint16) for n in range(3)]
    profiles = [profile_of(name) for name in ("display-p3", "adobe-rgb", "srgb")]
    with tifffile.TiffWriter(tmp_path / "in" / "a.tif") as file:
        for number, pixels in enumerate(deep):
            scale = (33550, "d", 3, (1.0 + number, 1.0, 0.0), True)
            tags = [(315, "s", 0, f"Artist {number}", True), scale, (42113, "s", 0, str(number), True)]
            dpi = (100.0 + number, 100.0 + number)
            file.write(
                pixels,
                photometric="rgb",
                resolution=dpi,
                resolutionunit=2,
                iccprofile=profiles[number],
                extratags=tags,
                metadata=None,
                software=False,
            )
    assert not converted(tmp_path, pages="all").failures
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as file:
        for number, (page, pixels) in enumerate(zip(file.pages, deep, strict=True)):
            assert np.array_equal(page.asarray(), pixels)
            assert page.tags[315].value == f"Artist {number}" and page.tags[42113].value == str(number)
            assert page.tags[33550].value[0] == 1.0 + number and page.tags[34675].value == profiles[number]
            assert page.tags[282].value[0] / page.tags[282].value[1] == 100 + number


def test_pages_without_data_stay_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pages = [np.where(RNG.random((16, 20, 1)) < 0.3, 0, RNG.integers(1, 255, (16, 20, 3))) for _ in range(2)]
    with tifffile.TiffWriter(tmp_path / "in" / "a.tif") as file:
        for pixels in pages:
            file.write(
                pixels.astype(np.uint8), photometric="rgb", metadata=None, extratags=[(42113, "s", 0, "0", True)]
            )
    assert not converted(tmp_path, pages="all").failures
    output = tifffile.imread(tmp_path / "out" / "a.tif", key=slice(None))
    assert all(np.array_equal(a, b) for a, b in zip(output, pages, strict=True))


@pytest.mark.parametrize("suffix", [".webp", ".png", ".avif"])
def test_animations_keep_profile_and_metadata(suffix: str, tmp_path: Path) -> None:
    """Frames in Display P3 are seen as such, and come out in it, with the date of the file."""
    (tmp_path / "in").mkdir()
    exif = Pillow.Exif()
    exif[306] = "1999:07:01 12:00:00"
    icc = profile_of("display-p3")
    lossless = {"lossless": True} if suffix == ".webp" else {}
    lossless |= {"quality": 100, "subsampling": "4:4:4"} if suffix == ".avif" else {}
    name = tmp_path / "in" / f"a{suffix}"
    FRAMES[0].save(
        name, save_all=True, append_images=FRAMES[1:], duration=TIMES, loop=3, icc_profile=icc, exif=exif, **lossless
    )
    seen = translate_pages(name)
    assert all(page.icc == icc for page in seen.images)
    assert not converted(tmp_path, pages="all", quality=100).failures
    output = tmp_path / "out" / f"a{suffix}"
    with Pillow.open(output) as file:
        assert file.n_frames == 4 and file.info["icc_profile"] == icc
        assert file.getexif()[306] == "1999:07:01 12:00:00"
        for number, (picture, time) in enumerate(zip(seen.images, TIMES, strict=True)):
            file.seek(number)
            file.load()
            assert round(file.info["duration"]) == time
            apart = np.abs(np.asarray(file.convert("RGB")).astype(int) - picture.pixels).max()
            assert apart <= (4 if suffix == ".avif" else 0)


def test_several_samples_of_several_pages(make: Any, tmp_path: Path) -> None:
    """Each sample is a file of all pages, and the samples differ."""
    (tmp_path / "in").mkdir()
    name = tmp_path / "in" / "a.gif"
    FRAMES[0].save(name, save_all=True, append_images=FRAMES[1:], duration=TIMES, loop=3)
    console = PlainConsole(io.StringIO(), io.StringIO())
    options = ConvertOptions(pages="all", samples=2, format="webp", quality=100)
    noisy = make(nets={"gen": nn.Sequential(nn.Dropout(0.5))}, test_time=TestTime(dropout=True))
    summary = convert(tmp_path / "in", tmp_path / "out", noisy, options, console=console)
    assert not summary.failures
    first, second = (frames(tmp_path / "out" / f"a.{n}.webp") for n in (1, 2))
    assert first[1:] == second[1:] == (TIMES, 3)
    assert not np.array_equal(first[0], second[0])
