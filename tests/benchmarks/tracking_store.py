"""Whether tracking survives what happens while its database is made for the first time.

    python tests/benchmarks/tracking_store.py kills            200 times kill -9 at spread moments of the first run
    python tests/benchmarks/tracking_store.py full             50 disks that are full at spread sizes of the database
    python tests/benchmarks/tracking_store.py together         20 times 16 first runs at once in a fresh folder
    python tests/benchmarks/tracking_store.py kills --whole    the same with whole `translate run` commands (slow)

After each, a further run in the same folder ends, and the database has to hold every point of every journal. A line is
printed for each that does not, and a sum at the end. Exit code 1 if there was any. `--count N` does fewer. Runs are
forked from this process, which has imported MLflow already, so that a try takes a second or two instead of ten.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from translate.console import console
from translate.tracking import open_tracking

POINTS = 25
"""Points of each of two curves that a run adds."""
MEGABYTE = 1 << 20
PIPELINE = """\
version: 1
name: p
stages:
  prepare: {uses: preprocess, with: {source: {uses: folders, a: A, b: B}}}
"""


def tracked_run(pipeline: str, first: int) -> None:
    """A run of a pipeline that records two curves, from step `first` on, and ends."""
    folder = Path("runs") / pipeline
    with open_tracking(
        "mlflow", pipeline, folder, recipe="a" * 64, resolved="{}", stages=["train"], versions={}, console=console()
    ) as tracking:
        stage = tracking.stage("train")
        for step in range(first, first + POINTS):
            stage.metrics({"loss": 1 / (step + 1), "score": float(step)}, step)


def fork(work: Callable[[], None], folder: Path, log: Path) -> int:
    """Starts `work` in `folder` in a process of its own, whose output goes to `log`; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        work()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def ends(child: int) -> int:
    """The exit code of a process that ends by itself."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def missing(runs: Path, database: Path) -> list[str]:
    """Points that a journal below `runs` holds and the database does not, and runs that were never tracked."""
    if not database.is_file():
        return [f"{database.name} is not there"]
    lost = []
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        for listing in sorted(runs.glob("*/tracking.json")):
            for run in json.loads(listing.read_text())["runs"]:
                try:
                    query = "SELECT key, step, value FROM metrics WHERE run_uuid = ?"
                    stored = set(connection.execute(query, (run.get("run_id"),)))
                except sqlite3.Error as error:
                    return [f"{database.name}: {error}"]
                points = journaled(listing.parent / run["journal"] / "journal.jsonl")
                if absent := points - stored:
                    lost.append(f"{listing.parent.name}: {len(absent)} of {len(points)} points are not in the store")
    return lost


def journaled(path: Path) -> set[tuple[str, int, float]]:
    """The points of a journal: name, step, value."""
    points = set()
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if event["e"] == "metrics":
            points |= {(name, event["s"], value) for name, value in event["v"].items()}
    return points


def kills(home: Path, count: int) -> Iterator[list[str]]:
    """First runs that are killed at spread moments, each followed by a run that is not."""
    seconds = duration(home)
    print(f"an undisturbed first run takes {seconds:.1f} s; kills come between 0 and {1.1 * seconds:.1f} s", flush=True)
    for index in range(count):
        folder = fresh(home, index)
        log = folder.with_suffix(".log")
        child = fork(lambda: tracked_run("p", 0), folder, log)
        time.sleep(1.1 * seconds * index / count)
        os.kill(child, signal.SIGKILL)
        ends(child)
        code = ends(fork(lambda: tracked_run("p", POINTS), folder, log))
        yield report(f"kill {index}", code, missing(folder / "runs", folder / "mlflow.db"), log)
        shutil.rmtree(folder)


def duration(home: Path) -> float:
    """Seconds that an undisturbed first run takes."""
    folder = fresh(home, -1)
    began = time.monotonic()
    if ends(fork(lambda: tracked_run("p", 0), folder, folder.with_suffix(".log"))):
        raise SystemExit(folder.with_suffix(".log").read_text())
    return time.monotonic() - began


def whole_kills(home: Path, count: int) -> Iterator[list[str]]:
    """The same with whole commands, killed between the start of Python and their end."""
    command = [sys.executable, "-m", "translate", "run", "p.yaml"]
    for index in range(-1, count):
        folder = project(home, index)
        log = folder.with_suffix(".log")
        with log.open("w") as output:
            began = time.monotonic()
            child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
            if index < 0:
                child.wait()
                seconds = time.monotonic() - began
                print(f"an undisturbed `translate run` takes {seconds:.1f} s", flush=True)
                continue
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds * (0.3 + 0.75 * index / count))
            child.kill()
            child.wait()
            code = subprocess.call([*command, "--force", "prepare"], cwd=folder, stdout=output, stderr=output)
            code += subprocess.call([*command[:3], "track", "sync"], cwd=folder, stdout=output, stderr=output)
        yield report(f"whole kill {index}", code, missing(folder / "runs", folder / "mlflow.db"), log)
        shutil.rmtree(folder)


def project(home: Path, index: int) -> Path:
    """A folder with four pictures and a pipeline that prepares them."""
    from PIL import Image

    folder = fresh(home, index)
    for side in "AB":
        (folder / side).mkdir()
        for number in range(2):
            Image.new("RGB", (48, 48), (40 * number, 90, 150)).save(folder / side / f"{number}.png")
    (folder / "p.yaml").write_text(PIPELINE)
    return folder


def full(home: Path, count: int) -> Iterator[list[str]]:
    """First runs whose disk, or that of temporary files, is full while the database is made, and is then freed."""
    for index in range(count):
        folder = fresh(home, index)
        log = folder.with_suffix(".log")
        size = 4096 + int(1.3 * MEGABYTE * index / count)
        small = folder / "small"
        small.mkdir()
        database, temporary = (small / "mlflow.db", None) if index % 2 else (folder / "mlflow.db", small)
        with disk(small, size) as freed:
            work = on_disk(database, temporary, 0, None if freed else size)
            ends(fork(work, folder, log))
            if freed:
                freed()
            code = ends(fork(on_disk(database, temporary, POINTS, None), folder, log))
            yield report(f"disk of {size} bytes", code, missing(folder / "runs", database), log)
        shutil.rmtree(folder)


def on_disk(database: Path, temporary: Path | None, first: int, limit: int | None) -> Callable[[], None]:
    """A run whose database and temporary files lie where they are told to."""

    def work() -> None:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{database}"
        if temporary:
            tempfile.tempdir = str(temporary)
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        tracked_run("p", first)

    return work


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[], None] | None]:
    """A file system of so many bytes, and what makes it large again; None where only root may mount one.

    No file of the first run may be larger than `size` bytes then, which its writes meet as they meet a full disk.
    """
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield lambda: subprocess.run(["mount", "-o", f"remount,size={64 * MEGABYTE}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def together(home: Path, count: int, runs: int = 16) -> Iterator[list[str]]:
    """First runs that start at once in a fresh folder; every fourth shares its experiment with three others."""
    names = [f"p{number // 4}@{number % 4}" for number in range(runs)]
    for index in range(count):
        folder = fresh(home, index)
        log = folder.with_suffix(".log")
        gate, opener = os.pipe()

        def wait_and_run(name: str, gate: int = gate, opener: int = opener) -> None:
            os.close(opener)
            os.read(gate, 1)  # returns for all at once, when the last writer closes the pipe
            tracked_run(name, 0)

        children = [fork(lambda name=name: wait_and_run(name), folder, log) for name in names]  # type: ignore[misc]
        os.close(opener)
        code = sum(abs(ends(child)) for child in children)
        os.close(gate)
        lost = missing(folder / "runs", folder / "mlflow.db")
        if len(list((folder / "runs").glob("*/tracking.json"))) != runs:
            lost.append("a run left no journal")
        yield report(f"round {index}", code, lost, log)
        shutil.rmtree(folder)


def fresh(home: Path, index: int) -> Path:
    folder = home / f"try{index}"
    folder.mkdir()
    return folder


def report(name: str, code: int, lost: Sequence[str], log: Path) -> list[str]:
    """The failures of one try, printed with what its processes said."""
    text = log.read_text() if log.exists() else ""
    failures = [f"{name}: {what}" for what in lost]
    if code:
        failures.append(f"{name}: a run ended with {code}")
    if "Traceback" in text:
        failures.append(f"{name}: a traceback")
    if failures:
        print(*failures, text, sep="\n", flush=True)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols = {"kills": (kills, 200), "full": (full, 50), "together": (together, 20)}
    parser.add_argument("protocol", choices=protocols)
    parser.add_argument("--count", type=int, help="tries; default 200, 50, 20")
    parser.add_argument("--runs", type=int, default=16, help="together: runs at once")
    parser.add_argument("--whole", action="store_true", help="kills: whole commands")
    chosen = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # imported before the forks, once for all of them

    protocol, count = protocols[chosen.protocol]
    if chosen.whole:
        protocol = whole_kills
    if protocol is together:
        protocol = partial(together, runs=chosen.runs)
    count = chosen.count or count
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tracking-store-") as home:
        failed = sum(bool(failures) for failures in protocol(Path(home).resolve(), count))
    print(f"{chosen.protocol}: {failed} of {count} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
