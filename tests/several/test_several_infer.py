"""Data that holds an input several times gets as many answers to it from a method that draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from translate.contracts import TestTime
from translate.conversion.convert import convert_items
from translate.conversion.dataset_split import plan_earlier
from translate.conversion.options import ConvertOptions
from translate.imaging.io import read, write


def test_equal_inputs_side_by_side_get_the_answers_in_their_order(
    make: Callable[..., Any], told: Any, tmp_path: Path
) -> None:
    draw = np.random.default_rng(2)
    pictures = [draw.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(2)]
    places = {"00/0": 0, "00/1": 0, "00/2": 0, "01/0": 1, "02/0": 0}
    for name, which in places.items():
        path = tmp_path / "earlier" / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, pictures[which])
    noisy = make(nets={"gen": nn.Sequential(nn.Dropout(0.5))}, test_time=TestTime(dropout=True), seed=3)
    work = plan_earlier(tmp_path / "earlier", noisy.route(), noisy, tmp_path / "out")
    convert_items(work, noisy, ConvertOptions(), console=told)
    samples = {"00/0": 0, "00/1": 1, "00/2": 2, "01/0": 0, "02/0": 0}
    outputs = {name: read(tmp_path / "out" / "images" / f"{name}.png").pixels for name in places}
    for name, number in samples.items():
        expected = noisy.translate_image(read(tmp_path / "earlier" / "images" / f"{name}.png"), sample=number)
        assert np.array_equal(outputs[name], expected.pixels), name
    assert not np.array_equal(outputs["00/0"], outputs["00/1"])
    assert np.array_equal(outputs["00/0"], outputs["02/0"])
