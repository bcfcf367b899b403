"""The bombs of `tests/benchmarks/bombs.py`: each refused, with a reason, quickly, and without taking memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_images import benchmark, picture, saved

from translate.imaging.guard.reader import GuardedReader


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux")
def test_every_bomb_is_refused(tmp_path: Path) -> None:
    bombs = benchmark("bombs")
    warm, path = tmp_path / "warm.tif", tmp_path / "bomb.bin"
    warm.write_bytes(saved(picture(), "TIFF"))
    count = 0
    with GuardedReader(workers=1) as reader:
        reader.read(warm)
        for name, data in bombs.bombs():
            path.write_bytes(data)
            reason, seconds, megabytes = bombs.attempt(reader.read, path)
            assert reason and "crashed" not in reason and "memory" not in reason, name
            assert seconds < bombs.SECONDS and megabytes < bombs.MEMORY, f"{name}: {seconds:.1f} s, {megabytes:.0f} MB"
            count += 1
        bombs.sparse(path)
        assert "more than the limit" in bombs.attempt(reader.read, path)[0]
    assert count >= 40
