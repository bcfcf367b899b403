"""A command line whose only plugin is the toy one of the pipeline tests."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOY = Path(__file__).parent.parent / "pipeline" / "toy_plugin.py"
PIPELINE = """\
version: 1
name: toy
tracking: none
stages:
  prepare: {uses: toy/make, with: {text: ab}}
  train: {uses: toy/fit, needs: {data: prepare}}
profiles:
  quick: {stages: {prepare: {with: {size: 60}}}}
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory with `toy.yaml`; the toy plugin is installed beside it."""
    site = tmp_path / "site"
    info = site / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "toy_plugin.py").write_bytes(TOY.read_bytes())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[translate]\ntoy = toy_plugin\n")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "toy.yaml").write_text(PIPELINE)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("toy_plugin", None)


@pytest.fixture
def fresh(work: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own, and appends the modules it imported to stderr's last line."""

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys, atexit\n"
            "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
            "from translate.cli import main\n"
            "main(sys.argv[1:])\n"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, check=False)

    return command
