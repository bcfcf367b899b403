"""The page of results: every figure that it asks for is one that its recipe makes, and one command makes the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml
from click.testing import CliRunner
from results import main as page_of_results

from translate.pipeline.schema import load
from translate.plugins import Registry

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "docs/results.yaml").read_text())
SECTIONS = CONTENT["sections"]
REGISTRY = Registry()


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
    for block in section["sheet"]:
        for place in block["columns"].values():
            run, stage, *_ = place.split("/")
            assert stages[run][stage]["uses"] == "infer", place
        for place in block.get("by", {}).values():
            run, stage, name = place.split("/")
            uses = [
                metric if isinstance(metric, str) else metric["uses"]
                for metric in stages[run][stage]["with"]["metrics"]
            ]
            (use,) = (each for each in dict.fromkeys(uses) if each.rpartition("/")[2] == name)
            metric = REGISTRY.get("metrics", use)
            assert metric.paired or metric.mean_of_images, place


@pytest.mark.parametrize("only", [[], ["--only", "inpainting"]])
def test_without_runs_the_pages_are_those_of_their_texts_and_of_what_they_hold(
    only: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text of results.yaml stands on the page, and the gallery is that of the page."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs/results.md", tmp_path)
    done = CliRunner().invoke(page_of_results, ["--no-run", *only, "--output", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for name in ("results.md", "gallery.md"):
        assert (tmp_path / name).read_text("utf-8") == (ROOT / "docs" / name).read_text("utf-8")


def test_the_page_and_the_gallery_hold_every_section_and_its_sheet() -> None:
    page, gallery = ((ROOT / "docs" / name).read_text("utf-8") for name in ("results.md", "gallery.md"))
    for section in SECTIONS:
        assert f"## {section['title']}\n" in page
        assert f"## {section['title']}\n" in gallery
        for row in section["rows"]:
            assert f"| {row['measure']} |" in page
        for run in section["runs"].values():
            assert f"](../{run['file']})" in gallery
            assert (ROOT / run["file"]).is_file()
    sheets = re.findall(r"^!\[.*\]\((.*)\)$", page, re.MULTILINE)
    assert len(sheets) == len(SECTIONS)
    assert sheets == re.findall(r"^!\[.*\]\((.*)\)$", gallery, re.MULTILINE)
    assert all((ROOT / "docs" / sheet).stat().st_size > 10_000 for sheet in sheets)
    assert page.count("Rows: ") == len(SECTIONS)
    assert CONTENT["first_row"]["section"] in [section["title"] for section in SECTIONS]
    assert f"](docs/{CONTENT['first_row']['picture']})" in (ROOT / "README.md").read_text("utf-8")


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
    assert (tmp_path / "page/sheets/inpainting.png").stat().st_size > 1000
    assert "the best, the median and the worst of 16 by PSNR in the hole" in (tmp_path / "page/gallery.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    again = results(tmp_path, *arguments)
    assert "nothing to do" in (again.stdout + again.stderr).lower()
    assert (tmp_path / "page/results.md").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "2"], "give --output FOLDER"),
        (["--steps", "2", "--only", "inpainting", "--output", str(ROOT / "docs")], "give --output FOLDER"),
        (["--only", "nonsense", "--output", "page"], "no section is called so; there are pix2pix"),
    ],
)
def test_what_is_no_result_does_not_replace_the_page(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = results(tmp_path, *arguments)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert says in done.stderr


def test_a_page_without_runs_says_which_is_missing(tmp_path: Path) -> None:
    done = results(tmp_path, "--no-run", "--only", "inpainting", "--output", "page")
    assert done.returncode == 1
    assert "runs/inpainting@quick is not there; without --no-run it is made" in done.stderr
