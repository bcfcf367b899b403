"""A method plugin reads like its paper: its game is under 185 lines, the words about its options aside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
LINES = 200
PARTS = {"networks.py", "metrics.py", "classifier.py", "process.py"}
"""What a plugin owns besides its game."""


def code_lines(path: Path) -> int:
    """The lines of a file without those of docstrings, which grow with the number of options."""
    text = path.read_text("utf-8")
    docstrings = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            docstrings += node.end_lineno - node.lineno + 1
    return len(text.splitlines()) - docstrings


@pytest.mark.parametrize("folder", sorted(PLUGINS.glob("translate_*")), ids=lambda folder: folder.name)
def test_its_game_is_under_200_lines(folder: Path) -> None:
    counts = {path.name: code_lines(path) for path in folder.glob("*.py") if path.name not in PARTS}
    assert counts["__init__.py"]
    assert sum(counts.values()) < LINES, counts
