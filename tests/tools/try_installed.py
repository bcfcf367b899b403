"""Tries an installed `translate` from an empty folder: trains two steps, converts, scores, in a minute.

    python tests/tools/try_installed.py

It uses the `translate` of this Python's environment, and refuses one that was imported from a checkout. What it runs is
what a user runs first; the recipe comes from the installed package, not from the repository.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SETTINGS = (
    "stages.prepare.with.source.train=8",
    "stages.prepare.with.source.val=2",
    "stages.prepare.with.source.test=3",
    "stages.train.with.max_steps=2",
    "stages.train.with.options.generator.filters=4",
    "stages.train.with.options.discriminator.filters=4",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        try_in(Path(folder))
    print("the installed package checks, trains, converts and scores")


def try_in(work: Path) -> None:
    """Runs the commands in `work`; the first one that fails ends the program."""
    where = installed_at(work)
    assert where.is_relative_to(Path(sysconfig.get_path("purelib"))), f"{where} is not an installed package"
    recipe = where / "_share" / "pipelines" / "maps_cyclegan.yaml"
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    arguments = [str(recipe), "--profile", "quick", *settings]
    command(work, "doctor")
    command(work, "methods")
    command(work, "datasets")
    command(work, "check", *arguments)
    command(work, "run", *arguments)
    home = work / "runs" / "maps-cyclegan@quick"
    photos = home / "prepare" / "test" / "a"
    command(work, "convert", str(photos), "out", "--model", str(home / "train"))
    rows = [json.loads(line) for line in (work / "out" / "results.jsonl").read_text("utf-8").splitlines()]
    assert [row["status"] for row in rows] == ["done"] * 3, rows
    command(work, "evaluate", "out", str(home / "prepare" / "test" / "b"), "--json")


def installed_at(work: Path) -> Path:
    """The folder of the package that this Python imports from `work`, asked in a process of its own."""
    code = "import pathlib, translate; print(pathlib.Path(translate.__file__).parent)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=work, check=True, capture_output=True, text=True)
    return Path(answer.stdout.strip())


def command(work: Path, *arguments: str) -> None:
    print("translate", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "translate", *arguments], cwd=work, check=True)


if __name__ == "__main__":
    main()
