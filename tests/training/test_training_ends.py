"""Trainings in processes of their own, with real pipes, terminals and signals: all end soon, and leave all in order."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import warm

from translate.storage.lock import Lock

if sys.platform == "win32":
    pytest.skip("signals, terminals and pipes of Unix", allow_module_level=True)

import fcntl
import pty
import termios

P = TypeVar("P", subprocess.Popen[bytes], warm.Program)
PIPELINE = """
version: 1
name: tiny
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 8, val: 0}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 4, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      epochs: 100000
      batch_size: 2
      workers: 2
      checkpoint: {steps: 2}
"""
SHORT = ("--set", "stages.train.with.max_steps=8")
SOON = 20.0
"""Seconds within which a process has to end."""
DEADLINE = 90.0
"""Seconds after which a process hangs, also where a disk that others fill keeps a save waiting."""
PATIENCE = 120.0
"""Seconds for a training to begin, on a machine with much else to do."""
TRANSLATE = (sys.executable, "-m", "translate")
# With PYTHONFAULTHANDLER a process that gets SIGABRT says what each of its threads is at.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm", "PYTHONFAULTHANDLER": "1"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which the data is prepared."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "tiny.yaml").write_text(PIPELINE)
    done = warm.run([*TRANSLATE, "run", "tiny.yaml", "--until", "prepare"], folder, ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def work(prepared: Path, tmp_path: Path) -> Path:
    """A copy of that directory."""
    return Path(shutil.copytree(prepared, tmp_path / "work", symlinks=True))


Process = subprocess.Popen[bytes] | warm.Program


@contextmanager
def running(command: list[str], work: Path, **kwargs: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a working directory; it and what it started end with the context."""
    with closing_all(subprocess.Popen(command, cwd=work, env=ENVIRONMENT, **kwargs)) as process:
        yield process


@contextmanager
def forked(command: list[str], work: Path, **streams: Any) -> Iterator[warm.Program]:
    """The same in a process that finds its imports made."""
    with warm.Program(command, work, ENVIRONMENT, **streams) as program, closing_all(program):
        yield program


@contextmanager
def closing_all(process: P) -> Iterator[P]:
    """Ends a process and what it started with the context."""
    try:
        yield process
    finally:
        left = [process]
        with suppress(psutil.NoSuchProcess):
            left += psutil.Process(process.pid).children(recursive=True)
        for each in left:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                each.kill()
        process.wait()


def saved(work: Path) -> bool:
    """Whether a training has written a checkpoint that is whole."""
    return any((work / "runs" / "tiny").glob("train-*.partial/checkpoints/*/MANIFEST.json"))


