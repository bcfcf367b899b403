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
from translate.contracts import DataSpec
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.conversion.summary import Summary
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
