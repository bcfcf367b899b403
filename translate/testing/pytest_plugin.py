"""Fixtures for the tests of plugin authors. In a conftest.py: `pytest_plugins = ["translate.testing.pytest_plugin"]`.

It is not loaded by itself, so that installing `translate` changes nobody's tests; nothing heavy is imported before a
fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from translate.contracts import DataSpec, StageContext
    from translate.plugins import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    """All installed components."""
    from translate.plugins import Registry

    return Registry()


@pytest.fixture
def tiny_batch() -> Callable[..., dict[str, Any]]:
    """`tiny_batch(kind, count=2, size=32, channels=3, classes=4, seed=0)`: one training batch by data kind."""
    from translate.testing import tiny_batch

    return tiny_batch


@pytest.fixture
def tiny_spec() -> Callable[..., DataSpec]:
    """`tiny_spec(kind, size=32, channels=3, classes=4)`: what a method is told about `tiny_batch`."""
    from translate.testing import tiny_spec

    return tiny_spec


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which `runs/` and `mlflow.db` will lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stage_context(run_folder: Path, registry: Registry) -> Callable[..., StageContext]:
    """`stage_context(**inputs)`: what a stage gets to work with, its folder new each time."""
    from translate.testing.stage import quiet_context

    def make(**inputs: Any) -> StageContext:
        folder = run_folder / "stages" / str(len(list(run_folder.glob("stages/*"))))
        folder.mkdir(parents=True)
        return quiet_context(folder, inputs=inputs, registry=registry)

    return make


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that sums are the same on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
