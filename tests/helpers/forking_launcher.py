"""`torchrun`, and `translate` with `--devices`, whose processes are forks of them: no start of an interpreter each.

    warm.Program([forking_launcher.FILE, MODULE, ARGS...])

runs `python -m MODULE ARGS`. The processes are forked before there are threads and wait for what to become. Each leaves
its id in `rank-N.pid` in the working directory.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = str(Path(__file__))
PROCESSES = 2


class Forked:
    """As much of `subprocess.Popen` as torch's launcher asks for."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None

    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Errors: subprocess.TimeoutExpired."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("forked", timeout or 0)
            time.sleep(0.01)
        return code


class Spares:
    """Processes that wait for what to become."""

    def __init__(self) -> None:
        self._spares: list[tuple[Forked, socket.socket]] = []
        for _ in range(PROCESSES):
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                for connection in (ours, *(each for _, each in self._spares)):
                    connection.close()
                become_what_is_said(theirs)
            theirs.close()
            self._spares.append((Forked(pid), ours))

    def start(self, args: Sequence[str], env: dict[str, str], out: Any, err: Any) -> Forked:
        """The next process, which begins to run a command of Python. Without a file it writes where this one does."""
        forked, connection = self._spares.pop(0)
        streams = [0, out.fileno() if out else 1, err.fileno() if err else 2]
        argv = [word for word in args[1:] if word != "-u"]
        call = {"argv": argv, "folder": str(Path.cwd()), "environment": env, "sites": []}
        with connection:
            socket.send_fds(connection, [json.dumps(call).encode() + b"\n"], streams)
            connection.recv(16)  # its id: from now on it has a session of its own
        return forked


def become_what_is_said(connection: socket.socket) -> None:
    """Waits for a command and runs it; this process ends with it, or with the one that would give it."""
    line, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while line and not line.endswith(b"\n"):
        line += connection.recv(1 << 20)
    if not line:
        os._exit(0)
    argv = warm_server.become(json.loads(line), streams, connection)
    Path(f"rank-{os.environ['RANK']}.pid").write_text(str(os.getpid()))
    warm_server.end_with(argv)


def main() -> None:
    from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler

    spares = Spares()

    def start(handler: Any, args: Sequence[str], env: dict[str, str]) -> Forked:
        return spares.start(args, env, handler._stdout, handler._stderr)

    SubprocessHandler._popen = start  # type: ignore[method-assign,assignment]
    warm_server.play(["-m", *sys.argv[1:]])


if __name__ == "__main__":
    import warm_server

    sys.path.pop(0)  # programs find no helpers of tests
    main()
