"""Reading files that nobody vouches for: decoders that may hang, crash or eat the memory run in a process that can be
killed.

Ordinary files are decoded where they are, as fast as ever: PNG, JPEG and uncompressed BMP whose structure is checked
first and whose announced size is in keeping with their bytes. What has a complex decoder (TIFF, WebP, GIF, run-length
codes), or one that warns where it should refuse (CMYK JPEG), or announces far more than it holds, goes to a worker,
which reads the file itself and sends the pixels back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from translate.device import cores
from translate.errors import DataError
from translate.imaging.decode import contents, decode_opened, open_header, open_regular, probe, read
from translate.imaging.formats.jpeg import jpeg_info
from translate.imaging.formats.kind import kind_of
from translate.imaging.image import LIMITS, Header, Image, Limits

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

PLAUSIBLE = 100
"""Decoded bytes per byte of the file up to which a large PNG or JPEG is ordinary."""
SMALL = 1 << 24
"""Decoded bytes of an image that is ordinary whatever its file's size is."""
LARGE = 1 << 28
"""Decoded bytes from which on no image is ordinary."""
SCANS = 20
"""Scans of an ordinary progressive JPEG."""

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from translate.imaging.sandbox import serve; serve()"
_ROOM = 1 << 29


class GuardedReader:
    """`translate.imaging.io.read` and `probe` for many threads, with `Limits.seconds` for what is not ordinary.

    with GuardedReader(limits) as reader:
        image = reader.read(path)

    Workers (at most one per core) start when they are needed, are used again, and end with the context. Errors of all
    methods: DataError, also where a decoder crashed, took too long, or wanted more memory than such an image takes.
    """

    def __init__(self, limits: Limits = LIMITS, workers: int | None = None) -> None:
        self.limits = limits
        self._free = threading.Semaphore(workers or cores())
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False

    def __enter__(self) -> GuardedReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; those that still decode end with their image."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for worker in idle:
            worker.end()

    def read(self, path: Path) -> Image:
        """The image in a file."""
        if self._kind(path) in ("tiff", "webp", "gif"):
            return self._ask("read", path, _Worker.image)
        data, name = contents(path, self.limits), str(path)
        opened = open_header(data, name, self.limits)
        if _ordinary(opened.header, data, name):
            return decode_opened(opened, data, name)
        del data, opened
        return self._ask("read", path, _Worker.image)

    def probe(self, path: Path) -> Header:
        """The header of an image file."""
        if self._kind(path) in ("tiff", "webp", "gif"):
            return self._ask("probe", path, lambda _, answer: Header(**answer["header"]))
        return probe(path, limits=self.limits)

    def _kind(self, path: Path) -> str:
        try:
            with open_regular(path) as file:
                return kind_of(file.read(24), str(path))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None

    def _ask(self, what: str, path: Path, take: Callable[[_Worker, Mapping[str, Any]], T]) -> T:
        with self._free, self._worker() as worker:
            return worker.ask(what, path, self.limits, take)

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker()
        try:
            yield worker
        finally:
            with self._lock:
                keep = worker.alive and not self._closed
                if keep:
                    self._idle.append(worker)
            if not keep:
                worker.end()


def _ordinary(header: Header, data: bytes, name: str) -> bool:
    if header.format == "bmp":
        return data[14] != 12 and data[30:34] in (b"\0\0\0\0", b"\3\0\0\0")
    if header.decoded > LARGE or header.decoded > max(SMALL, PLAUSIBLE * len(data)):
        return False
    if header.format == "png":
        return True
    info = jpeg_info(data, name)
    return info.turbo and info.scans <= SCANS


def _paths() -> list[str]:
    """Where this process finds its modules, but for the working directory, unless the engine itself is there."""
    root = str(Path(__file__).resolve().parents[2])
    found = [path or root for path in sys.path if Path(path).is_absolute() or (not path and str(Path.cwd()) == root)]
    return found if root in found else [*found, root]


