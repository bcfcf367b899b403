"""Two folders as sets: sizes that differ, partners that are missing, copies, and floors of equal numbers of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import evaluated, folder

from translate.errors import DataError
from translate.metrics.images import Images, by_key
from translate.metrics.two_sample import SWD, SWDConfig


def test_equal_names_with_unequal_sizes_are_scored_as_sets(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(12))
    larger = folder(tmp_path / "larger", range(12), lambda pixels: np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge"))
    found = evaluated(larger, real)
    assert [score.metric for score in found.scores if "/" not in score.metric] == ["swd", "kd-random", "c2st-1nn"]
    assert not found.paired and not found.cases and "size" in {leak.kind for leak in found.leaks}
    assert len(found.warnings) == 1
    assert "image 000: the output is 66 x 66" in found.warnings[0] and "left out: l1, psnr, ssim" in found.warnings[0]
    with pytest.raises(
        DataError, match=r"the output is 66 x 66 .*; the images of A have 66 x 66 pixels, and those of B"
    ):
        evaluated(larger, real, "psnr")


def test_a_missing_partner_is_told_and_the_sets_stay_independent(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(40))
    near = folder(tmp_path / "near", range(40), lambda pixels: np.clip(pixels, 1, 254))
    (near / "017.png").rename(near / "other.png")
    found = evaluated(near, real)
    assert not found.paired and "'017' in B alone, 'other' in A alone: 39 images" in found.warnings[0]
    accuracy = next(score for score in found.scores if score.metric == "c2st-1nn")
    assert 0.2 < accuracy.value < 0.8 and accuracy.images == (20, 20)
    assert "20 against 20 images" in found.verdict.text, "the true number"


def test_copies_under_other_names_are_named(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(40))
    copied = folder(tmp_path / "copied", range(40), lambda pixels: np.clip(pixels, 1, 254), name="c")
    found = evaluated(copied, real, "c2st-1nn")
    leak = next(leak for leak in found.leaks if leak.kind == "copies")
    assert all(f"'c{number}' and '{number}'" in leak.told for number in _numbers(leak.told))
    assert "copies of one another" in found.verdict.text
    other = folder(tmp_path / "others", range(100, 140), name="c")
    assert "copies" not in {leak.kind for leak in evaluated(other, real, "c2st-1nn").leaks}


def _numbers(told: str) -> list[str]:
    """The names of B in a leak, of which there are three."""
    numbers = [part.split("'")[1] for part in told.split(" and ")[2:]]
    assert len(numbers) == 3
    return numbers


def test_the_floor_stands_beside_a_score_of_as_many_images(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(20))
    ours = folder(tmp_path / "ours", range(100, 120), name="s")
    swd = evaluated(ours, real, "swd").scores[0]
    assert swd.floor_images == 10 and swd.images == (20, 20)
    outputs, references = (Images(list(by_key(path).values())) for path in (ours, real))
    expected = SWD(SWDConfig()).score([outputs[i] for i in range(0, 20, 2)], [references[i] for i in range(1, 20, 2)])
    assert swd.same_count == pytest.approx(expected)
    more = folder(tmp_path / "more", range(200, 206))
    swd = evaluated(ours, real, "swd", real=more).scores[0]
    assert swd.floor_images == 6 and swd.same_count != swd.value
    pairs = evaluated(folder(tmp_path / "near", range(20)), real, "swd", "mmd")
    mmd = next(score for score in pairs.scores if score.metric == "mmd")
    assert mmd.images == (10, 10) and mmd.same_count == pytest.approx(mmd.value), "both are of the same halves"
    assert torch.isfinite(torch.tensor(mmd.floor))
