"""A shell that runs the commands of a page, each in a process that finds its imports made."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shlex
import signal
import site
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

PROGRAMS = ("pip", "pytest", "translate")
OFFLINE = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
HEAVY = ["torch", "numpy", "pydantic", "click", "yaml", "cv2", "pytest"]


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
