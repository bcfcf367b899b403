"""Conversions in processes of their own: whoever ends them, their readers or their helpers, they leave all in order."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import warm

from translate.imaging.io import write
from translate.storage.lock import Lock

if sys.platform == "win32":
    pytest.skip("signals and pipes of Unix", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bundles import TINY, write as write_model

SOON = 20.0
PATIENCE = 120.0


@pytest.fixture
def work(tmp_path):
    """A model, and images whose decoder runs in a process of its own."""
    write_model(tmp_path / "model", TINY)
    (tmp_path / "in").mkdir()
    for number in range(3):
        write(tmp_path / "in" / f"{number}.tif", np.full((16, 20, 3), 40 * number, np.uint8))
    return tmp_path


def start(work, *options, **streams):
    command = ["-m", "translate", "convert", "in", "out", "--model", "model", *options]
    return warm.Program(command, work, **streams)


def helpers(process, words):
    """The processes that a process has started with `words` in their command lines, as soon as there is one."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        found = []
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                found += [child] if words in " ".join(child.cmdline()) else []
            except psutil.NoSuchProcess:
                continue
        if found:
            return found
        time.sleep(0.01)
    pytest.fail("no such process was started")


def rows(work):
    return [json.loads(line) for line in (work / "out" / "results.jsonl").read_text().splitlines()]


def in_order(work):
    with Lock(work / "out" / ".results.lock"):
        pass
    return not [path for path in (work / "out").iterdir() if path.suffix == ".scratch"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_end_a_conversion_whose_decoder_hangs(work, number, code):
    # twice where the first one was held up: something else may have kept the disk or the cores just then
    took = seconds_to_stop(work, number, code)
    if took > SOON:
        took = seconds_to_stop(work, number, code)
    assert took <= SOON
    with start(work) as process:
        assert process.wait(PATIENCE) == 0
    assert [row["status"] for row in rows(work)] == ["done"] * 3


def seconds_to_stop(work, number, code):
    """How long a conversion whose decoders hang takes to end after a signal, in order and with its exit code."""
    with start(work, stderr=subprocess.PIPE) as process:
        decoders = helpers(process, "imaging.guard.worker")
        for decoder in decoders:
            decoder.suspend()
        time.sleep(1)
        process.send_signal(number)
        began = time.monotonic()
        _, said = process.communicate(timeout=PATIENCE)
        took = time.monotonic() - began
        assert (process.returncode, said) == (code, "stopped; the same command goes on from here\n")
    assert psutil.wait_procs(decoders, timeout=60)[1] == [] and in_order(work)
    return took


def test_decoders_that_are_killed_for_memory_cost_their_images(work):
    with start(work, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):  # it may end at any of these calls, and so may its children
                for child in psutil.Process(process.pid).children():
                    child.kill()
            time.sleep(0.01)
        said = process.stderr.read()
    assert process.returncode == 3 and said.count("was killed (SIGKILL), most likely because memory ran out") == 3
    assert [row["status"] for row in rows(work)] == ["failed"] * 3 and in_order(work)


def test_a_reader_that_leaves_ends_nothing(work):
    with start(work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
    assert len(rows(work)) == 3 and in_order(work)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")
def test_helpers_of_ray_that_are_killed_each_time_end_the_conversion(work):
    with start(work, "--engine", "ray", stderr=subprocess.PIPE) as process:
        started = []
        for _ in range(4):
            (helper, *_) = helpers(process, "MapWorker")
            helper.kill()
            started.append(helper)
            psutil.wait_procs(started, timeout=60)
        children = psutil.Process(process.pid).children(recursive=True)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "was killed again and again, most likely because memory ran out" in said
    assert psutil.wait_procs(children, timeout=30)[1] == [] and in_order(work)
