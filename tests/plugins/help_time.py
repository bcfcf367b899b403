"""How long `translate --help` takes with fifty plugins installed, against none: `python tests/plugins/help_time.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def run(site: Path | None, *command: str) -> tuple[float, str]:
    """Seconds and output of a command, with a folder on the path."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*([str(site)] if site else []), *sys.path])}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def measure(site: Path, times: int = 7) -> tuple[float, float]:
    """The best of several, by turns: seconds without plugins and with those of `site`."""
    pairs = [
        (run(None, "-m", "translate", "--help")[0], run(site, "-m", "translate", "--help")[0]) for _ in range(times)
    ]
    return min(without for without, _ in pairs), min(installed for _, installed in pairs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        none, all_of_them = measure(Path(folder), 20)
    print(f"translate --help: {1000 * none:.0f} ms, with {PLUGINS} plugins {1000 * all_of_them:.0f} ms")
