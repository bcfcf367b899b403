"""The page of results: every figure that it asks for is one that its recipe makes, and one command makes the page."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml

from translate.pipeline.schema import load

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "docs/results.yaml").read_text())
SECTIONS = CONTENT["sections"]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section["title"])
def test_every_cell_names_a_metric_of_a_stage(section: dict[str, Any]) -> None:
    stages = {
        run: {name: node.plain() for name, node in load(ROOT / use["file"], use.get("profile")).stages()}
        for run, use in section["runs"].items()
    }
    for row in section["rows"]:
        for place in row["ours"].values():
            run, stage, *_ = place.split("/")
            metrics = stages[run][stage]["with"]["metrics"]
            names = [metric if isinstance(metric, str) else metric["uses"] for metric in metrics]
            short = tuple(name.rpartition("/")[2] for name in names)
            assert row["metric"].startswith(short), (place, row["metric"], names)
    for place in section["sheet"]:
        run, stage = place.split("/")
        assert stages[run][stage]["uses"] == "infer"


def test_the_page_holds_every_section_and_its_sheet() -> None:
    page = (ROOT / "docs/results.md").read_text()
    assert CONTENT["intro"].strip() in page
    for section in SECTIONS:
        assert f"## {section['title']}\n" in page
        for words in ("data", "protocol", "differs", "seen", "caption"):
            assert " ".join(section[words].split()) in page, (section["title"], words)
        for row in section["rows"]:
            assert f"| {row['measure']} |" in page
    sheets = {line.partition("](")[2].rstrip(")") for line in page.splitlines() if line.startswith("![")}
    assert len(sheets) == len(SECTIONS)
    assert all((ROOT / "docs" / sheet).stat().st_size > 10_000 for sheet in sheets)


def results(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run([ROOT / "docs/results.py", *arguments], folder)


@pytest.mark.slow
def test_one_command_trains_scores_and_writes_the_page(tmp_path: Path) -> None:
    """From nothing; a second one trains nothing anew and writes the same page."""
    arguments = ["--only", "inpainting", "--steps", "2", "--output", "page"]
    done = results(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "page/results.md").read_text()
    assert "**No results: every training ended after 2 steps.**" in page
    assert "train 2 steps of 16 in" in page
    (row,) = (line for line in page.splitlines() if line.startswith("| hole: PSNR (dB) |"))
    assert all(float(cell) > 5 for cell in row.split("|")[2:4])
    assert page.count("\n## ") == 1
    assert (tmp_path / "page/sheets/inpainting.jpg").stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    again = results(tmp_path, *arguments)
    assert "nothing to do" in (again.stdout + again.stderr).lower()
    assert (tmp_path / "page/results.md").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "2"], "give --output FOLDER"),
        (["--only", "inpainting", "--output", str(ROOT / "docs")], "give --output FOLDER"),
        (["--only", "nonsense", "--output", "page"], "no section is called so; there are pix2pix"),
    ],
)
def test_a_part_of_the_page_does_not_replace_it(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = results(tmp_path, *arguments)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert says in done.stderr


def test_a_page_without_runs_says_which_is_missing(tmp_path: Path) -> None:
    done = results(tmp_path, "--no-run", "--only", "inpainting", "--output", "page")
    assert done.returncode == 1
    assert "runs/inpainting@quick is not there; without --no-run it is made" in done.stderr
