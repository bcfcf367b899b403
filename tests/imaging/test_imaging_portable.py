"""Reading through a worker on a system that lacks what Unix alone has: modules, signals, ways to start processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from translate.imaging.io import write

MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
WITHOUT_UNIX = f"""\
import os, psutil, signal, sys
for name in {MODULES!r}:
    sys.modules[name] = None
del os.fork, os.O_NONBLOCK, os.sched_getaffinity, os.mkfifo, signal.alarm, signal.SIGALRM, signal.setitimer
"""
"""`sitecustomize.py`, which every process imports first: also the workers. psutil comes before: it runs on every
system, and its part for Linux, which is tried here, takes `resource` for granted."""
READ = """\
import subprocess, sys
from pathlib import Path
start = subprocess.Popen.__init__

def start_as_on_windows(self, *words, pass_fds=(), preexec_fn=None, **options):
    assert not pass_fds and preexec_fn is None, "no such thing on Windows"
    start(self, *words, **options)

subprocess.Popen.__init__ = start_as_on_windows
from translate.errors import DataError
from translate.imaging.guard.reader import GuardedReader

whole, broken = map(Path, sys.argv[1:])
with GuardedReader() as reader:
    header, image = reader.probe(whole), reader.read(whole)
    assert (header.width, header.height, header.channels) == (20, 30, 5), header
    try:
        reader.read(broken)
    except DataError as error:
        print(error)
    again = reader.read(whole)
    assert len(reader._idle) == 1
    process = reader._idle[0]._process
assert process.poll() == 0, process.poll()
assert (image.pixels == again.pixels).all()
sys.stdout.write(str(int(image.pixels.sum())))
"""


def test_a_tiff_is_read_where_unix_is_missing(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(WITHOUT_UNIX)
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 20, 5), np.uint16)
    whole, broken = tmp_path / "whole.tif", tmp_path / "broken.tif"
    write(whole, pixels)
    broken.write_bytes(whole.read_bytes()[:-40])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])}

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert "ModuleNotFoundError" in python("-c", "import resource").stderr
    ended = python("-c", READ, str(whole), str(broken))
    assert ended.returncode == 0, ended.stderr
    message, total = ended.stdout.splitlines()
    assert message.startswith(f"{broken}: damaged or truncated TIFF")
    assert int(total) == int(pixels.sum())
