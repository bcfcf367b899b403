"""Fifty installed plugins cost a command nothing that does not name them."""

from __future__ import annotations

from pathlib import Path

import help_time
import pytest


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("fifty")
    help_time.install(site)
    return site


def modules(site: Path | None, *command: str) -> set[str]:
    """What a command has imported when it ends."""
    return set(help_time.run(site, "-c", help_time.PRINT_MODULES, *command).output.splitlines()[-1].split())


def test_help_imports_the_same_modules_with_fifty_plugins_as_with_none(fifty: Path) -> None:
    without = modules(None, "--help")
    assert modules(fifty, "--help") == without
    assert "translate.cli" in without
    assert not without & {"torch", "pydantic", "pluggy", "yaml"}


def test_help_takes_at_most_fifty_milliseconds_more_with_fifty_plugins(fifty: Path) -> None:
    """Of the processor, since the clock of a busy machine tells of others; `help_time.py` prints both."""
    pairs = help_time.measure(fifty, 7)
    assert help_time.more(pairs)[1] < 0.05
    assert min(busy for pair in pairs for _, busy, _ in pair) > 0.02, "it was measured"


def test_check_of_a_pipeline_imports_none_of_them(fifty: Path, tmp_path: Path) -> None:
    """Each would take a second."""
    file = tmp_path / "one.yaml"
    file.write_text("version: 1\nname: one\nstages: {a: {uses: preprocess, with: {source: generated-maps}}}\n")
    assert not [name for name in modules(fifty, "check", str(file)) if name.startswith("plugin_")]
