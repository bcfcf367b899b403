"""Ranges of sides: stated or found, refused where they cannot be, and what training sees of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from translate.contracts import Frames, Image
from translate.data.dataset import normalise, to_tensor
from translate.data.ranges.normalise import NormaliseConfig, SideFiles, training_split, with_range
from translate.errors import DataError
from translate.imaging.io import write

Array = np.ndarray[Any, Any]


def files(folder: Path, arrays: list[Array]) -> SideFiles:
    for number, array in enumerate(arrays):
        write(folder / f"{number}.tif", array)
    dtype: Any = str(arrays[0].dtype)
    side = Image(arrays[0].shape[2], dtype)
    return SideFiles("input", side, folder, "train", [str(number) for number in range(len(arrays))])


def images(dtype: Any = np.float32) -> list[Array]:
    rng = np.random.default_rng(0)
    return [(rng.random((8, 9, 5)) * [1, 10, 100, 1000, 3] * number).astype(dtype) for number in range(1, 4)]


def test_floats_get_their_extremes_and_integers_their_type(tmp_path: Path) -> None:
    (tmp_path / "ints").mkdir()
    side, said = with_range(files(tmp_path, images()), None, 2)
    samples = np.concatenate([image.reshape(-1, 5) for image in images()])
    assert side == Image(5, "float32", tuple(zip(samples.min(0).tolist(), samples.max(0).tolist(), strict=True)))
    assert len(said) == 1 and said[0].startswith("side input: 0.0") and "(percentiles 0 and 100 of train)" in said[0]
    whole = files(tmp_path / "ints", images(np.uint16))
    assert with_range(whole, None, 2) == (Image(5, "uint16"), [])


def test_percentiles_are_those_of_each_band(tmp_path: Path) -> None:
    side, _ = with_range(files(tmp_path, images(np.uint16)), NormaliseConfig(percentiles=(2, 98)), 2)
    samples = np.concatenate([image.reshape(-1, 5) for image in images(np.uint16)])
    low = np.percentile(samples, 2, axis=0, method="lower")
    high = np.percentile(samples, 98, axis=0, method="higher")
    assert isinstance(side, Image) and side.range is not None and np.array_equal(np.array(side.range).T, [low, high])


def test_a_stated_range_is_that_of_all_bands_or_of_each(tmp_path: Path) -> None:
    each = files(tmp_path, images())
    for stated, ranges in (((0, 4000), ((0, 4000),)), (tuple((n, n + 1) for n in range(5)),) * 2):
        side, said = with_range(each, NormaliseConfig.model_validate({"range": stated}), 2)
        assert isinstance(side, Image) and side.range == ranges and "(as stated)" in said[0]
    with pytest.raises(DataError, match="side 'input' has 5 bands, and `normalise` states the ranges of 2"):
        with_range(each, NormaliseConfig(range=((0, 1), (0, 2))), 2)


def test_all_frames_of_a_key_count(tmp_path: Path) -> None:
    for key in range(2):
        for frame in range(3):
            write(tmp_path / f"{key}.{frame}.tif", np.full((4, 4, 1), 10 * key + frame, np.float32))
    side, _ = with_range(SideFiles("clip", Frames(3, 1, "float32"), tmp_path, "train", ["0", "1"]), None, 1)
    assert side == Frames(3, 1, "float32", ((0.0, 12.0),))
    values = normalise(torch.tensor([[[[[0.0, 6.0, 12.0, 13.0]]]]]), side)
    assert values.tolist() == [[[[[-1, 0, 1, 1]]]]]


def test_a_constant_band_is_said(tmp_path: Path) -> None:
    arrays = images()
    for array in arrays:
        array[..., 1] = 0.5
    side, (_, constant) = with_range(files(tmp_path, arrays), None, 2)
    assert isinstance(side, Image) and side.range is not None and side.range[1] == (0.5, 1.5)
    assert constant == "side input: band 2 (0.5) of the training images holds one value alone, which becomes -1"


def test_values_too_far_apart_need_a_range(tmp_path: Path) -> None:
    wide = np.array([[[-3e38], [3e38]]], np.float32)
    with pytest.raises(DataError, match="side 'input' has values from -3e\\+38 to 3e\\+38: state a `range`"):
        with_range(files(tmp_path, [wide]), None, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give one of `range` and `percentiles`"),
        ({"range": [0, 1], "percentiles": [0, 100]}, "give one of"),
        ({"range": [1, 1]}, "the lower value comes first"),
        ({"range": [[0, 1], [2, 1]]}, "the lower value comes first"),
        ({"percentiles": [99, 1]}, "the lower value comes first"),
        ({"percentiles": [0, 101]}, "less than or equal to 100"),
        ({"range": [1e9, 1e9 + 1]}, "as float32 there is no range"),
        ({"range": [-1e39, 1e39]}, "as float32 there is no range"),
        ({"range": [float("nan"), 1]}, "the lower value comes first"),
        ({"range": []}, "range"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NormaliseConfig.model_validate(options)


def test_the_training_split_states_the_range() -> None:
    assert training_split(("test", "train")) == "train" and training_split(("even", "odd")) == "even"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_training_sees_the_range_as_minus_one_to_one(dtype: Any) -> None:
    array = np.array([[[0, 10], [50, 20], [100, 30], [200, 60]]], dtype)
    side = Image(2, np.dtype(dtype).name, ((0.0, 100.0), (10.0, 30.0)))  # type: ignore[arg-type]
    values = normalise(to_tensor(array), side)
    assert values.dtype == torch.float32
    assert values.tolist() == [[[-1, 0, 1, 1]], [[-1, 0, 1, 1]]]  # what lies outside is clipped
