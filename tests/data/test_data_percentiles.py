"""Percentiles of a set of images, against numpy's of all samples at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from translate.data.ranges.percentiles import ranges_of

Array = np.ndarray[Any, Any]


def images(dtype: Any, bands: int) -> list[Array]:
    rng = np.random.default_rng(bands)
    result = []
    for number in range(5):
        shape = (7 + number, 9, bands)
        if dtype == np.float32:
            wide = rng.normal(0, 1, shape) * 10.0 ** rng.integers(-30, 30, shape)
            wide[0, 0] = -0.0
            result.append(wide.astype(np.float32))
        else:
            result.append(rng.integers(0, np.iinfo(dtype).max // (1 + number), shape).astype(dtype))
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 6, 65])
@pytest.mark.parametrize("percentiles", [(0, 100), (1, 99), (0, 99.5), (2.5, 50), (50, 50), (100, 100)])
def test_percentiles_are_numpys(dtype: Any, bands: int, percentiles: tuple[float, float]) -> None:
    each = images(dtype, bands)
    readings = 0

    def read() -> Iterator[Array]:
        nonlocal readings
        readings += 1
        yield from each

    ranges = ranges_of(read, percentiles)
    samples = np.concatenate([image.reshape(-1, bands) for image in each])
    low = np.percentile(samples, percentiles[0], axis=0, method="lower")
    high = np.percentile(samples, percentiles[1], axis=0, method="higher")
    assert np.array_equal(np.array(ranges).T, [low, high])
    once = {np.uint8: 1, np.uint16: 1 if bands < 65 else 2, np.float32: 2 if bands < 65 else 4}
    assert readings == (1 if percentiles == (0, 100) else 1 + once[dtype])  # one image of the first tells the format
