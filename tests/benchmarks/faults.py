"""Whether a run survives each of its writes failing: with an I/O error, a full disk, or the end of the process.

    python tests/benchmarks/faults.py                        every operation, three kinds, once and for ever
    python tests/benchmarks/faults.py --every 7 --first 3    operations 3, 10, 17, ...
    python tests/benchmarks/faults.py --kinds EIO --rounds once --json
    python tests/benchmarks/faults.py --sample 6             six of them
    python tests/benchmarks/faults.py --list                 the operations of an undisturbed run

A pipeline of a preparation and a training of four steps, with two checkpoints, a validation with pictures, a journal, a
report and a model, runs in a folder of its own, in a child that is forked from one process in which all is imported.
`faults.c`, which is preloaded, counts what writes below that folder: opening, writing, flushing, renaming, links,
folders, removing, closing. Operation n fails once, or all from n on do. Afterwards

- a checkpoint that was finished before, or a later one, is whole and can be read;
- the process has ended with one error that names the cause and a file, and no traceback, or has gone on without what
  is not needed, such as a picture, and has said so;
- the same command, without faults, ends in the same bits as an undisturbed run; only pictures may be missing;
- no file is left that an undisturbed run does not leave.

The exit code is 1 where any of this is not so.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import gc
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
ENDED = 77
"""Exit status of a process that a fault ended."""
KINDS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "exit": 0}
MEMORY = "/dev/shm"
"""A file system in memory, where flushing costs nothing."""
PROGRESS = 20
"""Faults after which a line tells how far the check is."""
ROUNDS = ("once", "ever")
CAUSES = {"EIO": "Input/output error", "ENOSPC": "No space left on device"}
PIPELINE = """
version: 1
name: tiny
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 2, val: 1, test: 1}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 4, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      max_steps: 4
      log_every: 1
      workers: 0
      precision: fp32
      checkpoint: {steps: 2}
      keep: {best: l1}
      validate: {every: {steps: 2}, metrics: [l1], images: 1, samples: 1}
"""
OPTIONAL = re.compile(
    r"(.*/)?samples/.*|.*/translator/README\.md|.*/(report\.html|pipeline\.yaml)|.*/checkpoints/0+[1-3]/.*"
)
"""Files that a run may lack, or have otherwise, after a fault: pictures, what shows them, what is recorded with a run,
and checkpoints before the last one, since a training that ends for a fault saves what it can."""
BROKEN = re.compile(r".*(\.tmp|\.old|\.gone|\.partial)(/.*)?")
"""What no run leaves."""
TIMED = re.compile(r"(.*/)?(MANIFEST\.json|journal\.jsonl|tracking\.json|report\.html|index\.json)|\.plan.*|.*/\.lock")
"""Files that hold times of day."""
POINTER = re.compile(r"runs/tiny/(prepare|train)")
CHECKPOINT = re.compile(r"/checkpoints/[0-9]+/MANIFEST\.json")


# ------------------------------------------------------------------------------------------------------ the library


def compiled(folder: Path) -> Path | None:
    """The library that lets operations fail; None where none can be made."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    path = folder / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, SOURCE, "-ldl", "-lpthread"], check=True)
    return path


def preloaded() -> bool:
    """Whether this process was started with the library."""
    return hasattr(ctypes.CDLL(None), "fault_begin")


# --------------------------------------------------------------------------------------------------------- one run


@dataclass(frozen=True)
class Fault:
    """Operation `number` fails; with `once` False all after it as well."""

    kind: str
    once: bool
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {'once' if self.once else 'ever'} {self.number}"


@dataclass(frozen=True)
class Run:
    """A run that has ended: its exit code, what it said, its number of operations and the checkpoints that were
    finished."""

    code: int
    said: str
    count: int
    saved: Sequence[int]


