"""Reading in a process that can be killed: the same images, and an end to whatever hangs, crashes or is no file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture, saved, smooth

from translate.errors import DataError
from translate.imaging.decode import probe, read
from translate.imaging.guard import process as guarded
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import Image, Limits, encode


@pytest.fixture
def reader() -> Iterator[GuardedReader]:
    with GuardedReader(Limits(seconds=20)) as guarded_reader:
        yield guarded_reader


def files(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 65536, (30, 20, 4), np.uint16)
    contents = {
        "a.png": encode(picture(channels=4), ".png"),
        "b.jpg": encode(smooth(), ".jpg"),
        "c.webp": encode(picture(), ".webp", quality=100),
        "d.tif": encode(Image(deep[..., :3], deep[..., 3], mode="bands"), ".tif"),
        "e.bmp": encode(picture(), ".bmp"),
        "f.gif": saved(picture(channels=1), "GIF"),
        "g\n\udcff.tif": encode(rng.random((9, 7, 5), np.float32), ".tif"),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def same(a: Image, b: Image) -> bool:
    alike = (a.alpha is None) == (b.alpha is None) and (a.alpha is None or np.array_equal(a.alpha, b.alpha))
    return np.array_equal(a.pixels, b.pixels) and alike and (a.icc, a.mode) == (b.icc, b.mode)


def test_it_reads_what_the_plain_path_reads(reader: GuardedReader, tmp_path: Path) -> None:
    paths = files(tmp_path) * 4
    with ThreadPoolExecutor(6) as pool:
        images = list(pool.map(reader.read, paths))
        headers = list(pool.map(reader.probe, paths))
    for path, image, header in zip(paths, images, headers, strict=True):
        assert same(image, read(path)) and image.pixels.dtype == read(path).pixels.dtype, path
        assert header == probe(path)


def test_errors_are_those_of_the_plain_path(
    reader: GuardedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in files(tmp_path):
        damaged = Path(f"damaged-{path.name}")
        damaged.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with pytest.raises(DataError) as plain:
            read(damaged)
        with pytest.raises(DataError) as guarded_error:
            reader.read(damaged)
        assert str(guarded_error.value) == str(plain.value) and str(plain.value).startswith(f"{damaged}: ")


def test_what_libjpeg_only_warns_of_is_an_error(reader: GuardedReader, tmp_path: Path) -> None:
    path, whole = tmp_path / "ink.jpg", saved(np.dstack([smooth(), smooth()[..., :1]]), "JPEG", mode="CMYK")
    path.write_bytes(whole)
    assert same(reader.read(path), read(path)) and probe(path).mode == "cmyk"
    for damaged in (whole[: len(whole) * 2 // 3] + b"\xff\xd9", whole[:-2] + bytes(40) + b"\xff\xd9"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"ink.jpg: damaged or truncated JPEG: Corrupt JPEG data"):
            reader.read(path)


def test_what_is_no_regular_file_is_refused_at_once(reader: GuardedReader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "fifo.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    listening = socket.socket(socket.AF_UNIX)
    with listening:
        listening.bind(str(tmp_path / "socket.png"))
        words = {"fifo": "FIFO", "folder": "Is a directory", "link": "FIFO", "device": "a device", "socket": "a socket"}
        words |= {"loop": "(?i)too many levels", "absent": "No such file"}
        began = time.monotonic()
        for name, message in words.items():
            for attempt in (reader.read, reader.probe, read, probe):
                with pytest.raises(DataError, match=message):
                    attempt(tmp_path / f"{name}.png")
        assert time.monotonic() - began < 60


def test_a_file_that_changes_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "x.png", encode(picture(), ".png")
    real = os.fstat
    for size in (len(whole) - 9, len(whole) + 9):
        path.write_bytes(whole)

        def other(handle: int, size: int = size) -> Any:
            values = list(real(handle))
            values[6] = size  # st_size
            return os.stat_result(values)

        monkeypatch.setattr(os, "fstat", other)
        with pytest.raises(DataError, match=r"x.png: the file changed its size"):
            read(path)
        monkeypatch.undo()


def stub(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Workers run `code` before they serve."""
    start = guarded._START.replace("; serve()", "")
    monkeypatch.setattr(guarded, "_START", f"{start}\nimport translate.imaging.guard.worker as g\n{code}\nserve()")


