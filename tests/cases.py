"""Runs the cases of all kinds through the real commands, and prints a table: case, expected, got, right or wrong.

python tests/cases.py --cases FOLDER              all of them; exit code 1 where any is wrong
python tests/cases.py --kind names --kind masks   some kinds
python tests/cases.py --only linked               cases whose name, or whose script's, holds a word
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kinds.lab import CASES, Case, Check, Lab, Starter, cases_folder, write_plugin

KINDS = (
    "originals",
    "transparency",
    "depth",
    "colour",
    "metadata",
    "pages",
    "formats",
    "damaged",
    "sameness",
    "names",
    "python_images",
    "networks",
    "masks",
    "datasets",
    "training",
    "hanging",
    "tracking",
)
FURTHER = 3
"""Inputs of each script's kind that stand here beside it."""


@dataclass(frozen=True)
class Result:
    """A case that was run."""

    case: Case
    checks: list[Check]
    seconds: float

    @property
    def right(self) -> bool:
        return bool(self.checks) and all(check.right for check in self.checks)


def load(kinds: tuple[str, ...] = KINDS) -> list[Case]:
    """All cases of some kinds, in the order of their files."""
    for kind in kinds:
        importlib.import_module(f"kinds.{kind}")
    return [case for kind in kinds for case in CASES if case.kind == kind]


LOCAL = threading.local()
"""Holds the starter of each thread: `LOCAL.starter`."""


def starter(models: Path) -> Starter:
    """The process that starts commands for this thread."""
    if not hasattr(LOCAL, "starter"):
        LOCAL.starter = Starter(Lab(models, models, None).environment())
    made: Starter = LOCAL.starter
    return made


def run(case: Case, folder: Path, models: Path, scripts: Path | None, fresh: bool) -> Result:
    """Runs one case in a folder of its own, which goes afterwards where all was right."""
    place = folder / f"{case.kind}-{case.name}"
    place.mkdir(parents=True)
    lab, start = Lab(place, models, scripts, None if fresh else starter(models)), time.monotonic()
    try:
        case.run(lab)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        lab.check("runs", "to its end", f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})", False)
    result = Result(case, lab.checks, time.monotonic() - start)
    if result.right:
        shutil.rmtree(place, ignore_errors=True)
    return result


def line(result: Result) -> str:
    """A row of the table, and below it what was wrong."""
    case = result.case
    got = "; ".join(dict.fromkeys(f"{check.what}: {check.got}" for check in result.checks if check.right))
    mark = "right" if result.right else "WRONG"
    rows = [
        f"| {mark} | {case.kind} | {case.script or case.name} | {case.expected} | {got[:160]} | {result.seconds:.1f} |"
    ]
    for check in result.checks:
        if not check.right:
            rows.append(f"|       |  |  | {check.what}: {check.expected} | {check.got[:300]} |  |")
    return "\n".join(rows)


def missing(cases: list[Case], scripts: Path | None) -> list[str]:
    """Scripts that no case runs, and those with fewer further inputs than there should be."""
    if scripts is None:
        return []
    names = [*scripts.glob("convert/*.py"), *scripts.glob("train/f*.sh")]
    run_by = {case.script for case in cases}
    further = Counter(script for case in cases for script in case.of)
    lines = [f"{path.name}: no case runs it" for path in sorted(names) if path.name not in run_by]
    for name in sorted(name for name in run_by if name is not None):
        if further[name] < FURTHER:
            lines.append(f"{name}: {further[name]} further inputs of its kind, not {FURTHER}")
    return lines


def main() -> int:
    """Runs what the arguments ask for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, help="the folder of the scripts; default: $TRANSLATE_TEST_CASES")
    parser.add_argument("--kind", action="append", choices=KINDS, help="a kind; default: all")
    parser.add_argument("--only", default="", help="a word in the names of cases")
    parser.add_argument(
        "--fresh", action="store_true", help="each command from its start; default: forks of one process"
    )
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--work", type=Path, help="where to work; what was wrong stays there")
    options = parser.parse_args()
    scripts = options.cases.resolve() if options.cases else cases_folder()
    if scripts is None or not scripts.is_dir():
        parser.error("the folder of the scripts is missing: --cases FOLDER, or TRANSLATE_TEST_CASES")
    cases = load(tuple(options.kind or KINDS))
    gaps = [] if options.kind or options.only else missing(cases, scripts)
    cases = [case for case in cases if options.only in f"{case.name} {case.script}"]
    folder = Path(tempfile.mkdtemp(prefix="cases-", dir=options.work))
    write_plugin(folder / "models")
    print("| | kind | case | expected | got | seconds |\n|---|---|---|---|---|---|")
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda case: run(case, folder, folder / "models", scripts, options.fresh), cases):
            print(line(result), flush=True)
            results.append(result)
    wrong = sum(not result.right for result in results)
    print(f"\n{len(results)} cases, {wrong} wrong", *gaps, sep="\n")
    if wrong:
        print(f"what was wrong lies in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if wrong or gaps else 0


if __name__ == "__main__":
    sys.exit(main())
