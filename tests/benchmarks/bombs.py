"""Small files that ask for a lot of memory or time: each has to be refused at once, with a reason.

    python tests/benchmarks/bombs.py          a table: bytes, seconds, megabytes beyond what the processes held before

The exit code is 1 if one of them is read, takes ten seconds, or takes more than `MEMORY` megabytes.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

SECONDS = 10.0
MEMORY = 500.0

EACH = 1 << 20


def zeros(count: int) -> bytes:
    """The zlib stream of `count` zero bytes, made without compressing them all: blocks that do not look back."""
    deflate = zlib.compressobj(9, wbits=-15)
    block = deflate.compress(bytes(EACH)) + deflate.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(count, EACH)
    last = zlib.compressobj(9, wbits=-15)
    tail = last.compress(bytes(rest)) + last.flush()
    return b"\x78\xda" + block * whole + tail + struct.pack(">I", (count % 65521) << 16 | 1)


# ---------------------------------------------------------------------------------------------------------------- PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int,
    height: int,
    data: bytes,
    bits: int = 8,
    colour: int = 2,
    interlace: int = 0,
    before: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    end = behind + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + before + palette + chunk(b"IDAT", data) + end


def blank(width: int, height: int, bytes_per_pixel: int) -> bytes:
    return zeros(height * (1 + width * bytes_per_pixel))


def pngs() -> Iterator[tuple[str, bytes]]:
    small, profile = blank(8, 8, 3), b"icc\0\0" + zeros(1 << 30)
    text = b"Comment\0\0" + zeros(1 << 30)
    yield "png: 60,000 x 60,000 announced", png(60000, 60000, small)
    yield "png: the largest size there is", png(2**31 - 1, 2**31 - 1, small)
    yield "png: no width", png(0, 8, small)
    yield "png: 16,000 x 16,000 blank", png(16000, 16000, blank(16000, 16000, 3))
    yield "png: 12,000 x 12,000 blank, 16 bits, alpha", png(12000, 12000, blank(12000, 12000, 8), 16, 6)
    yield "png: 16,000 x 16,000 interlaced", png(16000, 16000, zeros(16000 * 16000 * 3 + 30000), interlace=1)
    yield "png: 60,000 x 60,000 of one bit, palette", png(60000, 60000, zeros(60000 * 7501), 1, 3)
    yield "png: 8 x 8 whose data unpack to a gigabyte", png(8, 8, zeros(1 << 30))
    yield "png: profile that unpacks to a gigabyte", png(8, 8, small, before=chunk(b"iCCP", profile))
    yield "png: text that unpacks to a gigabyte", png(8, 8, small, before=chunk(b"zTXt", text))
    international = b"Comment\0\1\0\0\0" + zeros(1 << 30)
    yield "png: international text likewise", png(8, 8, small, before=chunk(b"iTXt", international))
    yield "png: text behind the image likewise", png(8, 8, small, behind=chunk(b"zTXt", text))
    tiny = chunk(b"tEXt", b"a\0b")
    yield "png: 100,000 texts", png(8, 8, small, before=tiny * 100_000)
    yield "png: 100,000 texts behind the image", png(8, 8, small, behind=tiny * 100_000)
    yield "png: 300,000 empty data chunks", png(8, 8, small, before=chunk(b"IDAT", b"") * 300_000)
    yield "png: 5,000 frames", png(8, 8, small, before=chunk(b"acTL", struct.pack(">II", 5000, 0)))
    yield "png: a chunk of two gigabytes", png(8, 8, small, before=struct.pack(">I", 2**31 - 1) + b"tEXt")


# --------------------------------------------------------------------------------------------------------------- JPEG


def jpeg(progressive: bool = False) -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (64, 64), (9, 99, 200)).save(out, "JPEG", progressive=progressive)
    return out.getvalue()


def resized(data: bytes, width: int, height: int, marker: int | None = None) -> bytes:
    """A JPEG whose frame header tells another size, or is of another kind."""
    at = next(n for n in range(len(data)) if data[n] == 0xFF and data[n + 1] in (0xC0, 0xC2))
    kind = data[at + 1] if marker is None else marker
    return data[: at + 1] + bytes([kind]) + data[at + 2 : at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def last_scan(data: bytes) -> tuple[bytes, bytes]:
    at = data.rindex(b"\xff\xda")
    return data[:at], data[at:-2]


def jpegs() -> Iterator[tuple[str, bytes]]:
    plain, progressive = jpeg(), jpeg(True)
    yield "jpeg: 65,535 x 65,535 announced", resized(plain, 65535, 65535)
    yield "jpeg: 16,000 x 16,000 of 700 bytes", resized(plain, 16000, 16000)
    yield "jpeg: 9,000 x 9,000 of 700 bytes", resized(plain, 9000, 9000)
    yield "jpeg: 16,000 x 16,000, progressive", resized(progressive, 16000, 16000)
    yield "jpeg: 16,000 x 16,000, arithmetic code", resized(plain, 16000, 16000, 0xC9)
    yield "jpeg: 16,000 x 16,000, lossless", resized(plain, 16000, 16000, 0xC3)
    head, scan = last_scan(progressive)
    yield "jpeg: 10,000 scans", head + scan * 10_000 + b"\xff\xd9"
    yield "jpeg: 10,000 scans of 4,000 x 4,000", resized(head + scan * 10_000 + b"\xff\xd9", 4000, 4000)
    comment = b"\xff\xfe\0\2"
    yield "jpeg: 100,000 empty comments", plain[:2] + comment * 100_000 + plain[2:]
    at = plain.index(b"\xff\xc0")
    yield "jpeg: two sizes", plain[:at] + plain[at : at + 19] + resized(plain, 9000, 9000)[at:]


# ---------------------------------------------------------------------------------------------------------------- GIF


def gif(canvas: tuple[int, int], frame: tuple[int, int], data: bytes = b"\2\2L\1\0", count: int = 1) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + bytes(6)
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + data
    return head + picture * count + b";"


def blocks(data: bytes) -> bytes:
    return b"".join(bytes([len(data[n : n + 255])]) + data[n : n + 255] for n in range(0, len(data), 255)) + b"\0"


def gifs() -> Iterator[tuple[str, bytes]]:
    yield "gif: 65,535 x 65,535", gif((65535, 65535), (65535, 65535))
    yield "gif: one pixel on 60,000 x 4,000", gif((60000, 4000), (1, 1))
    yield "gif: 16,000 x 16,000 of 40 bytes", gif((16000, 16000), (16000, 16000))
    yield "gif: 9,000 x 9,000 of 40 bytes", gif((9000, 9000), (9000, 9000))
    yield "gif: 100,000 frames", gif((1, 1), (1, 1), count=100_000)
    yield "gif: a picture beyond its canvas", gif((8, 8), (60000, 60000))
    yield (
        "gif: two megabytes of clear codes",
        gif((5000, 5000), (5000, 5000), b"\2" + blocks(b"\x24\x49\x92" * 700_000)),
    )
    yield "gif: a comment without an end", gif((8, 8), (8, 8))[:-1] + b"!\xfe" + (b"\xff" + bytes(255)) * 4000


# --------------------------------------------------------------------------------------------------------------- TIFF

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
)


def tiff(width: int, height: int, data: bytes, following: int = 0, **tags: int) -> bytes:
    """One strip behind the directory; `tags` by the names above in lower case, or `tag_NUMBER`."""
    values = {
        "width": width, "height": height, "bits": 8, "compression": 8, "photometric": 1, "samples": 1, "rows": height,
        "counts": len(data), "offsets": 0, **tags,
    }  # fmt: skip
    names = globals()
    entries = {names.get(k.upper()) or int(k[4:]): v for k, v in values.items()}
    if not entries[OFFSETS]:
        entries[OFFSETS] = 8 + 2 + 12 * len(entries) + 4
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", following) + data


def long_tag(tag: int, count: int, at: int) -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", tag, 4, count, at) + bytes(4) + bytes(1000)


def shared_strips() -> bytes:
    """A thousand strips that are all the same 256 KB of zeros."""
    data, count = zeros(1 << 18), 1000
    at = 8 + 2 + 12 * 9 + 4
    entries = [(WIDTH, 1, 256), (HEIGHT, 1, 1024 * count), (BITS, 1, 8), (COMPRESSION, 1, 8), (PHOTOMETRIC, 1, 1)]
    entries += [(OFFSETS, count, at), (SAMPLES, 1, 1), (ROWS, 1, 1024), (COUNTS, count, at + 4 * count)]
    packed = b"".join(struct.pack("<HHII", tag, 4, n, value) for tag, n, value in entries)
    lists = struct.pack(f"<{count}I", *[at + 8 * count] * count) + struct.pack(f"<{count}I", *[len(data)] * count)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4) + lists + data


def lzw_zeros(count: int) -> bytes:
    """An LZW stream (TIFF 6.0, section 13) of zeros: codes for ever longer runs, and again from the start."""
    run: list[int] = [256, 0, *range(258, 4094)]
    bits, length = "", 0
    pieces = []
    for n, code in enumerate(run):
        width = 9 if n < 254 + 1 else 10 if n < 766 + 1 else 11 if n < 1790 + 1 else 12
        bits += format(code, f"0{width}b")
        length += 0 if code == 256 else 1 if code == 0 else code - 256
        pieces.append(code)
    packed = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return packed * max(1, count // length)


def tiffs() -> Iterator[tuple[str, bytes]]:
    small = zeros(64)
    yield "tiff: a directory that leads to itself", tiff(8, 8, small, following=8)
    there = struct.pack("<HHHII", 1, WIDTH, 4, 1, 8) + struct.pack("<I", 8)
    yield "tiff: two that lead to each other", tiff(8, 8, small + there, following=8 + 2 + 12 * 9 + 4 + len(small))
    pages = (struct.pack("<HHHIII", 1, WIDTH, 4, 1, 8, 8 + 18 * (n + 1)) for n in range(100_000))
    yield "tiff: 100,000 pages", b"II*\0" + struct.pack("<I", 8) + b"".join(pages)
    yield "tiff: 65,535 tags", b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(12 * 65535 + 4)
    yield "tiff: a tag of four billion values", long_tag(65000, 2**32 - 1, 8)
    yield "tiff: a million strips that are not there", long_tag(OFFSETS, 1 << 20, 8)
    yield "tiff: a strip of four gigabytes", tiff(8, 8, small, counts=2**32 - 1)
    yield "tiff: 1,000 strips in one place", shared_strips()
    yield "tiff: 60,000 x 60,000", tiff(60000, 60000, small)
    yield "tiff: 16,000 x 16,000 blank, 32 bits", tiff(16000, 16000, zeros(16000 * 16000 * 4), bits=32)
    yield "tiff: 16,000 x 16,000 blank, LZW", tiff(16000, 16000, lzw_zeros(16000**2), compression=5, bits=16)
    yield "tiff: 8 x 8 whose strip unpacks to a gigabyte", tiff(8, 8, zeros(1 << 30))
    yield "tiff: the same, 16 bits", tiff(8, 8, zeros(1 << 30), bits=16)
    yield "tiff: 60,000 samples", tiff(9999, 9999, small, samples=60000)
    tiles = {"tag_322": 65536, "tag_323": 65536, "tag_324": 200, "tag_325": 60}
    yield "tiff: tiles of 65,536 x 65,536", tiff(8, 8, small, bits=16, **tiles)
    yield "tiff: a fax of 65,000 x 65,000", tiff(65000, 65000, bytes(64), bits=1, compression=4)
    yield "tiff: JPEG of 16,000 x 16,000", tiff(16000, 16000, jpeg(), compression=7, photometric=6, samples=3)
    yield "tiff: 4 billion layers", tiff(8, 8, small, tag_32997=2**32 - 1)
    big = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1) + struct.pack("<HHQQ", OFFSETS, 16, 2**61, 16) + bytes(8)
    yield "tiff: BigTIFF of 2^61 strips", big


# --------------------------------------------------------------------------------------------------------------- WebP


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body) if size is None else size) + b"WEBP" + body


def vp8(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8 ", b"\x10\2\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(200)


def vp8l(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(64)


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def webps() -> Iterator[tuple[str, bytes]]:
    yield "webp: a canvas of 2^24 x 2^24", riff(canvas(1 << 24, 1 << 24), vp8(8, 8))
    yield "webp: 16,383 x 16,383, lossless", riff(vp8l(16383, 16383))
    yield "webp: 16,383 x 16,383, lossy", riff(vp8(16383, 16383))
    yield "webp: 9,000 x 9,000 of 200 bytes", riff(vp8(9000, 9000))
    frame = b"ANMF", bytes(16) + b"VP8 " + struct.pack("<I", 10) + bytes(10)
    yield "webp: 5,000 frames", riff(canvas(8, 8, 2), (b"ANIM", bytes(6)), *[frame] * 5000)
    yield "webp: a file of four gigabytes", riff(vp8(8, 8), size=2**32 - 2)
    yield (
        "webp: a chunk of four gigabytes",
        riff(canvas(8, 8))[:-14] + b"VP8X" + struct.pack("<I", 2**32 - 1) + bytes(10),
    )
    yield "webp: a million empty chunks", riff(*[(b"ABCD", b"")] * 1_000_000)


# ------------------------------------------------------------------------------------------------------ BMP and others


def bmp(
    width: int, height: int, data: bytes, bits: int = 24, packing: int = 0, header: int = 40, start: int = 54
) -> bytes:
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + len(data), 0, 0, start) + info + data


def others() -> Iterator[tuple[str, bytes]]:
    yield "bmp: 2^31 x 2^31", bmp(2**31 - 1, 2**31 - 1, bytes(64))
    yield "bmp: 16,000 x 16,000 of 64 bytes", bmp(16000, 16000, bytes(64))
    yield "bmp: a header of four gigabytes", bmp(8, 8, bytes(192), header=2**32 - 1)
    yield "bmp: pixels four gigabytes away", bmp(8, 8, bytes(192), start=2**32 - 1)
    yield "bmp: 16,000 x 16,000, run-length codes", bmp(16000, 16000, bytes(1024) + b"\0\1", 8, 1, start=1078)
    yield "bmp: 9,000 x 9,000, run-length codes", bmp(9000, 9000, bytes(1024) + b"\0\1", 8, 1, start=1078)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    yield "svg: a billion laughs", f"<?xml version='1.0'?><!DOCTYPE s [{laughs}]><svg>&l9;</svg>".encode()
    yield "zlib: ten gigabytes, bare", zeros(10 << 30)


# ------------------------------------------------------------------------------------------------------ newer formats


def patched(data: bytes, mark: bytes, at: int, value: bytes) -> bytes:
    """A file with other bytes, so far behind the first `mark`."""
    start = data.index(mark) + at
    return data[:start] + value + data[start + len(value) :]


def newer() -> Iterator[tuple[str, bytes]]:
    import imagecodecs
    import numpy as np
    import tifffile
    from PIL import Image

    grey = np.zeros((16, 16), np.uint8)
    large, sizes = struct.pack(">I", 60000), struct.pack(">II", 60000, 60000)
    for kind, head in (("ppm", b"P6 60000 60000 255\n"), ("pbm", b"P4 60000 60000\n"), ("pfm", b"PF 60000 60000 -1\n")):
        yield f"{kind}: 60,000 x 60,000", head + bytes(64)
    yield "pgm: text of 60,000 x 60,000", b"P2 60000 60000 255\n" + b"0 " * 64
    end = b"\0\0\0\0\0\0\0\1"
    yield "qoi: 60,000 x 60,000", b"qoif" + sizes + b"\3\0" + bytes(64) + end
    yield "qoi: 12,000 x 12,000 of runs", b"qoif" + struct.pack(">II", 12000, 12000) + b"\3\0" + b"\xfd" * 9000 + end
    yield "hdr: 60,000 x 60,000", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n" + bytes(64)
    # Its size in the longest form, 30 bits of ones; square; all else as usual.
    bits = "0" + "11" + "1" * 30 + "100" + "1" + "0" * 3
    codes = bytes(int(bits[n : n + 8][::-1], 2) for n in range(0, 40, 8))
    yield "jxl: 2^30 x 2^30", b"\xff\x0a" + codes + bytes(64)
    j2k = bytes(imagecodecs.jpeg2k_encode(grey, level=0, reversible=True, codecformat="j2k"))
    yield "j2k: 60,000 x 60,000", patched(j2k, b"\xff\x51", 6, sizes)
    jls = patched(bytes(imagecodecs.jpegls_encode(grey)), b"\xff\xf7", 5, b"\xff\xff\xff\xff")
    yield "jls: 65,535 x 65,535", jls
    jxr = bytes(imagecodecs.jpegxr_encode(grey, level=1.0))
    for tag in (b"\x80\xbc\4\0\1\0\0\0", b"\x81\xbc\4\0\1\0\0\0"):  # width and height
        jxr = patched(jxr, tag, 8, large[::-1])
    yield "jxr: 60,000 x 60,000", jxr
    for kind in ("AVIF", "HEIF"):
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.register_heif_opener()
        out = BytesIO()
        Image.fromarray(grey).convert("RGB").save(out, kind)
        yield f"{kind.lower()}: 60,000 x 60,000", patched(out.getvalue(), b"ispe", 8, sizes)
    deep = bytes(imagecodecs.jpeg8_encode(grey.astype(np.uint16), bitspersample=12))
    yield "jpeg: 12 bits of 65,500 x 65,500", patched(deep, b"\xff\xc1", 5, b"\xff\xdc\xff\xdc")
    yield "exr: 60,000 x 60,000", exr_header(60000)
    out = BytesIO()
    tifffile.imwrite(out, grey, compression="zstd", photometric="minisblack", metadata=None)
    yield "tiff: Zstandard of 60,000 x 60,000", enlarged_tiff(out.getvalue())
    out = BytesIO()
    tifffile.imwrite(out, grey, compression="jpeg2000", photometric="minisblack", metadata=None)
    yield "tiff: JPEG 2000 that is larger than its strip", patched(out.getvalue(), b"\xff\x51", 6, sizes)


def exr_header(side: int) -> bytes:
    """The attributes that every OpenEXR has, and nothing behind them."""

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    window = struct.pack("<4i", 0, 0, side - 1, side - 1)
    channel = b"Y\0" + struct.pack("<iIii", 1, 0, 1, 1) + b"\0"
    parts = (
        attribute(b"channels", b"chlist", channel),
        attribute(b"compression", b"compression", b"\3"),
        attribute(b"dataWindow", b"box2i", window),
        attribute(b"displayWindow", b"box2i", window),
        attribute(b"lineOrder", b"lineOrder", b"\0"),
        attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
        attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    )
    return b"v/1\x01" + struct.pack("<I", 2) + b"".join(parts) + b"\0" + bytes(64)


def enlarged_tiff(data: bytes) -> bytes:
    """A TIFF of 16 x 16 pixels that claims 60,000 x 60,000."""
    for tag in (256, 257):
        for code, kind in (("H", 3), ("I", 4)):
            entry = struct.pack(f"<HHI{code}", tag, kind, 1, 16)
            data = data.replace(entry, struct.pack(f"<HHI{code}", tag, kind, 1, 60000))
    return data


def bombs() -> Iterator[tuple[str, bytes]]:
    """(what it is, the file) of all."""
    for made in (pngs, jpegs, gifs, tiffs, webps, newer, others):
        yield from made()


def sparse(path: Path) -> None:
    """A file of a terabyte that takes no room."""
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(1 << 40)


def memory(pids: list[int], key: str) -> float:
    """Megabytes of some processes, from the kernel's own count."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        total += next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
    return total / 1024


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()]


