"""The tables of docs/recipes.md: means, intervals of Student's t, and rows of the runs that are there."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import recipes
from click.testing import CliRunner

SECTION = {
    "pipeline": "facades_pix2pix.yaml",
    "profile": "plain",
    "trainings": ["train"],
    "measures": [{"title": "L1", "stage": "score", "metric": "l1"}],
    "variants": {"paper": None, "other": {"title": "another one", "profile": "cpu", "verdict": "better"}, "idea": None},
}


def finished(work: Path, variant: str, seed: int, score: float) -> None:
    """What a run leaves behind, as far as it is read."""
    profile = "cpu" if variant == "other" else "plain"
    stages = work / "facades" / variant / str(seed) / "runs" / f"facades-pix2pix@{profile}"
    (stages / "score").mkdir(parents=True)
    (stages / "train").mkdir()
    (stages / "score/scores.json").write_text(json.dumps({"scores": [{"metric": "l1", "score": score}]}))
    (stages / "train/MANIFEST.json").write_text(json.dumps({"seconds": 90}))


def test_a_row_is_the_mean_over_seeds_with_half_of_the_interval(tmp_path: Path) -> None:
    for seed, score in enumerate((1, 2, 3), 1):
        finished(tmp_path, "paper", seed, score)
    finished(tmp_path, "other", 2, 0.5)
    # 4.3027 is the 97.5 % point of Student's t with two degrees of freedom; the deviation is 1
    assert recipes.cell([1, 2, 3]) == f"2 ± {4.3027 / 3**0.5:.4g}"
    assert recipes.table("facades", SECTION, tmp_path, [1, 2, 3]) == [
        "| recipe | seeds | L1 | minutes | what it says |",
        "| --- | --- | --- | --- | --- |",
        "| paper | 3 | 2 ± 2.484 | 1.5 |  |",
        "| another one | 1 | 0.5 | 1.5 | better |",
    ]


def test_a_gain_is_the_score_above_that_of_the_inputs(tmp_path: Path) -> None:
    finished(tmp_path, "paper", 1, 28.5)
    (run,) = recipes.runs_of("facades", SECTION, tmp_path, [1], ("paper",))
    scores = [{"metric": "psnr", "score": 28.5, "copy": 27.25}, {"metric": "swd", "score": 30.0, "copy": None}]
    (run.stages / "score/scores.json").write_text(json.dumps({"scores": scores}))
    assert run.score({"stage": "score", "metric": "psnr", "over": "copy"}) == 1.25
    assert run.score({"stage": "score", "metric": "psnr"}) == 28.5


def test_a_section_has_seeds_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, "paper", 2, 0.5)
    finished(tmp_path, "paper", 42, 0.7)
    section = SECTION | {"title": "Facades", "says": "", "seeds": [42]}
    (tmp_path / "recipes.yaml").write_text(json.dumps({"intro": "", "sections": {"facades": section}}))
    monkeypatch.setattr(recipes, "HERE", tmp_path)
    told = ["--work", str(tmp_path), "--only", "facades", "--no-run"]
    assert "| paper | 1 | 0.7 |" in CliRunner().invoke(recipes.main, told).output
    assert "| paper | 1 | 0.5 |" in CliRunner().invoke(recipes.main, [*told, "--seeds", "2"]).output


def test_an_unknown_variant_or_metric_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="facades has no variant papr; it has paper, other, idea"):
        recipes.runs_of("facades", SECTION, tmp_path, [1], ("papr",))
    finished(tmp_path, "paper", 1, 1)
    (run,) = recipes.runs_of("facades", SECTION, tmp_path, [1], ("paper",))
    with pytest.raises(click.ClickException, match=r"has no psnr; it has l1"):
        run.score({"stage": "score", "metric": "psnr"})


def test_a_variant_adds_to_what_it_extends() -> None:
    variants = {
        "paper": {"title": "the paper's", "set": ["a=1", "b=1"]},
        "more": {"extends": "paper", "profile": "cpu", "set": ["b=2"]},
        "most": {"extends": "more", "title": "most"},
    }
    section = {"variants": variants}
    assert recipes.variant_of(section, "paper") == variants["paper"]
    found = recipes.variant_of(section, "most")
    assert (found["title"], found["profile"], found["set"]) == ("most", "cpu", ["a=1", "b=1", "b=2"])
