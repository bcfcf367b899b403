"""Reads files that nobody vouches for: decoders that may hang, crash or eat the memory run in a process of their own,
since a thread cannot be stopped from outside, and a crash takes all threads with it.

Ordinary files are decoded where they are, as fast as ever: PNG, JPEG and uncompressed BMP whose structure is checked
first and whose announced size is in keeping with their bytes. What has a complex decoder (all other formats, run-length
codes, those of plugins), or one that warns where it should refuse (CMYK JPEG), or announces far more than it holds,
goes to a worker, which reads the file itself and sends the pixels back.

This process and a worker (`imaging.sandbox_worker`) talk through the worker's standard input and output: a request is
one line of JSON, then the bytes of what is no file of its own; an answer is one line of JSON, then the raw bytes of the
arrays that it announces. A worker is started
by `subprocess`, never forked: it holds no lock and no GPU of its parent, and starts alike on every system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from translate.device import cores
from translate.errors import DataError
from translate.imaging.colour.inks import Inks
from translate.imaging.decode import decode_opened, open_header, probe
from translate.imaging.files import contents, leads_into_archive, open_regular
from translate.imaging.formats.codec import HEAD, Pages
from translate.imaging.formats.table import codec_of
from translate.imaging.image import LIMITS, Header, Image, Limits
from translate.imaging.image_format import FORMATS, format_of
from translate.imaging.metadata.metadata import Metadata

Array = np.ndarray[Any, Any]
T = TypeVar("T")

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from translate.imaging.sandbox_worker import serve; serve()"
)

STARTING = 60.0
"""Seconds for a worker to start, on a machine with much else to do."""


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
        self._busy: set[_Worker] = set()
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

    def rest(self) -> None:
        """Ends the workers that have nothing to do; others start when they are needed."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def stop(self) -> None:
        """Ends all workers at once, also those that still decode: whoever waits for them gets an error."""
        self.close()
        with self._lock:
            for worker in self._busy:
                worker.kill()

    def read(self, path: Path, *, indices: bool = False) -> Image:
        """The image in a file, or in one of an archive; with `indices` the values that a label map stores."""
        if (head := self._head(path)) is None:
            return self.decode(contents(path, self.limits), str(path), indices=indices)
        if _is_guarded(head, str(path)):
            return self._ask("read", path, _Worker.image, indices=indices)
        data, name = contents(path, self.limits), str(path)
        # The bytes that are judged here are the bytes that are decoded: the file is not opened a second time.
        opened = open_header(data, name, self.limits)
        if opened.codec.is_ordinary(opened, data, name):
            return decode_opened(opened, data, name, indices=indices)
        del data, opened  # frees up to a gigabyte before the worker reads the file again
        return self._ask("read", path, _Worker.image, indices=indices)

    def decode(self, data: bytes, name: str, *, indices: bool = False) -> Image:
        """The image in the bytes of a file; `name` is what errors call it."""
        self.limits.check_file(len(data), name)
        if not _is_guarded(data[:HEAD], name):
            opened = open_header(data, name, self.limits)
            if opened.codec.is_ordinary(opened, data, name):
                return decode_opened(opened, data, name, indices=indices)
        return self._ask("read", Path(name), _Worker.image, data, indices=indices)

    def probe(self, path: Path) -> Header:
        """The header of an image file, or of one in an archive."""
        data = None
        if (head := self._head(path)) is None:
            data = contents(path, self.limits)
            head = data[:HEAD]
        if _is_guarded(head, str(path)):
            return self._ask("probe", path, lambda _, answer: Header(**answer["header"]), data)
        return probe(path, limits=self.limits)

    def pages(self, path: Path) -> Pages:
        """All pages or frames of a file, in a worker."""
        data = contents(path, self.limits) if self._head(path) is None else None
        return self._ask("pages", path, _Worker.pages, data)

    def _head(self, path: Path) -> bytes | None:
        """The first bytes of a file; None of one in an archive, whose bytes a worker is sent."""
        try:
            with open_regular(path) as file:
                return file.read(HEAD)
        except OSError as error:
            if leads_into_archive(path, error):
                return None
            raise DataError(f"{path}: {error.strerror or error}") from None

    def _ask(
        self,
        what: str,
        path: Path,
        take: Callable[[_Worker, Mapping[str, Any]], T],
        data: bytes | None = None,
        *,
        indices: bool = False,
    ) -> T:
        with self._free, self._worker() as worker:
            return worker.ask(what, path, self.limits, take, data, indices=indices)

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker()
        try:
            with self._lock:
                self._busy.add(worker)
                if self._closed:  # `stop` has not seen it
                    worker.kill()
            worker.begin()
            yield worker
        finally:
            # `close` may have run meanwhile: it ended the idle workers alone, and this one was none.
            with self._lock:
                self._busy.discard(worker)
                reusable = worker.alive and not self._closed
                if reusable:
                    self._idle.append(worker)
            if not reusable:
                worker.end()


def _is_guarded(head: bytes, name: str) -> bool:
    """Whether a worker decodes a file, whatever is in it: nobody here knows what a plugin's decoder does."""
    return format_of(head, name) is not None or codec_of(head, name).guarded


