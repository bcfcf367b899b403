"""A small part of the check of GPUs, on a processor: it runs, passes, and fails where something differs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import check
import games
import numbers_of


def test_a_part_of_the_check_passes_on_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--device", "cpu", "--tiny", "--sections", "correctness,waits"]) == 0
    said = capsys.readouterr().out
    assert "| pix2pix: 4 steps in fp32 as on the processor | pass | bit for bit |" in said
    assert "3 of 3 rows without a fault" in said


def test_a_difference_and_a_fault_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gap = games.difference([{"l1": 1.0}, {"l1": 1.0}], [{"l1": 1.0}, {"l1": 1.1}])
    assert (gap.first, gap.small) == (0.0, False)

    def broken(options: Any) -> Any:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setitem(check.SECTIONS, "resume", broken)
    assert check.main(["--device", "cpu", "--sections", "resume"]) == 1
    assert "| resume | FAIL | RuntimeError: out of memory |" in capsys.readouterr().out
    assert numbers_of.STEPS >= 4, "long enough for a recording to begin"


def test_a_device_that_is_not_here_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check.main(["--device", "xpu:7"])
    assert "device 'xpu:7' is not here" in capsys.readouterr().err
