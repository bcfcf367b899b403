"""The quick profile of every pipeline, run end to end in a folder of its own: how long it takes and what it scores.

    python tests/benchmarks/quick.py                           all of them, one after the other (an hour on two cores)
    python tests/benchmarks/quick.py inpainting colorize       these two
    python tests/benchmarks/quick.py --keep FOLDER             runs, pictures and logs stay there
    python tests/benchmarks/quick.py colorize -- --set K=V     what follows `--` goes to `translate run`

A row is printed when its run is done: the seconds of its trainings and of the whole command, those of the processors
together, the exit code, and the scores. On a busy machine OMP_NUM_THREADS=1 makes the processors' seconds those that
one idle core takes at most. Exit code 1 if a run failed, or took longer than `--limit` seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PIPELINES = Path(__file__).parents[2] / "pipelines"


class Quick(NamedTuple):
    """What a run took and gave: seconds, exit code, scores by stage and metric."""

    name: str
    train: float
    total: float
    busy: float
    code: int
    scores: dict[str, float]

    def row(self) -> str:
        told = "  ".join(f"{name} {value:.4g}" for name, value in self.scores.items())
        return f"{self.name:24}{self.train:8.0f}{self.total:8.0f}{self.busy:8.0f}{self.code:6}  {told}"


HEAD = f"{'pipeline':24}{'train s':>8}{'all s':>8}{'cpu s':>8}{'exit':>6}  scores"


def run(name: str, folder: Path, arguments: list[str]) -> Quick:
    """Runs a pipeline's quick profile in an empty folder; what it prints goes to `log.txt` there."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "translate", "run", str(PIPELINES / f"{name}.yaml"), "--profile", "quick"]
    command += ["--device", "cpu", *arguments]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "log.txt").open("w") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)
    total, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    train, scores = 0.0, {}
    for stage in sorted(each for each in folder.glob("runs/*/*") if each.is_symlink()):
        content = json.loads((stage / "MANIFEST.json").read_text("utf-8"))
        if content["uses"] == "train":
            train += content["seconds"]
        for score in json.loads((stage / "scores.json").read_text())["scores"] if content["uses"] == "evaluate" else ():
            scores[f"{stage.name}/{score['metric']}"] = score["score"]
    return Quick(name, train, total, busy, done.returncode, scores)


def main() -> int:
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, passed = sys.argv[1:cut], sys.argv[cut + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--limit", type=float, default=180)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args(given)
    names = chosen.names or sorted(path.stem for path in PIPELINES.glob("*.yaml"))
    for name in names:
        if not (PIPELINES / f"{name}.yaml").is_file():
            parser.error(f"there is no pipelines/{name}.yaml")
        if chosen.keep and (chosen.keep / name).exists():
            parser.error(f"{chosen.keep / name} exists already; remove it, or give another folder")
    slow = []
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.keep.resolve() if chosen.keep else Path(scratch)
        print(HEAD, flush=True)
        for name in names:
            done = run(name, home / name, passed)
            print(done.row(), flush=True)
            slow += [done] if done.code or done.total > chosen.limit else []
    for done in slow:
        what = f"exit code {done.code}" if done.code else f"{done.total:.0f} s, more than {chosen.limit:.0f}"
        print(f"{done.name}: {what} (load of the machine now: {os.getloadavg()[0]:.1f})")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
