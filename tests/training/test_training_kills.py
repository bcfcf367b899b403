"""Trainings that are killed or asked to stop at random moments end as undisturbed ones (short forms of
`benchmarks/kills.py` and `benchmarks/signals.py`)."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("forks and signals of Unix", allow_module_level=True)

from small_trainings import Case, Trainings

CASES = [Case("cyclegan", 0, "fp32"), Case("pix2pix", 2, "bf16")]
KILLS, SIGNALS = 20, 5


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tmp_path_factory.mktemp("trainings"))


def test_kill_9_changes_no_bit(trainings: Trainings) -> None:
    kills, runs = 0, 0
    while kills < KILLS:
        done, wrong = trainings.killed(CASES[runs % 2], min(10, KILLS - kills))
        assert wrong == []
        kills += done
        runs += 1


def test_signals_leave_the_last_step_and_change_no_bit(trainings: Trainings) -> None:
    signals, runs = 0, 0
    while signals < SIGNALS:
        done, wrong = trainings.signalled(CASES[runs % 2], SIGNALS - signals)
        assert wrong == []
        signals += done
        runs += 1