def run(folder: Path, fault: Fault | None, log: Path | None = None) -> Run:
    """Runs the pipeline in a child of this process, with a fault or without."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(PIPELINE)
    notes, output = Path(f"{folder}.notes"), Path(f"{folder}.output")
    child = os.fork()
    if child == 0:
        try:
            _child(folder, fault, notes, output, log)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    lines = notes.read_text().splitlines()
    counts = [int(line.removeprefix("count ")) for line in lines if line.startswith("count ")]
    saved = [int(line.removeprefix("saved ")) for line in lines if line.startswith("saved ")]
    ended = Run(os.waitstatus_to_exitcode(status), output.read_text(), counts[-1] if counts else 0, saved)
    notes.unlink()
    output.unlink()
    return ended


def _child(folder: Path, fault: Fault | None, notes: Path, output: Path, log: Path | None) -> None:
    """The forked process: everything that it prints goes to a file outside of the folder of the run."""
    from translate.cli import main
    from translate.training.saving import checkpoint

    os.chdir(folder)
    os.environ["PATH"] = ""  # nobody asks git for a commit
    told = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    replace_dir = vars(checkpoint)["replace_dir"]

    def replace_and_note(partial: Path, final: Path) -> None:
        replace_dir(partial, final)
        os.write(told, f"saved {int(final.name)}\n".encode())

    vars(checkpoint)["replace_dir"] = replace_and_note
    library = ctypes.CDLL(None)
    if log is not None:
        library.fault_log(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    number, kind, once = (fault.number, KINDS[fault.kind], fault.once) if fault else (0, 0, True)
    library.fault_begin(os.fsencode(folder), ctypes.c_long(number), kind, int(once))
    code = 0
    try:
        main.main(["run", "tiny.yaml", "--device", "cpu"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 70
    library.fault_end()
    os.write(told, f"count {library.fault_count()}\n".encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


# ------------------------------------------------------------------------------------------------------- verdicts


def content(folder: Path) -> dict[str, bytes]:
    """All files and links below a folder by name; those that hold times of day count as empty."""
    files = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        timed = TIMED.fullmatch(name) and not CHECKPOINT.search(name)
        if path.is_symlink() or POINTER.fullmatch(name):  # where no link can be made a file of text stands for it
            files[name] = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes().strip()
        elif path.is_file():
            files[name] = b"" if timed else path.read_bytes()
        else:
            files[f"{name}/"] = b""
    return files


def wrong_end(fault: Fault, ended: Run) -> Iterator[str]:
    """What is wrong with how a run with a fault has ended."""
    if fault.kind == "exit":
        if ended.code != ENDED:
            yield f"ended with {ended.code}"
        return
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said.strip().splitlines()[-1]}"
    if ended.code not in (0, 1):
        yield f"ended with {ended.code}"
    errors = re.findall(r"^error: .*(?:\n  .*)*", ended.said, re.M)
    if ended.code and len(errors) != 1:
        yield f"{len(errors)} errors said"
    for error in errors:
        if not re.search(rf"[\w./@-]+[']?: (cannot be written: )?{CAUSES[fault.kind]}", error):
            yield f"does not name a file and the cause: {error}"


def wrong_checkpoints(folder: Path, saved: Sequence[int]) -> Iterator[str]:
    """What is wrong with the checkpoints after a fault, of which these were finished."""
    from translate.errors import TranslateError
    from translate.storage import checkpoint

    if not saved:
        return
    places = [path for path in folder.glob("runs/tiny/train-*/checkpoints") if path.is_dir()]
    whole = [newest.folder for newest in map(checkpoint.newest, places) if newest.folder is not None]
    if not whole:
        yield f"UNRECOVERABLE: step {max(saved)} was saved, and no checkpoint is whole"
        return
    last = max(whole, key=lambda path: path.name)
    try:
        checkpoint.read(last)
    except TranslateError as error:
        yield f"UNRECOVERABLE: {error}"
    if int(last.name) < max(saved):
        yield f"UNRECOVERABLE: step {max(saved)} was saved, and {last.name} is the last one"


def optional(name: str) -> bool:
    """Tells whether a file may be there or not."""
    return bool(OPTIONAL.fullmatch(name)) and not BROKEN.fullmatch(name)


def wrong_result(again: Run, files: dict[str, bytes], expected: dict[str, bytes]) -> Iterator[str]:
    """What is wrong after the run without faults that followed."""
    if again.code:
        yield f"UNRECOVERABLE: the next run ended with {again.code}: {again.said.strip().splitlines()[-1:]}"
        return
    litter = [name for name in files if name not in expected and not optional(name)]
    if litter:
        yield f"LITTER: {', '.join(litter)}"
    missing = [name for name in expected if name not in files and not optional(name)]
    if missing:
        yield f"missing: {', '.join(missing)}"
    both = [name for name in expected if name in files and not optional(name)]
    different = [name for name in both if files[name] != expected[name]]
    if different:
        yield f"other bits: {', '.join(different)}"


# ------------------------------------------------------------------------------------------------------- the check


@dataclass
class Outcome:
    """What became of all faults: how many of each kind and round, and what was wrong by fault."""

    operations: int
    tried: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    """How many ended with an error, by kind and round; the others went on."""

    def count(self, word: str, group: str) -> int:
        """Faults of a kind and round of which some verdict begins with a word."""
        hit = [name for name, texts in self.wrong.items() if any(text.startswith(word) for text in texts)]
        return sum(1 for name in hit if name.startswith(f"{group} "))


class Check:
    """Runs faults in the folder `home`, one after another; `said` is told of each that went wrong."""

    def __init__(self, home: Path, said: Callable[[str], None] = lambda text: None) -> None:
        self.home, self.said = home.resolve(), said
        self._warm()
        whole = run(self.home / "whole", None)
        assert whole.code == 0, whole.said
        self.expected = content(self.home / "whole")
        self.outcome = Outcome(whole.count)

    def _warm(self) -> None:
        """Imports all that a run needs into this process, of which the others are forked."""
        before = Path.cwd()
        folder = self.home / "imports"
        folder.mkdir()
        (folder / "tiny.yaml").write_text(PIPELINE)
        os.chdir(folder)
        try:
            import translate
            import translate.cli
            from translate.console.plain import PlainConsole

            translate.run("tiny.yaml", device="cpu", console=PlainConsole(StringIO(), StringIO()))
        finally:
            os.chdir(before)
        gc.collect()
        gc.freeze()  # children share this memory as long as nobody looks for garbage in it

    def fault(self, fault: Fault) -> None:
        """Runs with a fault, then without, and notes what is wrong."""
        folder, outcome = self.home / "run", self.outcome
        ended = run(folder, fault)
        wrong = [*wrong_end(fault, ended), *wrong_checkpoints(folder, ended.saved)]
        again = run(folder, None)
        wrong += wrong_result(again, content(folder), self.expected)
        shutil.rmtree(folder)
        group = f"{fault.kind} {'once' if fault.once else 'ever'}"
        outcome.tried[group] = outcome.tried.get(group, 0) + 1
        outcome.ended[group] = outcome.ended.get(group, 0) + (ended.code != 0)
        if wrong:
            outcome.wrong[str(fault)] = wrong
            self.said(f"{fault}: {'; '.join(wrong)}")


def faults(operations: int, kinds: Sequence[str], rounds: Sequence[str], every: int, first: int) -> Iterator[Fault]:
    """The faults to try. A process that has ended makes no further operation: it does so once alone."""
    for kind in kinds:
        for round_ in rounds:
            if kind == "exit" and round_ == "ever":
                continue
            for number in range(first, operations + 1, every):
                yield Fault(kind, round_ == "once", number)


def sample(operations: int, size: int) -> Iterator[Fault]:
    """So many faults, spread over all operations, whose kinds and rounds take turns."""
    groups = [(kind, round_) for kind in KINDS for round_ in ROUNDS if (kind, round_) != ("exit", "ever")]
    for place in range(size):
        kind, round_ = groups[place % len(groups)]
        yield Fault(kind, round_ == "once", round((place + 0.5) * operations / size))


def table(outcome: Outcome) -> str:
    """The verdict as a table."""
    rows = [f"{'kind':12} {'faults':>7} {'ended':>7} {'unrecoverable':>14} {'litter':>7} {'other':>7}"]
    for group, tried in outcome.tried.items():
        hit = [name for name in outcome.wrong if name.startswith(f"{group} ")]
        lost, litter = outcome.count("UNRECOVERABLE", group), outcome.count("LITTER", group)
        rows.append(f"{group:12} {tried:7} {outcome.ended[group]:7} {lost:14} {litter:7} {len(hit):7}")
    return "\n".join(rows)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--every", type=int, default=1, help="Every n-th operation.")
    parser.add_argument("--first", type=int, default=1, help="The first operation.")
    parser.add_argument("--sample", type=int, help="So many faults of all kinds in turn, spread over all operations.")
    parser.add_argument("--seed", type=int, help="Try them in a random order, so that a part of them says something.")
    parser.add_argument("--list", action="store_true", help="Print the operations of an undisturbed run, and end.")
    parser.add_argument("--json", action="store_true", help="The verdict as one line of JSON.")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parsed(arguments)
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as temporary:
        home = Path(temporary)
        if not preloaded():
            library = compiled(home)
            if library is None:
                print("no C compiler is here that makes a library to preload")
                return 0
            environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
            options = sys.argv[1:] if arguments is None else arguments
            command = [sys.executable, str(Path(__file__).resolve()), *options]
            return subprocess.run(command, env=environment, check=False).returncode
        return _checked(given, home)


def _checked(given: argparse.Namespace, home: Path) -> int:
    began = time.monotonic()
    check = Check(home, lambda text: print(text, file=sys.stderr, flush=True))
    if given.list:
        run(home.resolve() / "listed", None, home / "log")
        print((home / "log").read_text().replace(str(home.resolve() / "listed"), ""), end="")
        return 0
    operations = check.outcome.operations
    chosen = faults(operations, given.kinds, given.rounds, given.every, given.first)
    tried = list(sample(operations, given.sample) if given.sample else chosen)
    if given.seed is not None:
        random.Random(given.seed).shuffle(tried)
    for number, fault in enumerate(tried, 1):
        check.fault(fault)
        if number % PROGRESS == 0:
            print(f"{number} of {len(tried)} faults, {len(check.outcome.wrong)} wrong", file=sys.stderr, flush=True)
    outcome, seconds = check.outcome, round(time.monotonic() - began)
    if given.json:
        print(json.dumps({**vars(outcome), "seconds": seconds}))
    else:
        print(table(outcome))
        print(f"{outcome.operations} operations, {sum(outcome.tried.values())} faults, {seconds} s")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
