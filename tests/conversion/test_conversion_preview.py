"""`--dry-run` computes nothing: no network is called, nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from translate.console import PlainConsole
from translate.conversion.convert import convert, preview
from translate.conversion.options import ConvertOptions
from translate.imaging.io import write


class Counting(nn.Module):
    """A network that counts its calls."""

    multiple = 1
    calls = 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return image


@pytest.mark.parametrize("precision", ["auto", None])
def test_a_dry_run_calls_no_network(
    precision: Any, tmp_path: Path, make: Callable[..., Any], told: PlainConsole
) -> None:
    for i in range(9):
        (tmp_path / "in").mkdir(exist_ok=True)
        write(tmp_path / "in" / f"{i}.png", np.full((8, 8, 3), 20 * i, np.uint8))
    net, options = Counting(), ConvertOptions(precision=precision)
    translator = make(nets={"gen": net})
    rows = list(preview(tmp_path / "in", tmp_path / "out", translator, options, console=told))
    assert [row for _, row in rows] == [None] * 9
    assert net.calls == 0
    assert not (tmp_path / "out").exists()
    convert(tmp_path / "in", tmp_path / "out", translator, options, console=told)
    assert net.calls > 0
