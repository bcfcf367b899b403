"""A shell that runs the commands of a page, each in a process that finds its imports made."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import warm

PROGRAMS = ("pip", "pytest", "translate")
OFFLINE = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]


class Shell:
    """Runs commands one after the other, each in a process of its own that finds its imports made.

    `pip` installs into a folder without asking the network, and that folder is on the path of all commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = self.home = folder
        self.site = folder / "site"

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
        return process.wait(), self.printed(process)

    def start(self, command: str) -> warm.Program:
        """A command that goes on by itself, in a group of processes of its own."""
        program, *args = shlex.split(command)
        if program == "pip":
            args += OFFLINE + (["--target", str(self.site)] if args[0] == "install" else [])
        with (self.home / "printed").open("wb") as log:
            argv = ["-m", program, *args]
            process = warm.Program(argv, self.folder, stdout=log, stderr=log, sites=[self.site])
        (self.home / "printed").rename(self.home / f"{process.pid}.log")
        return process

    def printed(self, process: warm.Program) -> str:
        return (self.home / f"{process.pid}.log").read_text("utf-8")

    def kill(self, process: warm.Program) -> None:
        """What `kill -9` does to all of its processes."""
        process.kill_all()