@pytest.mark.parametrize("suffix", ["TIFF", "GIF", "WEBP", "BMP"])
def test_the_limits_of_the_reader_decide_and_not_those_of_pillow(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(channels=1)
    path = tmp_path / "large"
    path.write_bytes(saved(image, suffix))
    height, width = image.shape[:2]
    expected = read(path)
    stub(monkeypatch, "from PIL import Image\nImage.MAX_IMAGE_PIXELS = 9")
    with GuardedReader(Limits(pixels=height * width)) as reader:
        assert same(reader.read(path), expected)
    with (
        GuardedReader(Limits(pixels=height * width - 1)) as reader,
        pytest.raises(DataError, match=f"pixels, more than the limit of {height * width - 1:,}"),
    ):
        reader.read(path)


def test_a_decoder_that_hangs_is_killed_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files(tmp_path)[3]
    stub(
        monkeypatch,
        "import time; decode = g.decode\n"
        "g.decode = lambda d, n, **o: 'slow' in n and time.sleep(600) or decode(d, n, **o)",
    )
    slow = tmp_path / "slow.tif"
    slow.write_bytes(path.read_bytes())
    with GuardedReader(Limits(seconds=1), workers=1) as reader:
        assert same(reader.read(path), read(path))
        began = time.monotonic()
        with pytest.raises(DataError, match=r"slow.tif: not decoded within 1 seconds"):
            reader.read(slow)
        assert time.monotonic() - began < 60
        assert same(reader.read(path), read(path))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)"),
        (
            "import os; os.kill(os.getpid(), 9)",
            r"was killed \(SIGKILL\), most likely because memory ran out; try again",
        ),
        ("import os; os._exit(3)", r"crashed \(exit code 3\)"),
        ("bytearray(1 << 32)", "more memory than such an image"),
    ],
)
def test_a_decoder_that_crashes_ends_no_more_than_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    path = files(tmp_path)[3]
    bad = tmp_path / "bad.tif"
    bad.write_bytes(path.read_bytes())
    stub(
        monkeypatch,
        f"decode = g.decode\ndef f(d, n, **o):\n    if 'bad' in n:\n        {code}\n"
        "    return decode(d, n, **o)\ng.decode = f",
    )
    with GuardedReader(workers=2) as reader:
        with pytest.raises(DataError, match=f"bad.tif: .*{words}"):
            reader.read(bad)
        assert same(reader.read(path), read(path))


def test_a_worker_that_waits_for_long_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files(tmp_path)[3]
    stub(monkeypatch, "import signal; alarm = signal.alarm; signal.alarm = lambda seconds: alarm(min(seconds, 1))")
    with GuardedReader(workers=1) as reader:
        first = reader.read(path)
        process = reader._idle[0]._process
        time.sleep(1.5)
        assert process.poll() is None
        assert same(reader.read(path), first)


def test_a_worker_without_alarm_signals_ends_when_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files(tmp_path)[3]
    slow = tmp_path / "slow.tif"
    slow.write_bytes(path.read_bytes())
    stub(
        monkeypatch,
        "import sys, signal, time; sys.modules['resource'] = None; del signal.alarm\n"
        "later = g.faulthandler.dump_traceback_later\n"
        "g.faulthandler.dump_traceback_later = lambda seconds, exit: later(1, exit=exit)\n"
        "decode = g.decode; g.decode = lambda d, n, **o: 'slow' in n and time.sleep(600) or decode(d, n, **o)",
    )
    with GuardedReader(workers=1) as reader:
        assert same(reader.read(path), read(path))
        time.sleep(1.5)
        assert same(reader.read(path), read(path))
        began = time.monotonic()
        with pytest.raises(DataError, match=r"slow.tif: its decoder crashed \(exit code 1\)"):
            reader.read(slow)
        assert time.monotonic() - began < 60


def test_no_process_is_left(tmp_path: Path) -> None:
    path = files(tmp_path)[3]
    with GuardedReader() as reader:
        reader.read(path)
        process = reader._idle[0]._process
        assert process.poll() is None
    assert process.poll() is not None


def test_the_worker_ends_with_its_parent(tmp_path: Path) -> None:
    path = files(tmp_path)[3]
    code = (
        "import os, signal, sys; from pathlib import Path; from translate.imaging.guard.reader import GuardedReader\n"
        "reader = GuardedReader(); reader.read(Path(sys.argv[1])); print(reader._idle[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL
    pid, until = int(ended.stdout), time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ordinary_files_start_no_process(tmp_path: Path) -> None:
    with GuardedReader() as reader:
        for path in files(tmp_path)[:2]:
            reader.read(path)
        assert not reader._idle
        reader.read(files(tmp_path)[3])
        assert len(reader._idle) == 1
        lines = Path(f"/proc/{reader._idle[0]._process.pid}/maps").read_text()
        assert "torch" not in lines
    assert threading.active_count() < 20


def test_a_worker_that_looks_for_modules_elsewhere_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.webp").write_bytes(encode(picture(), ".webp"))
    with GuardedReader(workers=1) as reader:
        workers = []
        for _ in range(2):
            reader.read(tmp_path / "a.webp")
            reader.read(tmp_path / "a.webp")
            workers += reader._idle
            monkeypatch.syspath_prepend(tmp_path)
    first, second = workers
    assert first is not second and not first.alive
