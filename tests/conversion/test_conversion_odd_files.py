"""Damaged, unsupported and odd are three things: in the rows, at the terminal, and in Python."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.errors import DamagedError, UnsupportedError
from translate.imaging.decode import decode
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import encode

Y, X = np.mgrid[:48, :64]
COLOUR = np.dstack([X * 4, Y * 5, 255 - X * 4]).astype(np.uint8)


def chunk(kind: bytes, body: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


def saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(COLOUR).save(out, kind, **options)
    return out.getvalue()


HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
ROWS = b"".join(b"\0" + row.tobytes() for row in COLOUR)
DATA, END = chunk(b"IDAT", zlib.compress(ROWS)), chunk(b"IEND", b"")
BGR = b"".join(b"\0" + row.tobytes() for row in COLOUR[..., ::-1])

ODD = {
    "text.png": (HEAD + chunk(b"tEXt", b"Software\0x", 1) + DATA + END, "its chunk 'tEXt' fails its checksum"),
    "time.png": (HEAD + chunk(b"tIME", bytes(7), 1) + DATA + END, "its chunk 'tIME' fails its checksum"),
    "profile.png": (HEAD + chunk(b"iCCP", b"x\0\0none") + DATA + END, "its colour profile is damaged"),
    "icc.jpg": (saved("JPEG", icc_profile=b"none of the kind" * 20), "its colour profile is damaged"),
    "rows.png": (HEAD + chunk(b"IDAT", zlib.compress(ROWS + bytes(500))) + END, "more image data than pixels"),
    "more.png": (HEAD + chunk(b"IDAT", zlib.compress(ROWS) + b"\0\0") + END, "more image data than pixels"),
    "end.png": (HEAD + DATA, "its end is missing"),
    "behind.png": (HEAD + DATA + END + b"trailer", "7 bytes behind its end"),
    "apple.png": (
        HEAD[:8] + chunk(b"CgBI", b"P\0 \6") + HEAD[8:] + chunk(b"IDAT", zlib.compress(BGR)[2:-4]) + END,
        "CgBI",
    ),
    "end.jpg": (saved("JPEG", quality=95)[:-2], "its end is missing"),
    "half.jpg": (saved("JPEG", quality=95)[:-1], "its end is missing"),
    "end.gif": (saved("GIF")[:-1], "its end is missing"),
}
SOUND = {
    "a.png": HEAD + chunk(b"tEXt", b"Software\0x") + DATA + END,
    "b.jpg": saved("JPEG"),
    "c.gif": saved("GIF"),
    "d.tif": encode(COLOUR, ".tif"),
}
DAMAGED = {
    "cut.jpg": saved("JPEG", quality=95)[:-40],
    "progressive.jpg": saved("JPEG", quality=95, progressive=True)[:-2],
    "cut.png": HEAD + DATA[:-20],
    "cut.gif": saved("GIF")[:-9],
    "cut.tif": encode(COLOUR, ".tif")[:900],
    "cut.webp": saved("WEBP")[:-50],
    "cut.jxl": encode(COLOUR, ".jxl")[:-50],
    "empty.png": b"",
    "zeros.jpg": bytes(5000),
}
UNSUPPORTED = {
    "a.psd": b"8BPS\0\1" + bytes(40),
    "film.heic": b"\0\0\0\x18ftypisom" + bytes(32),
    "pointer.png": b"version https://git-lfs.github.com/spec/v1\n",
    "page.jpg": b"<!doctype html>",
    "luv.exr": b"v/1\x01\x02\x08\0\0" + bytes(40),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_read_with_a_note(name: str, tmp_path: Path) -> None:
    data, words = ODD[name]
    image = decode(data, name)
    assert words in "; ".join(image.notes)
    if name.endswith(".png"):
        assert np.array_equal(image.pixels, COLOUR)
    else:
        with Pillow.open(io.BytesIO(data + b"\xff\xd9")) as file:
            assert np.array_equal(image.pixels, np.asarray(file.convert("RGB")))
    (tmp_path / name).write_bytes(data)
    with GuardedReader() as reader:
        assert reader.read(tmp_path / name).notes == image.notes


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_has_none(name: str) -> None:
    assert decode(SOUND[name], name).notes == ()


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_called_so(name: str) -> None:
    with pytest.raises(DamagedError, match=name):
        decode(DAMAGED[name], name)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_an_unsupported_file_is_called_so(name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        decode(UNSUPPORTED[name], name)


def test_rows_and_terminal_say_which(make: Any, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    odd = {f"odd-{name}": data for name, (data, _) in ODD.items() if not name.endswith(".gif")}
    files = {**SOUND, **odd, **{f"bad-{name}": data for name, data in DAMAGED.items()}}
    files |= {f"un-{name}.png": data for name, data in UNSUPPORTED.items()}
    for name, data in files.items():
        (source / name).write_bytes(data)
    out, errors = io.StringIO(), io.StringIO()
    summary = convert(source, tmp_path / "out", make(), console=PlainConsole(out, errors))
    rows = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    assert len(rows) == len(files)
    words = {"odd-": ("done", "odd"), "bad-": ("failed", "damaged"), "un-": ("failed", "unsupported")}
    for row in rows:
        expected = next((word for start, word in words.items() if row["input"].startswith(start)), ("done", None))
        assert (row["status"], row.get("kind")) == expected, row
        assert bool(row.get("note")) == (row.get("kind") == "odd")
    assert summary.kinds == {"damaged": len(DAMAGED), "unsupported": len(UNSUPPORTED), "odd": len(odd)}
    text = out.getvalue() + errors.getvalue()
    assert "odd-text.png: odd, and read all the same: its chunk 'tEXt' fails its checksum" in text
    assert "bad-cut.png: damaged: truncated PNG" in text
    again = convert(source, tmp_path / "out", make(), console=PlainConsole(out := io.StringIO(), errors))
    assert again.kinds == summary.kinds and "read all the same" not in out.getvalue(), "it was told before"
