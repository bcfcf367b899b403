"""The page of results: every figure that it asks for is one that its recipe makes, and all sheets are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from translate.pipeline.schema import load

ROOT = Path(__file__).parents[2]
SECTIONS = yaml.safe_load((ROOT / "docs/results.yaml").read_text())["sections"]


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
    for section in SECTIONS:
        assert f"## {section['title']}\n" in page
        for row in section["rows"]:
            assert f"| {row['measure']} |" in page
    sheets = {line.partition("](")[2].rstrip(")") for line in page.splitlines() if line.startswith("![")}
    assert len(sheets) == len(SECTIONS)
    assert all((ROOT / "docs" / sheet).stat().st_size > 10_000 for sheet in sheets)
