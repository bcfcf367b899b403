"""Folders of images whose outputs are classes and vectors: those of a whole batch stand in the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_translator import Identity, Tiny, TinyConfig
from torch import Tensor, nn

from translate.console import PlainConsole
from translate.contracts import Class, DataSpec, Direction, Image, Sides
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.io import Image as Picture, write
from translate.inference.translator import Translator

COLOURS = ("red", "green", "blue")


class Brightest(Tiny):
    """Says which of the three colours of an image is brightest, and how bright they are."""

    name = "brightest"
    data = Sides({"image": Image(), "colour": Class(COLOURS)}, together=(("image", "colour"),))
    directions = {
        "classify": Direction(nets=("gen",), output="class", target="colour"),
        "measure": Direction(nets=("gen",), output="vector"),
        "copy": Direction(nets=("gen",), target="image", further={"colour": "class"}),
    }

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": Identity(3)}

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: str, draw: Any) -> Any:
        image = nets.gen(inputs["image"])
        mean = image.mean((2, 3))
        return {"output": image, "colour": mean} if direction == "copy" else mean


@pytest.fixture
def translator() -> Translator:
    method = Brightest(TinyConfig(), DataSpec(Brightest.data, {"image": 3}, (8, 8)), Brightest.losses)
    return Translator(method, method.networks(None), {})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, colour in enumerate(COLOURS):
        pixels = np.full((8, 8, 3), 40, np.uint8)
        pixels[..., number] = 200
        write(folder / f"{colour}.png", Picture(pixels, mode="rgb"))
    return folder


@pytest.mark.parametrize("batch", [1, 3])
def test_a_batch_of_classes_and_one_by_one(translator: Translator, pictures: Path, batch: int) -> None:
    output = pictures.parent / "out"
    options = ConvertOptions(direction="classify", batch=batch)
    summary = convert(pictures, output, translator, options, console=PlainConsole())
    assert (summary.done, summary.failed) == (3, 0)
    assert {name: row["values"] for name, row in rows(output).items()} == {c: {"output": c} for c in COLOURS}
    again = convert(pictures, output, translator, options, console=PlainConsole())
    assert (again.done, again.kept) == (3, 3)


@pytest.mark.parametrize("batch", [1, 3])
def test_vectors_and_further_outputs_of_a_batch(translator: Translator, pictures: Path, batch: int) -> None:
    output = pictures.parent / "out"
    convert(pictures, output, translator, ConvertOptions(direction="measure", batch=batch), console=PlainConsole())
    expected = torch.tensor([40.0, 200, 40]) / 127.5 - 1
    np.testing.assert_allclose(rows(output)["green"]["values"]["output"], expected, atol=1e-6)

    both = pictures.parent / "both"
    convert(pictures, both, translator, ConvertOptions(direction="copy", batch=batch), console=PlainConsole())
    for colour in COLOURS:
        assert rows(both)[colour]["values"] == {"colour": colour}
        assert (both / f"{colour}.png").is_file()


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of a conversion by the name of the image without suffix."""
    lines = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    return {Path(row["input"]).stem: row for row in lines}
