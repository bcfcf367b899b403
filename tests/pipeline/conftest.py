"""Pipelines of toy stages, in a working directory of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from translate.console import PlainConsole
from translate.pipeline import run
from translate.plugins import Registry

PIPELINE = """\
version: 1
name: toy
seed: 1
tracking: none
stages:
  prepare:
    uses: toy/make
    with: {text: ab, size: 2}
  train:
    uses: toy/fit
    needs: {data: prepare}
    with:
      optimizer: {uses: adam, lr: 2e-4}
      epochs: 3
  score:
    uses: toy/free
profiles:
  quick:
    stages:
      prepare: {with: {size: 1}}
      train: {with: {optimizer: {lr: 1e-3}}}
  other:
    seed: 2
    stages:
      train: {with: {optimizer: {uses: sgd}}}
      score: null
"""


class Heard(PlainConsole):
    """A console that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory with `toy.yaml`, and the toy plugin importable."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (folder / "toy.yaml").write_text(PIPELINE)
    yield folder
    sys.modules.pop("toy_plugin", None)


@pytest.fixture
def registry(work: Path) -> Callable[[], Registry]:
    """Fresh registries that know the toy plugin."""
    return lambda: Registry([EntryPoint("toy", "toy_plugin", "translate")])


@pytest.fixture
def go(work: Path, registry: Callable[[], Registry]) -> Callable[..., tuple[Any, Heard]]:
    """Runs `toy.yaml` on the CPU: what came of it, and what was said."""

    def run_toy(file: str = "toy.yaml", **kwargs: Any) -> tuple[Any, Heard]:
        heard = Heard()
        result = run(file, device="cpu", console=heard, registry=registry(), **kwargs)
        return result, heard

    return run_toy


@pytest.fixture
def events(work: Path) -> list[tuple[str, str]]:
    """The events that the toy plugin heard."""
    found: list[tuple[str, str]] = importlib.import_module("toy_plugin").EVENTS
    found.clear()
    return found


@pytest.fixture
def heard_console() -> Callable[[], Heard]:
    """Consoles that remember what was said."""
    return Heard
