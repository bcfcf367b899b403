"""A process that decodes images on request, and can be killed."""

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

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.colour.inks import Inks
from translate.imaging.formats.codec import Pages
from translate.imaging.formats.of_plugins import FORMATS
from translate.imaging.image import Image, Limits, NoIndicesError
from translate.imaging.metadata.metadata import Metadata

Array = np.ndarray[Any, Any]
T = TypeVar("T")

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from translate.imaging.guard.worker import serve; serve()"
)

_ERRORS = {kind.__name__: kind for kind in (DamagedError, UnsupportedError, NoIndicesError)}

STARTING = 60.0
"""Seconds for a worker to start, on a machine with much else to do."""


def _paths() -> list[str]:
    """Where this process finds its modules, but for the working directory, unless the engine itself is there."""
    root = str(Path(__file__).resolve().parents[3])
    paths = []
    for path in sys.path:
        # An empty entry is the working directory: a module beside the images must not run because of its name.
        if not path and str(Path.cwd()) == root:
            paths.append(root)
        elif Path(path).is_absolute():
            paths.append(path)
    return paths if root in paths else [*paths, root]


class DecodingProcess:
    """A process that decodes one file after another; one thread at a time may talk to it."""

    def __init__(self) -> None:
        # -P keeps the working directory out of the path. A session of its own, or a process group on Windows, keeps
        # Ctrl+C from the worker: the parent decides when it ends. Messages of libraries go to the null device.
        self._paths = _paths()
        command = [sys.executable, "-P", "-c", _START, json.dumps(self._paths)]
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

    @property
    def current(self) -> bool:
        """Whether it finds its modules where this process finds them now, those of plugins among them."""
        return self._paths == _paths()

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
        take: Callable[[DecodingProcess, Mapping[str, Any]], T],
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
                    raise _ERRORS.get(answer["kind"], DataError)(answer["error"])
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
        notes = tuple(answer.get("notes", ()))
        return Image(pixels, alpha, icc, answer["mode"], ranges=ranges, metadata=metadata, inks=inks, notes=notes)

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
        return DamagedError(f"{path}: its decoder {_end(code)}; the file is damaged, or made to do that")

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