def attempt(read: Callable[[Path], object], path: Path) -> tuple[str, float, float]:
    """(the reason that is given, or nothing; seconds; megabytes at the peak beyond those before)."""
    from translate.errors import DataError

    pids = [os.getpid(), *children()]
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    before, began, reason = memory(pids, "VmRSS"), time.perf_counter(), ""
    try:
        read(path)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
    seconds = time.perf_counter() - began
    return reason, seconds, memory([pid for pid in pids if Path(f"/proc/{pid}").exists()], "VmHWM") - before


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    from PIL import Image

    from translate.imaging.guard.reader import GuardedReader

    wrong = 0
    print(f"{'bomb':<50}{'bytes':>15}{'s':>7}{'MB':>6}  reason")
    with tempfile.TemporaryDirectory() as folder, GuardedReader(workers=1) as reader:
        warm = Path(folder) / "warm.tif"
        Image.new("RGB", (9, 9)).save(warm)
        reader.read(warm)
        path = Path(folder) / "bomb.bin"

        def row(name: str) -> None:
            nonlocal wrong
            reason, seconds, megabytes = attempt(reader.read, path)
            bad = not reason or seconds > SECONDS or megabytes > MEMORY
            wrong += bad
            print(
                f"{name:<50}{path.stat().st_size:>15,}{seconds:>7.2f}{megabytes:>6.0f}  {reason or 'READ'}"[:200],
                flush=True,
            )

        count = 0
        for name, data in bombs():
            path.write_bytes(data)
            row(name)
            count += 1
        sparse(path)
        row("a terabyte of zeros")
    print(f"{count + 1} bombs, {wrong} not refused within {SECONDS:g} s and {MEMORY:g} MB")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
