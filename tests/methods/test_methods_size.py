"""A method plugin reads like its paper: under 200 lines, its networks aside."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
LINES = 200


@pytest.mark.parametrize("folder", sorted(PLUGINS.glob("translate_*")), ids=lambda folder: folder.name)
def test_it_is_under_200_lines(folder: Path) -> None:
    counts = {path.name: len(path.read_text("utf-8").splitlines()) for path in folder.glob("*.py")}
    assert counts["__init__.py"]
    assert sum(count for name, count in counts.items() if name != "networks.py") < LINES, counts
