"""Compares two commits of this repository: the same work in both must leave the same bytes.

    python tests/tools/same_results.py [OLD [NEW]]          OLD: HEAD~1, NEW: `.`, the working tree as it is
    make same OLD=v0.1.0 NEW=.

Use it before and after a change that must not alter results: a refactoring, a move of modules, a faster kernel. Both
commits train every shipped method for three steps, convert mixed images with the models, prepare datasets and score
the outputs, on the same generated images, offline, with one thread. Then these are compared, one line for each:

    losses/NAME       every curve of the tracking journal, in full precision
    checkpoint/NAME   checkpoints, the bundle and its model card, sample grids
    convert/NAME      converted folders and their `results.jsonl`
    datasets/NAME     the prepared dataset
    report/NAME       `report.html`, scores, the rest of the journal

The exit code is 0 if all are equal, 1 if one differs or a command failed, 2 if a commit is unknown. `--only` chooses
sections or cases, `--allow` accepts intended differences: a regular expression that is searched in the lines which
`same_results.py` prints. `--keep FOLDER` leaves the results of both sides for a closer look.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from same_results_cases import Case, cases
from same_results_compare import Difference, Side, compare, compare_curves, side
from same_results_inputs import make_inputs

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("same_results_worker.py")
SECTIONS = ("losses", "checkpoint", "convert", "datasets", "report")
SHOWN = 5
"""How many differences of a comparison are printed."""


class ComparisonError(Exception):
    """A commit could not be checked out, or its work could not be done; the message says why."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A comparison: how many files were compared, and the differences that are allowed and that are not."""

    name: str
    files: int
    wrong: list[Difference]
    allowed: list[Difference]

    def __str__(self) -> str:
        first, *others = [*map(str, self.wrong), *(f"allowed: {each}" for each in self.allowed)] or [""]
        state = "DIFFERENT: " if self.wrong else f"equal ({self.files} files) "
        lines = [f"{self.name:32} {state}{first}".rstrip(), *(f"    {each}" for each in others[: SHOWN - 1])]
        return "\n".join([*lines, f"    and {len(others) - SHOWN + 1} more"] if len(others) >= SHOWN else lines)


def section_of(file: str) -> str:
    """The section that compares a file of a case; the curves of journals are compared by `losses`, too."""
    if file.startswith("out/"):
        return "convert"
    stage = file.split("/")[2] if file.startswith("runs/") and file.count("/") > 2 else ""
    return {"prepare": "datasets", "train": "checkpoint", "convert": "convert"}.get(stage, "report")


def wanted(section: str, case: str, only: Sequence[str]) -> bool:
    """Whether `--only` chooses a comparison: by its section, by its case, or by both, each with wildcards."""
    names = (section, case, f"{section}/{case}")
    return not only or any(fnmatchcase(name, pattern) for name in names for pattern in only)


