"""Data of one's own, and small trainings on it, in a working directory of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripting_data import SMALL

import translate
from translate.console import PlainConsole
from translate.inference.translator import Translator


@pytest.fixture
def quiet() -> PlainConsole:
    """A console that says nothing to the terminal of the tests; `lines` and `warnings` are what it heard."""

    class Quiet(PlainConsole):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[str] = []
            self.warnings: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

        def warn(self, text: str) -> None:
            self.warnings.append(text)

    return Quiet()


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: PlainConsole) -> Iterator[Callable[..., Translator]]:
    """`translate.train` of a small pix2pix on the CPU, three images a step, one epoch unless more is said."""
    monkeypatch.chdir(tmp_path)

    def small(data: Any, method: Any = "pix2pix", **options: Any) -> Translator:
        defaults = {"device": "cpu", "console": quiet, "epochs": 1, "batch_size": 3, "precision": "fp32"}
        if method == "pix2pix":
            options["options"] = {**SMALL, **options.get("options", {})}
        return translate.train(method, data, **{**defaults, **options})

    yield small
