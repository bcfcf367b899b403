"""Starts `translate` again and again: torch and the command are imported once, and each call is a fork of that.

It reads a call a line (JSON) from stdin, and writes its exit code; a call that takes too long is killed and has the
code 124. Each runs in a session, a folder and an environment of its own, and ends as any Python program does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def prepare() -> None:
    """Imports what commands that convert need."""
    import torch

    import translate.cli.converting
    import translate.conversion.convert
    import translate.models.load  # noqa: F401

    torch.set_num_threads(1)


def become(call: dict[str, Any]) -> list[str]:
    """Turns this process into the one of a call; its arguments."""
    os.setsid()
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["env"])
    for number, (name, flags) in enumerate(
        zip(("in", "out", "err"), (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)
    ):
        file = os.open(call[name], flags)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["translate", *call["argv"]]
    return list(sys.argv[1:])


def wait(child: int, seconds: float) -> int:
    """The exit code of a child, as shells count it; 124 where it had to be killed."""
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 124
        time.sleep(0.01)


def calls() -> list[str] | None:
    """Serves calls until stdin ends; in the process of a call its arguments."""
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            return become(call)
        print(wait(child, call["seconds"]), flush=True)
    return None


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    prepare()
    print("ready", flush=True)
    arguments = calls()
    if arguments is not None:
        from translate.cli import main

        main(arguments)
