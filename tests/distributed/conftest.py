from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from two_processes import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[type[Run]]:
    runs: list[Run] = []

    class Here(Run):
        def __init__(self, name: str) -> None:
            super().__init__(tmp_path / name)
            runs.append(self)

    yield Here
    for each in runs:
        for process in each.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
