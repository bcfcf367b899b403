"""Values that fill a small part of their range are said, with the way out; those that fill it are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from translate.data.ranges.fill import fill_remark
from translate.pipeline import check, run

RNG = np.random.default_rng(3)


def spread(low: float, high: float, dtype: str, bands: int = 1) -> Any:
    y, x = np.mgrid[:48, :48] / 47
    wave = (np.sin(9 * x) * np.cos(7 * y) + 1) / 2
    return (low + (high - low) * np.dstack([wave] * bands)).astype(dtype)


@pytest.mark.parametrize(
    ("image", "share", "ways"),
    [
        (spread(0, 4095, "uint16"), "6.2 %", ["white: 4095", "12 bits", "normalise: {a: {percentiles"]),
        (spread(0, 1023, "uint16", 3), "1.6 %", ["white: 1023", "10 bits"]),
        (spread(28_950, 31_200, "uint16"), "3.4 %", ["28,95", "31,1", "normalise"]),
        (spread(0, 6, "uint8"), "2 %", ["normalise"]),
    ],
)
def test_integers_that_fill_little_of_their_type(image: Any, share: str, ways: list[str]) -> None:
    sentence = fill_remark("a", [image, image], None)
    assert sentence and share in sentence and all(way in sentence for way in ways)
    assert ("white" in sentence) == (ways[0].startswith("white"))


def test_floats_whose_range_an_outlier_widens() -> None:
    decibels = spread(-25, 3, "float32")
    assert fill_remark("a", [decibels], [(-25.0, 3.0)]) is None
    decibels[:7, :7] = -9999  # 2 % of the pixels, no data that nobody declared
    sentence = fill_remark("a", [decibels], [(-9999.0, 3.0)])
    assert sentence and "between -2" in sentence and "normalise: {a:" in sentence


def test_what_fills_its_range_is_not_spoken_of() -> None:
    drawing = np.full((64, 64, 1), 255, np.uint8)
    drawing[30] = 0  # one line on white
    assert fill_remark("a", [drawing], None) is None
    assert fill_remark("a", [RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)], None) is None
    assert fill_remark("a", [spread(0, 65535, "uint16")], None) is None
    scan = np.full((64, 64, 1), 1.0, np.float32)
    scan[10:14] = 0
    assert fill_remark("a", [scan], [(0.0, 1.0)]) is None


def test_bands_are_judged_one_by_one() -> None:
    image = np.dstack([spread(0, 65535, "uint16"), spread(900, 1100, "uint16"), *[spread(0, 65535, "uint16")] * 3])
    sentence = fill_remark("a", [image], None)
    assert sentence and "1 of 5 bands (2)" in sentence and "white" not in sentence


def test_check_and_preparing_say_it_and_a_stated_range_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        for side in "ab":
            Path(side).mkdir(exist_ok=True)
            tifffile.imwrite(Path(side) / f"{number}.tif", np.roll(spread(0, 4000, "uint16")[..., 0], number))
    stage = {"uses": "preprocess", "with": {"source": {"uses": "pairs", "a": "a", "b": "b"}}}
    pipeline: dict[str, Any] = {"version": 1, "name": "p", "stages": {"prepare": stage}}
    notes = check(pipeline)
    assert len(notes) == 2 and all("white: 4095" in note for note in notes)
    run(pipeline)
    assert capsys.readouterr().err.count("white: 4095") >= 2
    stage["with"]["white"] = 4095  # type: ignore[index]
    assert check(pipeline) == []
    run(pipeline)
    assert "hardly any contrast" not in capsys.readouterr().err
    del stage["with"]["white"]  # type: ignore[attr-defined]
    stage["with"]["normalise"] = {  # type: ignore[index]
        "input": {"percentiles": [0, 100]},
        "target": {"range": [0, 4000]},
    }
    assert check(pipeline) == []
    run(pipeline)
    assert "hardly any contrast" not in capsys.readouterr().err
