"""Python programs in processes of their own that find their imports made.

A start of the interpreter and what a training imports take eight seconds; what a test asks is mostly what a command
does then. Use `sys.executable` where the start itself is asked about: what is imported, how soon, in which environment.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

SERVER = Path(__file__).with_name("warm_server.py")


SHARED = "TRANSLATE_TESTS_SERVER"
"""The variable with the address of a server that several processes of tests use."""


def share() -> None:
    """Starts a server for this process and for those that it starts. It makes its imports at the first call."""
    os.environ[SHARED] = _start()


@cache
def server(preload: str = "", *modules: str) -> str:
    """The address of a server of programs, which is started when the first one is asked for. It has a library
    preloaded, and the `modules` imported, or all that commands need."""
    if not preload and not modules and SHARED in os.environ:
        return os.environ[SHARED]
    return _start(preload, *modules)


def _start(preload: str = "", *modules: str) -> str:
    """Starts a server that ends with this process; its address."""
    address = str(Path(tempfile.mkdtemp(prefix="warm-")) / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    number = listener.fileno()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"LD_PRELOAD": preload} if preload else {})}
    command = [sys.executable, "-P", str(SERVER), str(number), *modules]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=[number])
    listener.close()

    def end() -> None:
        assert process.stdin
        process.stdin.close()
        process.wait()

    atexit.register(end)
    return address


class Program:
    """What `python ARGS` would be, in a session of its own: a small `subprocess.Popen`, with one thread for torch.

    `args` may begin with the interpreter, as they would for that. A stream is a file, `subprocess.PIPE`, from which
    text is read, or bytes where `text` is false, or None: nothing. `stderr` may be `subprocess.STDOUT`; `stdin` is the
    number of a file. `sites`: folders of installed packages. What LD_PRELOAD names in `env` is loaded. `address`: that
    of another server. A program is killed at the end of its context.
    """

    stdout: IO[Any]
    stderr: IO[Any]

    def __init__(
        self,
        args: Sequence[str | Path],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        *,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        stdin: int | None = None,
        sites: Sequence[Path] = (),
        text: bool = True,
        address: str = "",
    ) -> None:
        self.args = [str(word) for word in args]
        self.returncode: int | None = None
        self._encoding = "utf-8" if text else None
        environment = {**(os.environ if env is None else env), "OMP_NUM_THREADS": "1"}
        call = {
            "argv": self.args[1:] if self.args[0] == sys.executable else self.args,
            "folder": str(cwd or Path.cwd()),
            "environment": environment,
            "sites": [str(site) for site in sites],
        }
        line = json.dumps(call).encode() + b"\n"
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address or server(environment.get("LD_PRELOAD", "")))
        with ExitStack() as stack:
            nothing = stack.enter_context(Path(os.devnull).open("r+b")).fileno()
            out = self._stream("stdout", stdout, stack, nothing)
            err = out if stderr == subprocess.STDOUT else self._stream("stderr", stderr, stack, nothing)
            sent = socket.send_fds(self._connection, [line], [nothing if stdin is None else stdin, out, err])
            self._connection.sendall(line[sent:])
            self._answers = self._connection.makefile("r")
            self.pid = int(self._answers.readline())

    def _stream(self, name: str, stream: int | IO[Any] | None, stack: ExitStack, nothing: int) -> int:
        """The number of a file that the program writes to."""
        if stream == subprocess.PIPE:
            ours, theirs = os.pipe()
            stack.callback(os.close, theirs)
            setattr(self, name, os.fdopen(ours, "r" if self._encoding else "rb", encoding=self._encoding))
            return theirs
        if stream is None:
            return nothing
        return stream if isinstance(stream, int) else stream.fileno()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Errors: subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(None if timeout is None else max(timeout, 1e-3))
            try:
                answer = self._connection.recv(16)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self.returncode = int(answer)
            self._answers.close()
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it writes until it ends. Errors: subprocess.TimeoutExpired."""
        pipes = [name for name in ("stdout", "stderr") if name in vars(self)]
        with ThreadPoolExecutor() as pool:
            reading = {name: pool.submit(vars(self)[name].read) for name in pipes}
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill_all()
                raise
            out, err = (reading[name].result() if name in pipes else "" for name in ("stdout", "stderr"))
        self._close()
        return out, err

    def _close(self) -> None:
        for name in ("stdout", "stderr"):
            if name in vars(self):
                vars(self)[name].close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """Kills it and what it started, but for what has left its session."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.kill_all()


def run(
    args: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 250,
    sites: Sequence[Path] = (),
) -> subprocess.CompletedProcess[str]:
    """Runs what `python ARGS` would, and waits for its end. Errors: subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        with Program(args, cwd, env, stdout=stdout, stderr=stderr, sites=sites) as program:
            code = program.wait(timeout)
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(program.args, code, stdout.read(), stderr.read())


def translate(cwd: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `python -m translate ARGUMENTS` in a folder, and waits for its end."""
    return run(["-m", "translate", *arguments], cwd)
