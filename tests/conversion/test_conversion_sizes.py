"""Outputs that are too large for their format are refused from headers, before a network has done anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from torch import nn

from translate.contracts import Direction
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions

DRAW = np.random.default_rng(0)


@pytest.fixture
def larger(make: Any, tiny: Any) -> Any:
    """A translator that makes four times as many rows and columns, and the heights that it has seen."""
    heights: list[int] = []

    class Larger(tiny):  # type: ignore[misc]
        directions = {"up": Direction(nets=("gen",), scale=4)}

        def translate(self, nets: Any, inputs: Any, direction: Any, draw: Any) -> Any:
            heights.append(inputs["image"].shape[2])
            return nn.functional.interpolate(nets.gen(inputs["image"]), scale_factor=4)

    return make(Larger), heights


def picture(path: Path, height: int, width: int, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = DRAW.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).save(path, **options)


@pytest.mark.parametrize(
    ("name", "size"), [("tall.webp", (4200, 8)), ("wide.webp", (8, 4096)), ("wide.jpg", (4, 16384))]
)
def test_nothing_is_computed_for_what_no_file_holds(
    larger: Any, told: Any, tmp_path: Path, name: str, size: Any
) -> None:
    translator, heights = larger
    picture(tmp_path / "in" / name, *size)
    summary = convert(tmp_path / "in", tmp_path / "out", translator, console=told)
    assert summary.failed == 1 and heights == []
    (row,) = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    most = "16,383" if name.endswith("webp") else "65,535"
    assert f"which holds {most} a side at most" in row["reason"] and "--format png" in row["reason"]
    alone = convert(tmp_path / "in" / name, tmp_path / f"x{Path(name).suffix}", translator, console=told)
    assert alone.failed == 1 and heights == [] and not (tmp_path / f"x{Path(name).suffix}").exists()


def test_other_formats_and_images_beside_it_are_made(larger: Any, told: Any, tmp_path: Path) -> None:
    translator, heights = larger
    picture(tmp_path / "in/tall.webp", 4200, 8)
    picture(tmp_path / "in/b.webp", 40, 8)
    summary = convert(tmp_path / "in", tmp_path / "out", translator, console=told)
    assert (summary.done, summary.failed) == (1, 1) and {*heights} == {40}
    summary = convert(tmp_path / "in", tmp_path / "png", translator, ConvertOptions(format="png"), console=told)
    assert (summary.done, summary.failed) == (2, 0)
    with Pillow.open(tmp_path / "png/tall.png") as file:
        assert file.size == (32, 16800)


def test_pages_are_looked_at_before(larger: Any, told: Any, tmp_path: Path) -> None:
    translator, heights = larger
    frames = [Pillow.fromarray(DRAW.integers(0, 256, (4200, 8, 3), dtype=np.uint8)) for _ in range(2)]
    (tmp_path / "in").mkdir()
    frames[0].save(tmp_path / "in/a.webp", save_all=True, append_images=frames[1:])
    summary = convert(tmp_path / "in", tmp_path / "out", translator, ConvertOptions(pages="all"), console=told)
    assert summary.failed == 1 and heights == []
