"""Some of the sizes of `tests/benchmarks/sizes.py`: the smallest, the odd, and the long."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_images import benchmark

SIZES = [(1, 1), (1, 2), (2, 1), (3, 3), (7, 40), (40, 7), (15, 16), (16, 17), (33, 31), (1, 600), (600, 1)]


@pytest.mark.parametrize("network", ["unet_256", "resnet_6"])
def test_every_size_comes_out_as_it_was(network: str, tmp_path: Path) -> None:
    done, refused = benchmark("sizes").check(network, SIZES, tmp_path)
    assert (done, refused) == (len(SIZES), {})
