"""The process in which a `GuardedReader` (`imaging.guard.reader`) has one image after another decoded.

Nothing here has to be polite to a decoder that hangs or crashes: the parent kills this process and starts another. What
a decoder may take is limited, so that it fails here before the machine runs out of memory.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image as Pillow

from translate.errors import DamagedError, DataError
from translate.imaging.decode import decode, format_at, header_in, probe
from translate.imaging.files import contents
from translate.imaging.formats.codec import HEAD, Pages
from translate.imaging.formats.of_plugins import FORMATS, format_of, register_places
from translate.imaging.formats.raster.zarr_store import is_zarr, read_zarr, zarr_header, zarr_pages
from translate.imaging.image import Image, Limits
from translate.imaging.pages import pages_in

Array = np.ndarray[Any, Any]

# Bytes of address space that a worker may take for its libraries, besides those of the image.
_ROOM = 1 << 29


def serve() -> None:
    """Answers requests, one JSON line each, until standard input ends: a JSON line, then the bytes of the arrays."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer: descriptor 1 is the null device from here on
    Pillow.MAX_IMAGE_PIXELS = None  # the limits of a request decide, and Pillow has one of its own
    _say(answers, {"ready": True})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        _set_alarm(limits.seconds)
        try:
            _take_formats(request["formats"])
            data = sys.stdin.buffer.read(request["bytes"]) if "bytes" in request else None
            answer, arrays = _answer(request, data, limits)
        except DataError as error:
            text = str(error)
            text = text.replace(request["path"], request["name"], 1)
            answer, arrays = {"error": text, "kind": type(error).__name__}, []
        except MemoryError:
            text = f"{request['name']}: takes more memory than such an image should"
            answer, arrays = {"error": text, "kind": "DataError"}, []
        _say(answers, answer, *arrays)
        _clear_alarm()  # it may be a long time before the next image


def _take_formats(places: Sequence[str]) -> None:
    """Imports the formats of plugins that the parent has in use. Errors: DataError."""
    if {*places} <= {*FORMATS}:
        return
    _allow(None)  # what a plugin imports, torch perhaps, is none of the image's
    try:
        register_places(places)
    except Exception as error:
        raise DataError(f"the plugin of an image format cannot be imported: {type(error).__name__}: {error}") from None


def _answer(request: Mapping[str, Any], data: bytes | None, limits: Limits) -> tuple[dict[str, Any], list[Any]]:
    """The line of an answer and the arrays behind it: pixels, alpha, profile and inks, as far as there are any.

    `data` are those of an image that is no file of its own.
    """
    what, path = request["what"], Path(request["path"])
    if data is None and is_zarr(path):
        return _of_zarr(what, path, limits)
    size = path.stat().st_size if data is None else len(data)
    name = str(path) if data is None else request["name"]
    if what == "pages":
        return _pages(path, data, name, size, limits)
    # A plugin's format may have to decode the image to know its header.
    plugin = format_at(path) if data is None else format_of(data[:HEAD], name)
    _allow(_ROOM + (2 * size + 3 * limits.decoded if plugin else 0))
    header = probe(path, limits=limits) if data is None else header_in(data, name, limits=limits)
    if what == "probe":
        return {"header": vars(header)}, []
    # Twice the file (as read, and a decoder's copy) and six times the pixels (decoded, in wider arithmetic, upright).
    if not plugin:
        _allow(_ROOM + 2 * size + 6 * header.decoded)
    data = contents(path, limits) if data is None else data
    image = decode(data, name, limits=limits, indices=request["indices"])
    if header.format == "jpeg":
        _check_warnings(data, name)
    return _described(image)


def _pages(path: Path, data: bytes | None, name: str, size: int, limits: Limits) -> tuple[dict[str, Any], list[Any]]:
    """The line of an answer about all pages of a file, and the arrays of one page behind those of the other."""
    _allow(_ROOM + 2 * size + 3 * limits.decoded)
    return _described_pages(pages_in(contents(path, limits) if data is None else data, name, limits=limits))


def _of_zarr(what: str, path: Path, limits: Limits) -> tuple[dict[str, Any], list[Any]]:
    """The answer about a folder of Zarr, whose chunks are read one by one."""
    _allow(None)  # what its package imports is none of the image's
    header = zarr_header(path, limits) if what != "pages" else None
    if what == "probe":
        return {"header": vars(header)}, []
    _allow(_ROOM + (6 * header.decoded if header else 3 * limits.decoded))
    return _described(read_zarr(path, limits)) if header else _described_pages(zarr_pages(path, limits))


def _described_pages(pages: Pages) -> tuple[dict[str, Any], list[Any]]:
    lines, arrays = [], []
    for image in pages.images:
        line, of_page = _described(image)
        lines.append(line)
        arrays += of_page
    return {"pages": lines, "durations": pages.durations, "loop": pages.loop}, arrays


def _described(image: Image) -> tuple[dict[str, Any], list[Any]]:
    """What an answer says of an image, and its arrays."""
    bytes_of_profile = image.inks.profile if image.inks else image.icc
    profile = None if bytes_of_profile is None else np.frombuffer(bytes_of_profile, np.uint8)
    described: list[tuple[str, tuple[int, ...] | None]] = []
    arrays = []
    for array in (image.pixels, image.alpha, profile, image.inks.values if image.inks else None):
        if array is None:
            described.append(("uint8", None))
        else:
            described.append((str(array.dtype), array.shape))
            arrays.append(array)
    answer = {"mode": image.mode, "arrays": described, "ranges": image.ranges, "notes": image.notes}
    return answer | ({"metadata": image.metadata.to_json()} if image.metadata else {}), arrays


def _check_warnings(data: bytes, name: str) -> None:
    """Takes for an error what OpenCV's libjpeg prints of a JPEG: data that end early, or are left over.

    It prints to descriptor 2, which leads to a file meanwhile; no other thread prints in a worker. Errors: DataError.
    """
    import cv2  # late: a worker for WebP or TIFF starts sooner without it

    stderr = os.dup(2)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 2)
        try:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        printed.seek(0)
        words = printed.read(300).decode(errors="replace").strip()
    if words:
        raise DamagedError(f"{name}: damaged or truncated JPEG: {words.splitlines()[0]}")


def _say(answers: BinaryIO, answer: Mapping[str, Any], *arrays: Array) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    for array in arrays:
        answers.write(array.reshape(-1).view("uint8").data)
    answers.flush()


def _allow(room: int | None) -> None:
    """Lets the address space grow by so many bytes from here on (None: by any number), where the system can limit it
    (Linux)."""
    try:
        import resource  # Unix alone has it

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if room is None:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        return
    soft = pages * resource.getpagesize() + room
    if hard >= 0:  # a negative one means that there is none
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _set_alarm(seconds: float) -> None:
    """Ends this process a little later than its parent would, which may be gone by then."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + 5)
    else:  # on Windows: a thread in C, which a decoder cannot hold up as it can Python's own
        faulthandler.dump_traceback_later(int(seconds) + 5, exit=True)


def _clear_alarm() -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    else:
        faulthandler.cancel_dump_traceback_later()