def workers_of(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def wait_until_it_trains(process: Process, work: Path, look: Callable[[], None] = lambda: None) -> None:
    until = time.monotonic() + PATIENCE
    while not saved(work):
        assert process.poll() is None and time.monotonic() < until, "no training began"
        look()
        time.sleep(0.05)


def end_of(process: Process, work: Path, workers: list[psutil.Process], seconds: float = DEADLINE) -> int:
    """The exit code of a process that has to end soon, and to leave no process and no lock."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait()
        log = work / "log"
        pytest.fail(f"it did not end within {seconds:.0f} s\n{log.read_text() if log.exists() else ''}")
    assert psutil.wait_procs(workers, timeout=DEADLINE)[1] == []
    with Lock(work / "runs" / "tiny" / ".lock"):
        pass
    return code


@contextmanager
def trainer(work: Path) -> Iterator[tuple[warm.Program, Path]]:
    """A training that lasts, whose words are in the file."""
    log = work / "log"
    with log.open("wb") as file, forked([*TRANSLATE, "run", "tiny.yaml"], work, stdout=file, stderr=file) as p:
        wait_until_it_trains(p, work)
        yield p, log


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 129), (signal.SIGINT, 75)])
def test_signals_are_heard_while_a_batch_is_waited_for(number: int, code: int, prepared: Path, tmp_path: Path) -> None:
    # twice where the first one was held up: something else may have kept the disk or the cores just then
    took = seconds_to_stop(number, code, Path(shutil.copytree(prepared, tmp_path / "first", symlinks=True)))
    if took > SOON:
        took = seconds_to_stop(number, code, Path(shutil.copytree(prepared, tmp_path / "second", symlinks=True)))
    assert took <= SOON


def seconds_to_stop(number: int, code: int, work: Path) -> float:
    """How long a training that waits for a batch takes to end after a signal, in order and with its exit code."""
    with trainer(work) as (process, log):
        workers = workers_of(process)
        for worker in workers:
            worker.suspend()  # as one that reads from a network drive which is gone
        time.sleep(1)
        began = time.monotonic()
        process.send_signal(number)
        assert end_of(process, work, workers) == code
        assert "saved; the same command goes on from here" in log.read_text()
        return time.monotonic() - began


def test_a_worker_that_is_killed_for_memory_ends_the_run_with_the_way_out(work: Path) -> None:
    with trainer(work) as (process, log):
        workers = workers_of(process)
        workers[0].kill()
        assert end_of(process, work, workers) == 1
        last = log.read_text().strip().splitlines()[-1]
        assert last.startswith(f"error: stage train failed: process {workers[0].pid}, one of ")
        assert "was killed (SIGKILL), most likely because memory ran out" in last and "`workers: 0`" in last
        assert "saved at step" in log.read_text()
    plan = warm.run([*TRANSLATE, "plan", "tiny.yaml"], work, ENVIRONMENT)
    assert "did not finish; it resumes at step" in plan.stdout


def terminal(slave: int, *, ignoring: bool) -> Callable[[], None]:
    """What a child process does to have a terminal as its own, with `nohup` or without."""

    def take() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        if ignoring:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    return take


@pytest.mark.parametrize("nohup", [False, True])
def test_a_terminal_that_is_closed_ends_a_run_unless_nohup_lets_it_go_on(nohup: bool, work: Path) -> None:
    master, slave = pty.openpty()

    def look() -> None:
        while select.select([master], [], [], 0)[0]:
            os.read(master, 65536)

    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    taking = terminal(slave, ignoring=nohup)
    options = SHORT if nohup else ()
    with running(
        [*TRANSLATE, "run", "tiny.yaml", *options], work, **streams, start_new_session=True, preexec_fn=taking
    ) as process:
        os.close(slave)
        wait_until_it_trains(process, work, look)
        workers = workers_of(process)
        os.close(master)
        assert end_of(process, work, workers, PATIENCE if nohup else DEADLINE) == (0 if nohup else 129)
    assert (work / "runs" / "tiny" / "train").exists() == nohup


def test_a_reader_that_leaves_ends_nothing(work: Path) -> None:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with forked([*TRANSLATE, "run", "tiny.yaml", *SHORT], work, **output) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert end_of(process, work, [], PATIENCE) == 0
    assert (work / "runs" / "tiny" / "train").exists()


SMALL = "mount -t tmpfs -o size=1m tmpfs /dev/shm && exec {python} -m translate run tiny.yaml {options}"


def test_a_small_dev_shm_is_enough(work: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no file systems can be mounted here")
    batch = ["--set", "stages.train.with.batch_size=256", "--set", "stages.train.with.max_steps=2"]
    command = ["unshare", "-m", "sh", "-c", SMALL.format(python=sys.executable, options=" ".join(batch))]
    with running(command, work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, "train: done" in said.decode()) == (0, True), said.decode()


FROM_PYTHON = """
import translate
translate.run("tiny.yaml", set=["stages.train.with.optimizer.uses=sgd", "stages.train.with.optimizer.lr=1e18"])
"""


def test_an_error_in_a_training_that_python_started_ends_the_process(work: Path) -> None:
    with forked(["-c", FROM_PYTHON], work, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "StageError: stage train failed: " in said.strip().splitlines()[-1]
    with Lock(work / "runs" / "tiny" / ".lock"):
        pass
