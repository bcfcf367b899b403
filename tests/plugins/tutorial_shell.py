"""The code blocks of a page, and a shell that runs the commands in them.

A block belongs to a file, or holds commands with what they print:

    ```python title="a.py"        the whole file
    ```python title="a.py" add    appended to it
    ```toml title="a.toml" same   what an earlier command wrote there
    ```console                    lines of `$ COMMAND`, each with its output; `...` stands for anything
    ```console fails              likewise, and the last command does not exit with 0
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shlex
import signal
import site
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

FENCE = re.compile(r"^```(\w*)(?: title=\"(.*?)\")?(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("pip", "pytest", "translate")
OFFLINE = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
HEAVY = ["torch", "numpy", "pydantic", "click", "yaml", "cv2", "pytest"]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it belongs to, how, and where it stands."""

    language: str
    title: str | None
    mode: str | None
    text: str
    line: int

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command with what the page says that it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    return [
        Block(found[1], found[2], found[3], found[4], page.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(page)
    ]


def pattern(expected: str) -> str:
    """A regular expression for an output: `...` is anything on its line, and any lines where it stands alone."""
    lines = []
    for line in expected.splitlines():
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(re.escape(part) for part in line.split("...")) + r"[ ]*\n")
    return "".join(lines)


class Shell:
    """Runs commands one after the other, each in a process of its own that finds its imports made.

    `pip` installs into a folder without asking the network, and that folder is on the path of all commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = self.home = folder
        self.site = folder / "site"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(HEAVY)

    def run(self, command: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        program, *args = shlex.split(command)
        if program == "cd":
            self.folder = self.folder / args[0]
            return 0, ""
        if program not in PROGRAMS:
            done = subprocess.run([program, *args], cwd=self.folder, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr
        process = self.start(command)
        process.join()
        return process.exitcode or 0, self.printed(process)

    def start(self, command: str) -> BaseProcess:
        """A command that goes on by itself, in a group of processes of its own."""
        program, *args = shlex.split(command)
        if program == "pip":
            args += OFFLINE + (["--target", str(self.site)] if args[0] == "install" else [])
        process = self.context.Process(target=_command, args=([program, *args], self.folder, self.site, self.home))
        process.start()
        return process

    def printed(self, process: BaseProcess) -> str:
        return (self.home / f"{process.pid}.log").read_text("utf-8")

    def kill(self, process: BaseProcess) -> None:
        """What `kill -9` does to all of its processes."""
        assert process.pid
        os.killpg(process.pid, signal.SIGKILL)
        process.join()


def _command(argv: list[str], folder: Path, installed: Path, home: Path) -> None:
    os.setsid()
    with (home / f"{os.getpid()}.log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.chdir(folder)
    site.addsitedir(str(installed))
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
