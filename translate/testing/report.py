"""Checks and what they find: one row per check, sentences that say what to change."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import random
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from translate.errors import TranslateError

SHOWN = 4
"""Faults of one check that are told; the rest is counted."""
QUIET, GLOBALS = "prints nothing", "leaves global state alone"

F = TypeVar("F", bound=Callable[..., Iterable[str]])


@dataclass(frozen=True)
class Finding:
    """The result of one check; `problem` is empty unless it failed, or was skipped because of another."""

    component: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    problem: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def check(title: str, *needs: str) -> Callable[[F], F]:
    """Marks a method of `Checks` that yields one sentence per fault; skipped where one of `needs` (names of other
    checks) did not pass."""

    def mark(function: F) -> F:
        function.title, function.needs = title, needs  # type: ignore[attr-defined]
        return function

    return mark


class Checks:
    """A component under test. The methods marked with `check` run in the order in which they stand."""

    component: str

    def applies(self, name: str) -> bool:
        """Whether a check makes sense for this component."""
        return True

    def findings(self) -> list[Finding]:
        """Runs every check; whatever one raises is its fault, and none hinders the others."""
        results: list[Finding] = []
        blocked: dict[str, str] = {}
        noise: list[str] = []
        changed: list[str] = []
        for name, title, needs in self._listed():
            if not self.applies(name):
                continue
            if missing := [blocked[need] for need in needs if need in blocked]:
                blocked[name] = missing[0]
                results.append(Finding(self.component, title, "skipped", f"first mend: {missing[0]}"))
                continue
            with watched(noise, changed):
                problem = _told(getattr(self, name))
            if problem:
                blocked[name] = title
            results.append(Finding(self.component, title, "failed" if problem else "ok", problem))
        for title, sentences in ((QUIET, noise), (GLOBALS, changed)):
            problem = _joined(sentences)
            results.append(Finding(self.component, title, "failed" if problem else "ok", problem))
        return results

    def demand(self) -> None:
        """Errors: AssertionError with every failed check."""
        demand(self.findings())

    def _listed(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        checks: dict[str, Any] = {}
        for cls in reversed(type(self).__mro__):
            checks |= {name: member for name, member in vars(cls).items() if hasattr(member, "needs")}
        yield from ((name, member.title, member.needs) for name, member in checks.items())


def demand(findings: Sequence[Finding]) -> None:
    """Errors: AssertionError that lists the failed checks."""
    failed = [f for f in findings if f.status == "failed"]
    if failed:
        lines = [f"  {f.check}: {f.problem}" for f in failed]
        raise AssertionError("\n".join([f"{failed[0].component} does not conform", *lines]))


def _told(function: Callable[[], Iterable[str]]) -> str:
    faults: list[str] = []
    try:
        faults.extend(function())
    except TranslateError as error:
        faults.append(str(error))
    except (Exception, SystemExit) as error:
        faults.append(f"raises {type(error).__name__}: {_one_line(error)} ({_place(error)})")
    return _joined(faults)


def _joined(faults: Iterable[str]) -> str:
    each = list(dict.fromkeys(faults))
    more = [f"and {len(each) - SHOWN} more"] if len(each) > SHOWN else []
    return "; ".join(each[:SHOWN] + more)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:297]}..."


def _place(error: BaseException) -> str:
    """`file.py:12`: the innermost line outside of torch and of this package, else the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    folders = [Path(module.__file__ or "").parent for module in (torch, __import__("translate"))]
    at = frames[-1]
    for frame in reversed(frames):
        if not any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            at = frame
            break
    return f"{Path(at.filename).name}:{at.lineno}"


@contextlib.contextmanager
def watched(noise: list[str], changed: list[str]) -> Iterator[None]:
    """Notes what is printed and which state of the process changes; puts the generators and torch's threads back."""
    before, heard = _globals(), io.StringIO()
    threads, state, drawn = torch.get_num_threads(), random.getstate(), np.random.get_state()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng([]), contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            yield
    finally:
        after = _globals()
        torch.set_num_threads(threads)
        random.setstate(state)
        np.random.set_state(drawn)
        changed.extend(advice for what, advice in ADVICE.items() if after[what] != before[what])
        if heard.getvalue().strip():
            first = heard.getvalue().strip().splitlines()[0]
            noise.append(f"it prints {first[:80]!r}; remove the print, or yield the number as a loss of weight 0")


ADVICE: Mapping[str, str] = {
    "random": "it draws from or reseeds Python's global `random`; draw from `step.rng`, or from a Random of your own",
    "numpy": "it draws from or reseeds numpy's global generator; use `numpy.random.default_rng(seed)`",
    "functions": "it replaces functions of random, numpy, torch or builtins; other components rely on them",
    "dtype": "it changes torch's default dtype; give `dtype=` where it is needed",
    "environment": "it changes environment variables; take an option instead",
    "folder": "it changes the working directory",
}
"""What may not change, and what to do instead."""


_THEIRS = ("TORCH", "NO_ALBUMENTATIONS", "LD_", "OPENCV", "QT_", "PYTEST")
"""Variables that the libraries of the engine set by themselves."""


def _globals() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "random": hash(random.getstate()),
        "numpy": (kind, np.asarray(keys).tobytes(), rest),
        "functions": [
            *(random.seed, random.random, np.random.seed, np.random.rand, np.random.default_rng),
            *(torch.rand, torch.randn, torch.cat, builtins.print, builtins.open),
        ],
        "dtype": torch.get_default_dtype(),
        "environment": {k: v for k, v in os.environ.items() if not k.startswith(_THEIRS)},
        "folder": os.getcwd(),  # noqa: PTH109
    }