class _Worker:
    """A process that decodes one file after another; one thread at a time may talk to it."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-c", _START, json.dumps(_paths())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.alive = True
        try:
            self._receive()
        except EOFError:
            self.end()
            raise DataError("the process that decodes suspicious images does not start") from None

    def ask(self, what: str, path: Path, limits: Limits, take: Callable[[_Worker, Mapping[str, Any]], T]) -> T:
        """Sends a request and takes the answer. Errors: DataError."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(limits.seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            assert self._process.stdin
            where = os.path.abspath(path)  # noqa: PTH100 - resolves no links: what is opened is what was named
            request = {"what": what, "path": where, "name": str(path), "limits": vars(limits)}
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._receive()
            if "error" in answer:
                raise DataError(answer["error"])
            return take(self, answer)
        except (OSError, EOFError):
            raise self._dead(path, late.is_set(), limits) from None
        finally:
            timer.cancel()

    def image(self, answer: Mapping[str, Any]) -> Image:
        """The image behind an answer."""
        import numpy as np

        pixels, alpha, icc = (
            None if shape is None else self._exactly(np.empty(shape, kind)) for kind, shape in answer["arrays"]
        )
        assert pixels is not None
        return Image(pixels, alpha, None if icc is None else icc.tobytes(), answer["mode"])

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _exactly(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        assert self._process.stdout
        view = memoryview(array.reshape(-1).view("uint8").data)
        while view:
            if not (count := self._process.stdout.readinto(view)):  # type: ignore[attr-defined]
                raise EOFError
            view = view[count:]
        return array

    def _dead(self, path: Path, late: bool, limits: Limits) -> DataError:
        self.alive = False
        code = self._process.wait()
        if late:
            return DataError(f"{path}: not decoded within {limits.seconds:g} seconds; given up")
        try:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            how = f"signal {-code}"
        return DataError(f"{path}: its decoder crashed ({how}); the file is damaged, or made to do that")

    def end(self) -> None:
        """Ends the process, at once if it does not by itself."""
        self.alive = False
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# ------------------------------------------------------------------------------------------------- inside the worker


def serve() -> None:
    """Answers requests, one JSON line each, until standard input ends: a JSON line, then the bytes of the arrays."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _say(answers, {"ready": True})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        _alarm(limits.seconds)
        try:
            answer, arrays = _answer(request["what"], Path(request["path"]), limits)
        except DataError as error:
            text = str(error)
            answer, arrays = {"error": text.replace(request["path"], request["name"], 1)}, []
        except MemoryError:
            answer, arrays = {"error": f"{request['name']}: takes more memory than such an image should"}, []
        _say(answers, answer, *arrays)


def _answer(what: str, path: Path, limits: Limits) -> tuple[dict[str, Any], list[Any]]:
    import numpy as np

    _allow(_ROOM)
    header = probe(path, limits=limits)
    if what == "probe":
        return {"header": vars(header)}, []
    _allow(_ROOM + 2 * path.stat().st_size + 6 * header.decoded)
    image = read(path, limits=limits)
    if header.format == "jpeg":
        _check_warnings(path)
    icc = None if image.icc is None else np.frombuffer(image.icc, np.uint8)
    arrays = [image.pixels, image.alpha, icc]
    told = [("uint8", None) if array is None else (str(array.dtype), array.shape) for array in arrays]
    return {"mode": image.mode, "arrays": told}, [array for array in arrays if array is not None]


def _check_warnings(path: Path) -> None:
    """What OpenCV's libjpeg prints of a JPEG (data that end early, or are left over) is an error: DataError. No other
    thread prints here."""
    import cv2
    import numpy as np

    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        words = said.read(300).decode(errors="replace").strip()
    if words:
        raise DataError(f"{path}: damaged or truncated JPEG: {words.splitlines()[0]}")


def _say(answers: BinaryIO, answer: Mapping[str, Any], *arrays: Any) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    for array in arrays:
        answers.write(memoryview(array.reshape(-1).view("uint8")))
    answers.flush()


def _allow(room: int) -> None:
    """Lets the address space grow by so many bytes from here on, where the system can limit it."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def _alarm(seconds: float) -> None:
    """Ends this process if whoever waits for the answer is gone and cannot."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + 5)
