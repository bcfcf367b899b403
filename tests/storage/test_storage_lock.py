"""Locks between processes, which end with their holder, whatever it has started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from translate.errors import ConfigError
from translate.storage import lock
from translate.storage.lock import Lock

HOLD = "import sys\nfrom translate.storage.lock import Lock\nwith Lock(__import__('pathlib').Path(sys.argv[1])):\n" \
       "    print('held', flush=True)\n    sys.stdin.read()\n"  # fmt: skip


def test_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"new is in use by process {holder.pid}; wait for it to end"), Lock(path):
            pass
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / "new" / ".lock.pid").read_text() == str(holder.pid), "it was killed"
    with Lock(path):
        assert (tmp_path / "new" / ".lock.pid").read_text() == str(os.getpid())
    with Lock(path):
        pass
    assert not list((tmp_path / "new").iterdir())


CHILDREN = {
    "forked": "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,)); child.start()",
    "forked by hand": "pid = os.fork()\n    if pid == 0:\n        time.sleep(60)\n        os._exit(0)",
    "with open files": "child = subprocess.Popen([sys.executable, '-c', WAIT], close_fds=False)",
    "spawned": "child = multiprocessing.get_context('spawn').Process(target=time.sleep, args=(60,)); child.start()",
    "decoder": (
        "from translate.imaging.guard.process import DecodingProcess\n"
        "    DecodingProcess()._process.send_signal(signal.SIGSTOP)"
    ),
}
"""Python that starts a process which outlives its parent, by the way in which it starts."""

PARENT = """
import multiprocessing, os, signal, subprocess, sys, time
from pathlib import Path
from translate.storage.lock import Lock
WAIT = "import time; time.sleep(60)"
if __name__ == "__main__":
  with Lock(Path(sys.argv[1])):
    {child}
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder_of(path: Path, script: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a script which takes the lock and says so; it and what it started end with the context."""
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, str(script), str(path)], stdin=pipe, stdout=pipe, text=True)
    children: list[psutil.Process] = []
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        children = psutil.Process(holder.pid).children(recursive=True)
        yield holder
    finally:
        holder.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        holder.communicate()


@pytest.mark.parametrize("way", CHILDREN)
def test_no_process_that_the_holder_started_keeps_the_lock(way: str, tmp_path: Path) -> None:
    path, script = tmp_path / "runs" / ".lock", tmp_path / "holder.py"
    script.write_text(PARENT.format(child=CHILDREN[way]))
    with holder_of(path, script) as holder:
        children = psutil.Process(holder.pid).children(recursive=True)
        holder.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with Lock(path):
            assert time.monotonic() - began < lock.ENDING
        left = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        assert left, "the lock is free although a process of its holder is left"


def hold_for_the_dead(path: Path, seconds: float) -> None:
    """Holds the file of a lock beside the number of a process that has ended."""
    import fcntl

    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    path.with_name(".lock.pid").write_text(str(dead_process()))
    time.sleep(seconds)


def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_lock_whose_holder_is_dead_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".lock"
    left = multiprocessing.get_context("spawn").Process(target=hold_for_the_dead, args=(path, 3 * lock.ENDING))
    left.start()
    while not path.with_name(".lock.pid").exists():
        time.sleep(0.01)
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    with pytest.raises(ConfigError, match=r"although no process \d+, which took it, runs here: it may run on another"):
        Lock(path).__enter__()
    monkeypatch.undo()
    began = time.monotonic()
    with Lock(path):
        assert path.with_name(".lock.pid").read_text() == str(os.getpid())
        assert time.monotonic() - began > lock.ENDING, "longer than for a holder that lives"
    left.join()


def test_a_lock_that_is_given_back_soon_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    first = Lock(path).__enter__()
    timer = threading.Timer(lock.ENDING / 3, first.__exit__, (None, None, None))
    timer.start()
    with Lock(path):
        timer.join()
    assert not list(tmp_path.iterdir())