def _paths() -> list[str]:
    """Where this process finds its modules, but for the working directory, unless the engine itself is there."""
    root = str(Path(__file__).resolve().parents[2])
    paths = []
    for path in sys.path:
        # An empty entry is the working directory: a module beside the images must not run because of its name.
        if not path and str(Path.cwd()) == root:
            paths.append(root)
        elif Path(path).is_absolute():
            paths.append(path)
    return paths if root in paths else [*paths, root]


class _Worker:
    """A process that decodes one file after another; one thread at a time may talk to it."""

    def __init__(self) -> None:
        # -P keeps the working directory out of the path. A session of its own, or a process group on Windows, keeps
        # Ctrl+C from the worker: the parent decides when it ends. Messages of libraries go to the null device.
        command = [sys.executable, "-P", "-c", _START, json.dumps(_paths())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.alive = True
        self._ready = False

    def begin(self) -> None:
        """Waits for a new process to be ready. Errors: DataError where it does not start."""
        if self._ready:
            return
        try:
            with self._at_most(STARTING):
                self._receive()  # it says that it is ready
        except EOFError:
            # Killed for memory, or by `stop`: there is nothing to read, and nothing to ask it again.
            self.alive = False
            how = _end(self._process.wait())
            raise DataError(f"the process that decodes suspicious images does not start: it {how}") from None
        self._ready = True

    @contextmanager
    def _at_most(self, seconds: float) -> Iterator[threading.Event]:
        """Kills the process when it takes longer; the event tells of that."""
        # A read from a pipe has no timeout that works on every system, but it ends when the killed process's pipe does.
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def ask(
        self,
        what: str,
        path: Path,
        limits: Limits,
        take: Callable[[_Worker, Mapping[str, Any]], T],
        data: bytes | None = None,
        *,
        indices: bool = False,
    ) -> T:
        """Sends a request, with the `data` of what is no file of its own, and takes the answer. Errors: DataError."""
        with self._at_most(limits.seconds) as late:
            try:
                assert self._process.stdin
                where = os.path.abspath(path)  # noqa: PTH100 - resolves no links: what is opened is what was named
                request = {"what": what, "path": where, "name": str(path), "limits": vars(limits), "indices": indices}
                request |= {"formats": [*FORMATS]} | ({} if data is None else {"bytes": len(data)})
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.write(data or b"")
                self._process.stdin.flush()
                answer = self._receive()
                if "error" in answer:
                    raise DataError(answer["error"])
                return take(self, answer)
            except (OSError, EOFError):
                raise self._dead(path, late.is_set(), limits) from None

    def pages(self, answer: Mapping[str, Any]) -> Pages:
        """The pages behind an answer."""
        images = tuple(self.image(page) for page in answer["pages"])
        return Pages(images, tuple(answer["durations"]), answer["loop"])

    def image(self, answer: Mapping[str, Any]) -> Image:
        """The image behind an answer."""
        arrays: list[Array | None] = []
        for dtype, shape in answer["arrays"]:
            arrays.append(None if shape is None else self._exactly(np.empty(shape, dtype)))
        pixels, alpha, profile_array, values = arrays
        assert pixels is not None
        profile = None if profile_array is None else profile_array.tobytes()
        inks = None if values is None or profile is None else Inks(values, profile)
        ranges = None if answer["ranges"] is None else tuple((low, high) for low, high in answer["ranges"])
        metadata = Metadata.from_json(answer["metadata"]) if "metadata" in answer else None
        icc = None if inks else profile
        return Image(pixels, alpha, icc, answer["mode"], ranges=ranges, metadata=metadata, inks=inks)

    def _receive(self) -> dict[str, Any]:
        """The next line of an answer. Errors: EOFError where the worker ended."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):  # it ended in the middle of a line, or before it
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _exactly(self, array: Array) -> Array:
        """Fills an array from the pipe, which gives a part at a time. Errors: EOFError where the worker ended."""
        assert self._process.stdout
        view = memoryview(array.reshape(-1).view("uint8").data)
        while view:
            if not (count := self._process.stdout.readinto(view)):  # type: ignore[attr-defined]
                raise EOFError
            view = view[count:]
        return array

    def _dead(self, path: Path, late: bool, limits: Limits) -> DataError:
        """The error for a worker that ended by itself or was stopped for being `late`."""
        self.alive = False
        code = self._process.wait()
        if late:
            return DataError(f"{path}: not decoded within {limits.seconds:g} seconds; given up")
        if code < 0 and _end(code) == KILLED:
            return DataError(f"{path}: its decoder {KILLED}; try again when more is free (convert: --retry-failed)")
        return DataError(f"{path}: its decoder {_end(code)}; the file is damaged, or made to do that")

    def kill(self) -> None:
        """Ends the process at once; whoever waits for its answer gets an error."""
        self._process.kill()

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


KILLED = "was killed (SIGKILL), most likely because memory ran out"


def _end(code: int) -> str:
    """Says how a process ended, by its exit code; a negative one is, on Unix, the signal that ended it."""
    if code >= 0:
        return f"crashed (exit code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return KILLED if name == "SIGKILL" else f"crashed ({name})"
