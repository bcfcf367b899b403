"""What a case works with: a fresh folder, the real commands, the scripts, and checks that end up in the table."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: same-images\nVersion: 1\n",
    "entry_points.txt": "[translate]\nsame_images = same_images\n",
}
"""What makes a folder with the plugin `same_images` look as if it had been installed."""


def cases_folder() -> Path | None:
    """The folder of the scripts: of the environment, or beside the test data; None where there is none."""
    named = os.environ.get("TRANSLATE_TEST_CASES")
    data = os.environ.get("TRANSLATE_TEST_DATA")
    if named is None and data is not None:
        named = str(Path(data) / "../cases")
    return Path(named).resolve() if named is not None and Path(named).is_dir() else None


@dataclass(frozen=True)
class Check:
    """One comparison: what was looked at, what it has to be, and what it was."""

    what: str
    expected: str
    got: str
    right: bool


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def last(self) -> str:
        """Its last line, for the table."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "(nothing)"


@dataclass(frozen=True)
class Case:
    """A function that tries something. `script`: it runs this script; `of`: a further input of a script's kind."""

    name: str
    kind: str
    run: Callable[[Lab], None]
    script: str | None
    of: tuple[str, ...]
    quick: bool

    @property
    def expected(self) -> str:
        """The first sentence of the function's docstring."""
        return " ".join((self.run.__doc__ or "").strip().split("\n\n")[0].split())


CASES: list[Case] = []


def case(
    *, script: str | None = None, of: str = "", quick: bool = False
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Enters a function as a case. `of`: the scripts, divided by spaces, of whose kind the input is another one."""

    def enter(run: Callable[[Lab], None]) -> Callable[[Lab], None]:
        kind = run.__module__.rpartition(".")[2]
        CASES.append(Case(run.__name__, kind, run, script, tuple(of.split()), quick))
        return run

    return enter


class Starter:
    """A process that starts commands without the second or two that imports take; see `kinds.starter`."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-P", str(HERE / "starter.py")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=environment, **pipes)
        self._files = Path(tempfile.mkdtemp(prefix="starter-"))
        self._answer()

    def _answer(self) -> str:
        line = str(self._process.stdout.readline())
        if not line:
            raise RuntimeError("the process that starts commands has ended")
        return line

    def run(self, argv: list[str], stdin: bytes, cwd: Path, env: dict[str, str], seconds: float) -> Done:
        """Runs `translate ARGV` until it ends, or for so many seconds."""
        paths = {name: self._files / name for name in ("in", "out", "err")}
        for name, path in paths.items():
            path.write_bytes(stdin if name == "in" else b"")
        call = {"argv": argv, "cwd": str(cwd), "env": env, "seconds": seconds}
        call |= {name: str(path) for name, path in paths.items()}
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        code = int(self._answer())
        out, err = (paths[name].read_text("utf-8", "replace") for name in ("out", "err"))
        return Done(code, out, err)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._files)


