"""A part of `tests/benchmarks/mutations.py`: damaged files through a conversion, none of them unnoticed."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from data_images import benchmark


def test_no_damage_goes_unnoticed(tmp_path: Path) -> None:
    with redirect_stdout(io.StringIO()) as output:
        code = benchmark("mutations").run(tmp_path, 120, 1)
    assert code == 0, output.getvalue()


def test_the_judge_notices() -> None:
    """A half of an image is `silent`, and so is one that the others see otherwise; bytes of another image are not."""
    module = benchmark("mutations")
    whole, other = module.picture(24, 32, 0), module.picture(24, 32, 1)
    data = module.FORMS["jpeg"][1](whole)
    shown = module.independent(data)
    flipped = module.FORMS["bmp"][1](other)
    half = shown.copy()
    half[12:] = 128
    verdicts = Counter(
        module.verdict(module.Case("x", "jpeg", how, [whole]), file, made).partition(":")[0]
        for how, file, made in (
            ("cut", data, half),
            ("flip", data[: len(data) // 2] + b"\xff\xd9", half),
            ("bomb", data, shown),
            ("flip", data, np.roll(shown, 1)),
            ("flip", flipped, other),
            ("suffix", data, whole),
        )
    )
    assert verdicts == {"silent": 4, "unseen": 1, "same": 1}
