"""Files that crash, hang or fill the memory in whatever way they come in: one error, and the process lives on."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture

import translate
from translate.errors import DataError
from translate.imaging import guarded, io
from translate.imaging.appearance.data import read_samples
from translate.imaging.convert import as_image
from translate.imaging.guard import process
from translate.imaging.image import Limits
from translate.imaging.io import encode
from translate.imaging.thumbnail import data_uri
from translate.metrics.images import Images, LabelMaps

WAYS: dict[str, Callable[[Path], Any]] = {
    "reading": io.read,
    "bytes of a table": lambda path: io.decode(path.read_bytes(), path.name),
    "an archive": lambda path: io.read(path.with_name("x.zip") / path.name),
    "data": read_samples,
    "pages": translate.pages,
    "Python": as_image,
    "thumbnails": lambda path: data_uri(path, 32),
    "evaluation": lambda path: Images([path])[0],
    "label maps": lambda path: LabelMaps([path])[0],
}
ENDS = {
    "it crashes": ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)"),
    "it fills the memory": ("bytearray(1 << 36)", "more memory than such an image"),
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    guarded._shared.close()
    yield
    guarded._shared.close()


def stub(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Decoders of workers run `code` for files that are called bad."""
    start = process._START.replace("; serve()", "")
    wrapped = "decode, pages = g.decode, g.pages_in\n"
    for name, original in (("decode", "decode"), ("pages_in", "pages")):
        wrapped += f"def f(d, n, _of={original}, **o):\n    if 'bad' in n:\n        {code}\n    return _of(d, n, **o)\n"
        wrapped += f"g.{name} = f\n"
    monkeypatch.setattr(process, "_START", f"{start}\nimport translate.imaging.guard.worker as g\n{wrapped}serve()")


@pytest.mark.parametrize(
    ("way", "end"),
    [*((way, "it crashes") for way in WAYS), ("data", "it fills the memory"), ("pages", "it fills the memory")],
)
def test_a_decoder_that_ends_takes_nobody_with_it(
    way: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, words = ENDS[end]
    stub(monkeypatch, code)
    path, good = tmp_path / "bad.jxl", tmp_path / "good.jxl"
    for each in (path, good):
        each.write_bytes(encode(picture(), ".jxl", quality=100))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(path, path.name)
        archive.write(good, good.name)
    with pytest.raises(DataError, match=words):
        WAYS[way](path)
    if way != "label maps":
        WAYS[way](good)


def test_a_decoder_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "import time; time.sleep(600)")
    path = tmp_path / "bad.webp"
    path.write_bytes(encode(picture(), ".webp"))
    began = time.monotonic()
    with pytest.raises(DataError, match=r"bad.webp: not decoded within 1 seconds"):
        io.read(path, limits=Limits(seconds=1))
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".jxl", ".avif", ".jp2", ".exr", ".png"])
def test_archives_and_tables_give_the_same_pixels(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(encode(picture(), suffix, quality=100))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(path, path.name)
    whole = io.read(path)
    for image in (io.read(tmp_path / "x.zip" / path.name), io.decode(path.read_bytes(), "a cell")):
        assert np.array_equal(image.pixels, whole.pixels)
    assert io.probe(tmp_path / "x.zip" / path.name) == io.probe(path)


def test_a_forked_process_has_workers_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(encode(picture(), ".tif"))
    whole = io.read(path).pixels
    child = os.fork()
    if not child:
        same = np.array_equal(io.read(path).pixels, whole)
        guarded._shared.close()
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(io.read(path).pixels, whole)


def test_workers_without_work_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "IDLE", 0.2)
    monkeypatch.setattr(guarded, "_shared", guarded._Shared())
    path = tmp_path / "x.tif"
    path.write_bytes(encode(picture(), ".tif"))
    io.read(path)
    reader = guarded._shared.reader(Limits())
    (worker,) = reader._idle
    until = time.monotonic() + 10
    while worker._process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert np.array_equal(io.read(path).pixels, picture())
    guarded._shared.close()