@dataclass
class Lab:
    """The place of one case. `models` holds models that change nothing, and the plugin of their method."""

    folder: Path
    models: Path
    scripts: Path | None
    starter: Starter | None = None
    checks: list[Check] = field(default_factory=list)
    seconds: float = 180

    # ------------------------------------------------------------------------------------------------------- commands

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of commands: this checkout and the plugin can be imported, `translate` and `python` found."""
        path = [str(ROOT), str(ROOT / "plugins"), str(self.models)]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "OMP_NUM_THREADS": "1",
            "NO_ALBUMENTATIONS_UPDATE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **more,
        }

    def command(
        self, *argv: str | Path | bytes, stdin: bytes = b"", cwd: Path | None = None, seconds: float = 0, **env: str
    ) -> Done:
        """Runs a command in the case's folder until it ends; one that does not is killed and has the code 124."""
        process = subprocess.Popen(
            argv,
            cwd=cwd or self.folder,
            env=self.environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(stdin, timeout=seconds or self.seconds)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            code = 124
        return Done(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def translate(
        self, *argv: str | Path | bytes, stdin: bytes = b"", cwd: Path | None = None, seconds: float = 0, **env: str
    ) -> Done:
        """Runs `translate ARGV`."""
        if self.starter is None:
            start = (sys.executable, "-P", "-m", "translate")
            return self.command(*start, *argv, stdin=stdin, cwd=cwd, seconds=seconds, **env)
        texts = [os.fsdecode(each) for each in argv]
        return self.starter.run(texts, stdin, cwd or self.folder, self.environment(**env), seconds or self.seconds)

    def convert(self, *argv: str | Path | bytes, channels: int = 3, direction: str = "copy", **options: Any) -> Done:
        """Runs `translate convert ARGV` with the model that changes nothing."""
        model = self.models / f"same{channels}"
        return self.translate("convert", "--model", model, "--direction", direction, *argv, **options)

    def python(self, code: str, *argv: str | Path, **options: Any) -> Done:
        """Runs Python code; it finds the model that changes nothing in `MODEL`."""
        return self.command(sys.executable, "-c", code, *argv, MODEL=str(self.models / "same3"), **options)

    def script(self, name: str, *argv: str | Path, into: str = "case") -> Path:
        """Runs a script of the folder of cases, and gives the folder that it filled."""
        if self.scripts is None:
            raise RuntimeError("the folder of the scripts is missing")
        done = self.command(sys.executable, self.scripts / "convert" / name, self.folder / into, *argv)
        if done.code:
            raise RuntimeError(f"{name} ended with {done.code}: {done.last}")
        return self.folder / into

    def shell(self, name: str, seconds: float = 0, **env: str) -> Done:
        """Runs a script of the folder of trainings in bash, in a folder of its own below this case's."""
        if self.scripts is None:
            raise RuntimeError("the folder of the scripts is missing")
        script = self.scripts / "train" / name
        executables = self.folder / "bin"
        executables.mkdir(exist_ok=True)
        starter = executables / "translate"
        # The scripts set PYTHONPATH themselves, and are to run this checkout all the same.
        path = os.pathsep.join((str(ROOT), str(ROOT / "plugins"), str(script.parent)))
        starter.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" -P -m translate "$@"\n')
        python = executables / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" "$@"\n')
        for each in (starter, python):
            each.chmod(0o755)
        path = os.pathsep.join((str(executables), os.environ["PATH"]))
        return self.command("bash", script, seconds=seconds, CASES_WORK=str(self.folder / "w"), PATH=path, **env)

    # --------------------------------------------------------------------------------------------------------- checks

    def check(self, what: str, expected: Any, got: Any, right: bool | None = None) -> None:
        """Notes a comparison; without `right`, the two have to be equal."""
        self.checks.append(Check(what, str(expected), str(got), bool(expected == got if right is None else right)))

    def says(self, done: Done, *words: str) -> None:
        """Notes whether a command's lines hold all of some words, in whatever case, and no traceback."""
        text = " ".join(done.text.lower().split())
        missing = [word for word in words if word.lower() not in text]
        self.check("says", ", ".join(words), "said" if not missing else done.last, not missing)
        self.orderly(done)

    def orderly(self, done: Done) -> None:
        """Notes that a command ended by itself and without a traceback."""
        orderly = "Traceback" not in done.text and done.code not in (124, 137, -9)
        self.check(
            "ends in order", "no traceback", "in order" if orderly else f"code {done.code}: {done.last}", orderly
        )

    def works(self, done: Done) -> None:
        """Notes that a command ended with 0."""
        self.check("exit code", 0, done.code if done.code == 0 else f"{done.code}: {done.last}", done.code == 0)

    def refused(self, done: Done, *words: str) -> None:
        """Notes that a command ended with an error code, in order, and said some words."""
        self.check("exit code", "1, 2 or 3", done.code, done.code in (1, 2, 3))
        self.says(done, *words)

    def near(self, what: str, expected: Any, got: Any, step: float = 0) -> None:
        """Notes the largest difference of two arrays, which may be `step`, and that their shapes are equal."""
        one, two = np.asarray(expected), np.asarray(got)
        if one.shape != two.shape:
            self.check(what, f"shape {one.shape}", f"shape {two.shape}", False)
            return
        largest = float(np.abs(one.astype(np.float64) - two.astype(np.float64)).max()) if one.size else 0.0
        self.check(what, f"at most {step:g} apart", f"{largest:g} apart", largest <= step)

    def same_file(self, what: str, path: Path, before: bytes) -> None:
        """Notes whether a file holds what it held before."""
        got = path.read_bytes() if path.is_file() else None
        self.check(what, "unchanged", "unchanged" if got == before else "gone" if got is None else "changed")

    @contextmanager
    def unchanged(self, *roots: Path) -> Iterator[None]:
        """Notes whether all files below some folders hold afterwards what they held before."""
        before = {path: path.read_bytes() for path in files(roots)}
        yield
        after = {path: path.read_bytes() for path in files(roots)}
        changed = [path.name for path in before if after.get(path) != before[path]]
        self.check("originals", "unchanged", "unchanged" if not changed else f"changed: {', '.join(changed)}")

    def rows(self, output: Path) -> dict[str, dict[str, Any]]:
        """The rows of a conversion by their inputs; empty where there are none."""
        table = output / "results.jsonl"
        if not table.is_file():
            return {}
        rows = [json.loads(line) for line in table.read_text("utf-8", "surrogateescape").splitlines()]
        return {row["input"]: row for row in rows}


def files(roots: Sequence[Path]) -> list[Path]:
    """All regular files below some folders, links not followed."""
    paths = [path for root in roots for path in root.rglob("*")]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def write_plugin(folder: Path) -> None:
    """Puts the plugin and the models that change nothing into a folder."""
    metadata = folder / "same_images-1.dist-info"
    metadata.mkdir(parents=True)
    for name, text in METADATA.items():
        (metadata / name).write_text(text)
    shutil.copy(HERE / "same_images.py", folder)
    lab = Lab(folder, folder, None)
    done = lab.command(sys.executable, folder / "same_images.py", folder)
    if done.code:
        raise RuntimeError(f"the models could not be written: {done.text}")
