"""Planning from what the last planning learnt: quick where nothing changed, and never where something did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import translate.pipeline
from translate.pipeline import plan
from translate.pipeline.plan_cache import PlanCache
from translate.pipeline.schema import load

PIPELINE = """\
version: 1
name: pairs
tracking: none
stages:
  prepare:
    uses: preprocess
    with:
      source: {uses: folders, root: photos, layout: split/side}
      transforms: [{uses: resize, size: 16}]
  train:
    uses: train
    needs: {data: prepare}
    with: {method: cyclegan, epochs: 2}
"""


def fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(folder / "one.png")


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pipelines that were checked in full, in a folder with `pairs.yaml` and its images."""
    monkeypatch.chdir(tmp_path)
    Path("pairs.yaml").write_text(PIPELINE)
    for side in ("A", "B"):
        fill(Path("photos/train") / side)
    full: list[str] = []
    planner = translate.pipeline._planner

    def counted(pipeline: Any, registry: Any) -> Any:
        full.append(pipeline.title)
        return planner(pipeline, registry)

    monkeypatch.setattr(translate.pipeline, "_planner", counted)
    return full


def test_a_second_planning_says_the_same_without_a_check(checks: list[str]) -> None:
    first, second = plan("pairs.yaml"), plan("pairs.yaml")
    assert [stage.to_json() for stage in second] == [stage.to_json() for stage in first]
    assert [stage.outline.options for stage in second] == json.loads(json.dumps([s.outline.options for s in first]))
    assert len(checks) == 1


def new_split() -> None:
    fill(Path("photos/test/A"))
    fill(Path("photos/test/B"))


def another_option() -> None:
    Path("pairs.yaml").write_text(Path("pairs.yaml").read_text().replace("epochs: 2", "epochs: 3"))


def variable() -> None:
    os.environ["TRANSLATE_DATA"] = "elsewhere"


@pytest.mark.parametrize("change", [new_split, another_option, variable])
def test_a_change_is_checked_again(
    change: Callable[[], None], checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSLATE_DATA", "data")
    plan("pairs.yaml")
    change()
    plan("pairs.yaml")
    assert len(checks) == 2


def test_a_changed_image_makes_the_stage_stale_without_a_check(checks: list[str]) -> None:
    before = plan("pairs.yaml")[0].fingerprint
    Image.fromarray(np.full((16, 16, 3), 91, np.uint8)).save("photos/train/A/one.png")
    assert plan("pairs.yaml")[0].fingerprint != before


def test_changed_source_of_a_plugin_is_checked_again(checks: list[str], tmp_path: Path) -> None:
    source = tmp_path / "plugin.py"
    source.write_text("x = 1\n")
    planned = plan("pairs.yaml")
    cache = PlanCache(Path("runs"), load(Path("pairs.yaml")))
    cache.save({stage.name: stage.outline for stage in planned}, [source])
    assert cache.load() is not None
    source.write_text("x = 22\n")
    assert cache.load() is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"key": 1, "stats": 2, "stages": 3}'])
def test_a_damaged_file_costs_time_and_nothing_else(content: str, checks: list[str]) -> None:
    first = plan("pairs.yaml")
    (file,) = Path("runs/.cache").glob("plan-*.json")
    file.write_text(content)
    assert [stage.to_json() for stage in plan("pairs.yaml")] == [stage.to_json() for stage in first]
    assert len(checks) == 2


def test_planning_again_imports_no_torch(checks: list[str]) -> None:
    code = (
        "import sys; from translate.cli import main\n"
        "main(['plan', 'pairs.yaml'], standalone_mode=False)\n"
        "print('torch' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert [lines[-1] for lines in said] == ["True", "False"]
    assert said[0][:-1] == said[1][:-1]