def check_out(revision: str, folder: Path) -> Path:
    """The tree of a commit, written below `folder`; of `.` the working tree itself. Errors: ComparisonError."""
    if revision == ".":
        return REPOSITORY
    archive = subprocess.run(
        ["git", "-C", str(REPOSITORY), "archive", "--format=tar", revision], capture_output=True, check=False
    )
    if archive.returncode:
        raise ComparisonError(f"{revision}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and newer
            tar.extractall(folder / "tree", filter="data")
        else:
            tar.extractall(folder / "tree")
    return folder / "tree"


def write_metadata(tree: Path, folder: Path) -> Path:
    """A folder that tells Python of the plugins in `tree`, whatever commit the installed distribution is from."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    source = (tree / project["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    version = re.search(r"^(?:__version__|VERSION)[^=\n]*= *[\"'](.+?)[\"']", source, re.MULTILINE)
    if version is None:
        raise ComparisonError(f"{tree}: no version in {project['tool']['hatch']['version']['path']}")
    name = project["project"]["name"]
    info = folder / "metadata" / f"{name.replace('-', '_')}-{version[1]}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version[1]}\n", encoding="utf-8")
    lines = []
    for group, entries in project["project"].get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return info.parent


def start(revision: str, folder: Path, work: Sequence[Case]) -> subprocess.Popen[bytes]:
    """Starts the work of one side in the background; what goes wrong is in `folder/worker.log`."""
    (folder / "home").mkdir(parents=True)
    (folder / "tmp").mkdir()
    tree = check_out(revision, folder)
    path = [str(each) for each in (tree, tree / "plugins", write_metadata(tree, folder))]
    inherited = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    fixed = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}
    quiet = {"NO_ALBUMENTATIONS_UPDATE": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    places = {"PYTHONPATH": os.pathsep.join(path), "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    (folder / "cases.json").write_text(json.dumps([dataclasses.asdict(case) for case in work]), encoding="utf-8")
    command = [sys.executable, str(WORKER), str(folder / "cases.json"), str(folder / "work"), str(tree)]
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=inherited | threads | fixed | quiet | places, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip


def failures(label: str, folder: Path, work: Sequence[Case]) -> Iterator[str]:
    """Every case of a side with a command that ended with another code than expected, and what else went wrong."""
    for case in work:
        place = folder / "work" / case.name
        if not (place / "codes.json").is_file():
            yield f"{label} ended early, in case {case.name}"
            break
        codes = json.loads((place / "codes.json").read_text(encoding="utf-8"))
        for command, code in zip(case.commands, codes, strict=True):
            if code != command.code:
                line = " ".join(command.argv)
                told = (
                    (place / "console.txt").read_text(encoding="utf-8").partition(f"$ {line}\n")[2].partition("\n$ ")[0]
                )
                yield f"{label}: {case.name}: `{line}` ended with {code}, not {command.code}:\n{told[-1500:]}"
                break
    log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace").strip()
    if log:
        yield f"{label}: its process wrote:\n{log[-2000:]}"


def outcomes(
    old: Path, new: Path, work: Sequence[Case], only: Sequence[str], allow: Sequence[str]
) -> Iterator[Outcome]:
    """The comparisons of all cases, section by section."""
    patterns = [re.compile(each) for each in allow]
    sides = {case.name: [side(each / "work" / case.name, each / "work") for each in (old, new)] for case in work}
    for section in SECTIONS:
        trained = [case for case in work if section != "losses" or case.trains]
        for case in (each for each in trained if wanted(section, each.name, only)):
            files, differences = _section(section, *sides[case.name])
            name = f"{section}/{case.name}"
            allowed = [each for each in differences if any(p.search(f"{name} {each}") for p in patterns)]
            if files:
                yield Outcome(name, files, [each for each in differences if each not in allowed], allowed)


def _section(section: str, old: Side, new: Side) -> tuple[int, list[Difference]]:
    """How many files of a case belong to a section, and their differences."""

    def chosen(name: str) -> bool:
        return name.endswith("journal.jsonl") if section == "losses" else section_of(name) == section

    find = compare_curves if section == "losses" else compare
    names = [name for name in old.files.keys() | new.files.keys() if chosen(name)]
    return len(names), list(find(old, new, chosen))


def run(old: str, new: str, folder: Path, only: Sequence[str] = (), allow: Sequence[str] = ()) -> int:
    """Does the work of both commits below `folder`, prints the comparisons, returns the exit code.

    Errors: ComparisonError.
    """
    started = time.monotonic()
    make_inputs(folder / "inputs")
    work = [each for each in cases(folder / "inputs") if any(wanted(section, each.name, only) for section in SECTIONS)]
    if not work:
        raise ComparisonError(f"--only {' '.join(only)}: nothing has that name; sections are {', '.join(SECTIONS)}")
    places = {"OLD": folder / "old", "NEW": folder / "new"}
    running = []
    try:
        for label, revision in (("OLD", old), ("NEW", new)):
            running.append(start(revision, places[label], work))
        for process in running:
            process.wait()
    finally:
        for process in running:
            process.kill()
            process.wait()  # before its folder is removed
    wrong = [text for label, place in places.items() for text in failures(label, place, work)]
    for text in wrong:
        print(f"FAILED {text}")
    complete = [
        case for case in work if all((place / "work" / case.name / "codes.json").is_file() for place in places.values())
    ]
    compared = list(outcomes(places["OLD"], places["NEW"], complete, only, allow))
    for outcome in compared:
        print(outcome)
    different = sum(bool(outcome.wrong) for outcome in compared)
    allowed = sum(len(outcome.allowed) for outcome in compared)
    print(
        f"{old} and {new}: {len(compared)} comparisons, {different} different, {allowed} allowed differences, "
        f"{len(wrong)} failed commands, {time.monotonic() - started:.0f} s"
    )
    return 1 if different or wrong or not compared else 0


def _stop(number: int, frame: object) -> None:
    """Leaves by an exception, so that the workers are killed and the temporary folder is removed."""
    sys.exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", nargs="?", default="HEAD~1", metavar="OLD", help="a commit; default: HEAD~1")
    parser.add_argument("new", nargs="?", default=".", metavar="NEW", help="a commit, or `.`; default: `.`")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="a new folder, which then holds all results")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="losses, pix2pix, convert/cut, ...")
    parser.add_argument("--allow", action="append", default=[], metavar="PATTERN", help="an intended difference")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if options.keep:
            options.keep.mkdir(parents=True)
            return run(options.old, options.new, options.keep.resolve(), options.only, options.allow)
        with tempfile.TemporaryDirectory(prefix="same-results-", ignore_cleanup_errors=True) as folder:
            return run(options.old, options.new, Path(folder).resolve(), options.only, options.allow)
    except (ComparisonError, FileExistsError, re.error) as error:
        print(f"same_results.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
