"""Distributions that are laid out as pip would lay them out, on a path of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from translate.imaging.formats.of_plugins import FORMATS
from translate.plugins import Registry

Install = Callable[..., Registry]


@pytest.fixture(scope="module", autouse=True)
def _formats() -> Iterator[None]:
    """The process has one table of image formats: what the plugins of a module add goes with the module."""
    before = dict(FORMATS)
    yield
    FORMATS.clear()
    FORMATS.update(before)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before, formats = set(sys.modules), dict(FORMATS)
    yield folder
    for place in set(FORMATS) - set(formats):
        del FORMATS[place]  # the process has one table of them
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Installs a distribution with modules, by default with one entry point for each of its name."""

    def add(_distribution: str = "acme-translate", _entries: str = "", _needs: str = "", **modules: str) -> Registry:
        info = site / f"{_distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {_needs}\n" if _needs else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_distribution}\nVersion: 1.2\n{needs}")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)
        entries = _entries or "\n".join(f"{name} = {name}" for name in modules)
        (info / "entry_points.txt").write_text(f"[translate]\n{entries}\n")
        importlib.invalidate_caches()
        return Registry()

    return add
