"""Starts Python programs of which all imports are made: each is a fork of this process; see `warm`.

A connection to the socket that it was given as a number is one call: a line of JSON (argv, folder, environment) with
the program's three streams. It is answered by the program's id, and by its exit code when it ends. This process makes
its imports at the first call, and ends with its stdin. Modules that are named after the number are all that it imports.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import json
import os
import runpy
import select
import site
import socket
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

IMPORTS = (
    *("torch", "torch._dynamo", "numpy", "scipy.linalg", "pydantic", "click", "yaml", "cv2", "imagecodecs", "pytest"),
    *("pandas", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "sqlalchemy.dialects.sqlite", "alembic.config"),
    *("albumentations", "kornia.augmentation", "torchmetrics", "onnx"),
    *("translate.cli", "translate.pipeline.runner", "translate.stages.builtin", "translate.tracking.run"),
    *("translate.testing", "translate.data.builtin", "translate.imaging.builtin", "translate.models.builtin"),
    *("translate.training.build", "translate.training.optimization.optimizers"),
)
LONGEST = 1 << 20


def copy_databases() -> None:
    """Has programs copy the database of a new project (see `database_template`)."""
    sys.path.append(str(Path(__file__).parent))  # for this import alone: programs find no helpers of tests
    try:
        database_template = importlib.import_module("database_template")
    finally:
        sys.path.pop()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        if (child := os.fork()) == 0:  # what MLflow remembers of this database ends with the child
            try:
                database_template.make(file)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        database_template.install(file.read_bytes())


def prepare(modules: list[str]) -> None:
    """Imports some modules, or what the commands need."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules or IMPORTS:
            importlib.import_module(name)
        if not modules:
            for plugin in entry_points(group="translate"):
                plugin.load()
            copy_databases()
    gc.freeze()  # what is there is not looked at again: processes go on to share its memory, and end sooner


def become(call: dict[str, Any], streams: list[int], connection: socket.socket) -> list[str]:
    """Turns this process into the one of a call, and says its id; its arguments."""
    os.setsid()
    with connection:
        connection.sendall(f"{os.getpid()}\n".encode())
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if "PYTHONFAULTHANDLER" in os.environ:
        faulthandler.enable()
    for folder in call["sites"]:
        site.addsitedir(folder)
    return list(call["argv"])


def accompany(child: int, connection: socket.socket) -> None:
    """Tells the caller when a program ends."""
    _, status = os.waitpid(child, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def calls(listener: socket.socket) -> list[str] | None:
    """Serves calls until stdin ends; in the process of a call its arguments."""
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            return None
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                return serve(listener, connection)


def serve(listener: socket.socket, connection: socket.socket) -> list[str] | None:
    """Forks the program of a call; its arguments in the new process. The one that forked ends with it."""
    listener.close()
    line, streams, _, _ = socket.recv_fds(connection, LONGEST, 3)
    while not line.endswith(b"\n"):
        line += connection.recv(LONGEST)
    child = os.fork()
    if child == 0:
        return become(json.loads(line), streams, connection)
    for stream in streams:
        os.close(stream)
    try:
        accompany(child, connection)
    finally:
        os._exit(0)


def play(argv: list[str]) -> None:
    """Runs a program as the interpreter does: `-c CODE`, `-m MODULE`, or a file, each with arguments."""
    kind, rest = argv[0], argv[1:]
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)
    elif kind == "-m":
        sys.argv = rest
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        sys.path.insert(0, str(Path(kind).resolve().parent))
        runpy.run_path(kind, run_name="__main__")


def end_with(argv: list[str]) -> NoReturn:
    """Runs a program and ends as the interpreter does, but does not take apart what was imported: half a second."""
    code: Any = 0
    try:
        play(argv)
    except SystemExit as error:
        code = error.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    ready, _, _ = select.select([listening, sys.stdin], [], [])
    if listening in ready:  # somebody calls: not all runs of the tests do
        prepare(sys.argv[2:])
        arguments = calls(listening)
        if arguments is not None:
            end_with(arguments)
