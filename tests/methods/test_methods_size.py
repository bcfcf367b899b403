"""A method plugin reads like its paper: each of its games is under 200 lines, the words about its options aside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
LINES = 200
PARTS = {"networks.py", "layouts.py", "metrics.py", "classifier.py", "process.py"}
PARTS |= {"degradation.py", "draws.py", "blur.py", "jpeg.py"}
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


def is_a_game(path: Path) -> bool:
    """Says whether a file defines the training step of a method."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return any(isinstance(node, ast.FunctionDef) and node.name == "step" for node in nodes)


@pytest.mark.parametrize("folder", sorted(PLUGINS.glob("translate_*")), ids=lambda folder: folder.name)
def test_each_of_its_games_is_under_200_lines(folder: Path) -> None:
    """A file with games counts with all files that only help; a file with other games does not."""
    counts = {path: code_lines(path) for path in folder.glob("*.py") if path.name not in PARTS}
    games = [path for path in counts if is_a_game(path)]
    shared = sum(lines for path, lines in counts.items() if path not in games)
    assert games
    assert {path.name: shared + counts[path] for path in games if shared + counts[path] >= LINES} == {}
