"""How long `translate --help` takes with fifty plugins installed, against none: `python tests/plugins/help_time.py`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

PLUGINS = 50
PRINT_MODULES = (
    "import sys\nfrom translate.cli import main\nmain(['--help'], standalone_mode=False)\nprint(*sys.modules)"
)


def install(site: Path, count: int = PLUGINS) -> None:
    """Distributions as pip lays them out, each with ten modules and a plugin whose import would take a second."""
    for number in range(count):
        name = f"plugin_{number:02d}"
        info, package = site / f"{name}-1.0.dist-info", site / name
        info.mkdir(parents=True)
        package.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[translate]\n{name} = {name}\n")
        files = [f"{name}/__init__.py", *(f"{name}/part_{part}.py" for part in range(9))]
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        for file in files:
            (site / file).write_text("import time\ntime.sleep(1)\n")


class Ran(NamedTuple):
    """Seconds of the clock and of the processor, and the output."""

    clock: float
    busy: float
    output: str


def run(site: Path | None, *command: str) -> Ran:
    """A command with a folder on the path."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*([str(site)] if site else []), *sys.path])}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True, text=True)
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ran(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


def measure(site: Path, times: int = 7) -> list[tuple[Ran, Ran]]:
    """By turns: without plugins, and with those of `site`."""
    help_of = [(None, "-m", "translate", "--help"), (site, "-m", "translate", "--help")]
    return [(run(*help_of[0]), run(*help_of[1])) for _ in range(times)]


def more(pairs: list[tuple[Ran, Ran]]) -> tuple[float, float]:
    """What the plugins cost, the median of the differences: seconds of the clock, and of the processor."""
    clock, busy = (median(b[n] - a[n] for a, b in pairs) for n in (0, 1))
    return clock, busy


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        pairs = measure(Path(folder), 20)
    clock, busy = more(pairs)
    print(f"translate --help: {1000 * median(a.clock for a, _ in pairs):.0f} ms of the clock without plugins")
    print(f"{PLUGINS} plugins: {1000 * clock:+.0f} ms of the clock, {1000 * busy:+.0f} ms of the processor")
