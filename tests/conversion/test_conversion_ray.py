"""The same folder through Ray: the same bytes and the same rows."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from translate.cli import main
from translate.imaging.io import write

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bundles import TINY, write as write_model

DRAW = np.random.default_rng(13)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_gives_the_same_files_and_rows(tmp_path, monkeypatch):
    model = write_model(tmp_path / "model", TINY)
    for number in range(70):
        path = tmp_path / "in" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, DRAW.integers(0, 256, (16 + 4 * (number % 3), 20, 3), dtype=np.uint8))
    (tmp_path / "in/a/broken.png").write_bytes(b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    outcomes = {}
    for engine in ("local", "ray"):
        done = CliRunner().invoke(main, ["convert", "in", engine, "--model", str(model), "--engine", engine, "--json"])
        assert done.exit_code == 3, done.output
        lines = [json.loads(line) for line in (tmp_path / engine / "results.jsonl").read_text().splitlines()]
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in lines]
        files = {p.relative_to(tmp_path / engine): p.read_bytes() for p in (tmp_path / engine).rglob("*.png")}
        outcomes[engine] = rows, files, sorted(p.name for p in (tmp_path / engine).iterdir())
    assert outcomes["local"] == outcomes["ray"] and len(outcomes["ray"][1]) == 70
    again = CliRunner().invoke(main, ["convert", "in", "ray", "--model", str(model), "--engine", "ray", "--json"])
    assert json.loads(again.stdout)["kept"] == 70
