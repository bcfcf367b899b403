"""Commands whose reader leaves, or whose standard streams were never open: they go on, and end as they would."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm

from translate.console import PlainConsole, console
from translate.streams import lenient

COMMANDS = {
    "run": ("run", "toy.yaml"),
    "plan": ("plan", "toy.yaml"),
    "plan --json": ("plan", "toy.yaml", "--json"),
    "check": ("check", "toy.yaml"),
    "methods": ("methods",),
    "help": ("--help",),
    "wrong": ("run", "missing.yaml"),
    "wrong use": ("run",),
    "convert": ("convert", "a.png", "b.png"),
}
CODES = {"wrong": 2, "wrong use": 2, "convert": 2}


HEAVY = ("run", "methods", "convert")
"""Commands that import torch: forks of a process that has. The others begin as every process does."""
CLOSED = """\
import os, sys
for number in (0, 1, 2):
    os.close(number)
for name in ("stdin", "stdout", "stderr"):
    setattr(sys, name, None)
    setattr(sys, f"__{name}__", None)
from translate.cli import main
main(prog_name="translate")
"""
"""What the interpreter makes of streams that were closed before it began."""


def start(arguments: tuple[str, ...], **kwargs: object) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-m", "translate", *arguments], env=env, **kwargs)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_that_nobody_reads_changes_no_exit_code(name: str, work: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process: subprocess.Popen[bytes] | warm.Program
    if name in HEAVY:
        command, site = ["-m", "translate", *COMMANDS[name]], work.parent / "site"
        process = warm.Program(command, work, stdout=writer, stderr=writer, sites=[site])
    else:
        process = start(COMMANDS[name], stdout=writer, stderr=writer)
    with process:
        os.close(writer)
        assert process.wait(200) == CODES.get(name, 0)
    assert (work / "runs" / "toy" / "train").exists() == (name == "run")


def closed() -> None:
    for number in (0, 1, 2):
        os.close(number)


@pytest.mark.parametrize("name", COMMANDS)
def test_streams_that_are_closed_change_no_exit_code(name: str, work: Path) -> None:
    process: subprocess.Popen[bytes] | warm.Program
    if name in HEAVY:
        process = warm.Program(["-c", CLOSED, *COMMANDS[name]], work, sites=[work.parent / "site"])
    else:
        process = start(COMMANDS[name], preexec_fn=closed)
    with process:
        assert process.wait(200) == CODES.get(name, 0)
    assert (work / "runs" / "toy" / "train").exists() == (name == "run")


def test_what_was_not_read_is_no_traceback_at_the_end(work: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start(("plan", "toy.yaml"), stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        _, said = process.communicate(timeout=200)
    assert (process.returncode, said) == (0, b"")


class Broken(io.StringIO):
    """A stream that fails with an errno."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.EBADF])
def test_consoles_go_on_without_a_reader(number: int) -> None:
    stream = lenient(Broken(number))
    assert stream.write("text") == 4
    stream.writelines(["one", "two"])


def test_what_a_stream_cannot_show_is_escaped() -> None:
    raw = io.BytesIO()
    stream = lenient(io.TextIOWrapper(raw, encoding="ascii"))
    stream.write("caf\udce9 é")
    stream.flush()
    assert raw.getvalue() == b"caf\\udce9 \\xe9"


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        lenient(Broken(errno.ENOSPC)).write("text")


def test_consoles_without_streams_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    for each in (console(), console(json=True), PlainConsole()):
        each.say("words")
        each.warn("words")


def test_a_console_of_python_goes_on_when_its_pipe_is_closed() -> None:
    code = (
        "import sys; from translate.console import console; out = console()\n"
        "out.say('one')\nsys.stdin.readline()\n"
        "for _ in range(9):\n    out.say('more')\n    out.warn('more')\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        process.stdin.close()
        assert process.wait(200) == 0
