"""Every shipped pipeline checks, plans, and runs two steps of its quick profile through the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from click.testing import CliRunner

import translate
from translate.cli import main
from translate.pipeline.schema import load

RECIPES = sorted((Path(__file__).parents[2] / "pipelines").glob("*.yaml"))
SMALL = ["train=8", "val=2", "test=4"]
CLASSES = {"train=8": "train=64"}
"""Recipes on portraits score by a classifier, which learns from some images of each class."""


def quick(recipe: Path) -> list[str]:
    wanted = [CLASSES.get(size, size) if recipe.stem.startswith("portraits") else size for size in SMALL]
    sizes = [a for size in wanted for a in ("--set", f"stages.prepare.with.source.{size}")]
    stages = dict(load(recipe).stages())
    trained = [name for name, stage in stages.items() if stage.plain()["uses"] == "train"]
    short = [a for name in trained for a in ("--set", f"stages.{name}.with.max_steps=2")]
    return [str(recipe), "--profile", "quick", *short, *sizes]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_every_recipe_checks_in_all_its_profiles(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from translate.pipeline import check

    monkeypatch.chdir(tmp_path)
    check(recipe)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_every_recipe_says_how_to_launch_it(recipe: Path) -> None:
    header = recipe.read_text().split("version:")[0]
    assert f"translate run pipelines/{recipe.name}" in header
    assert "--profile quick" in header


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_every_recipe_runs_two_steps_and_then_has_nothing_to_do(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = CliRunner().invoke(main, ["plan", *quick(recipe), "--json"])
    assert planned.exit_code == 0, planned.output
    assert {s["state"] for s in json.loads(planned.stdout)["stages"]} <= {"absent", "waits"}

    ran = warm.translate(tmp_path, "run", *quick(recipe))
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr + ran.stdout
    (home,) = (tmp_path / "runs").glob("*@quick")
    scores = json.loads((home / "score" / "scores.json").read_text())
    assert scores
    assert list((home / "convert" / "images").rglob("*.png"))
    assert (home / "report.html").stat().st_size > 10_000
    assert (tmp_path / "mlflow.db").is_file()

    again = CliRunner().invoke(main, ["run", *quick(recipe)])
    assert again.exit_code == 0, again.output
    assert "nothing to do" in again.output.lower()


@pytest.mark.slow
def test_the_script_that_times_them(tmp_path: Path) -> None:
    """A run that takes longer than it may, and one that fails."""
    script = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "quick.py"), "--limit", "0.1"]
    short = quick(RECIPES[0].parent / "inpainting.yaml")[3:]
    for arguments, code in ((short, 0), (["--set", "stages.train.with.epochs=none"], 2)):
        command = [*script, "inpainting", "--", *arguments]
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        head, row, verdict = done.stdout.splitlines()
        assert head.split()[:1] + head.split()[-2:] == ["pipeline", "exit", "scores"]
        assert row.split()[0] == "inpainting"
        assert (row.split()[4], "score/hole-psnr" in row) == (str(code), code == 0)
        assert ("more than 0" in verdict) == (code == 0)
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_finished_recipe_imports_nothing_heavy(tmp_path: Path) -> None:
    """An up-to-date `run` and a `check` of a real recipe load no mlflow, kornia or albumentations."""
    recipe = next(r for r in RECIPES if r.stem == "maps_cyclegan")
    arguments = [*quick(recipe), "--set", "tracking=none"]
    assert warm.translate(tmp_path, "run", *arguments).returncode == 0
    code = (
        "import sys\nfrom translate.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('mlflow', 'kornia', 'albumentations') if m in sys.modules])"
    )
    for command in ("check", "run"):
        done = subprocess.run(
            [sys.executable, "-c", code, command, *arguments],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout + done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_the_public_names_are_all_there() -> None:
    for name in translate.__all__:
        assert getattr(translate, name) is not None
