from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from translate.cli import main


def test_sync_without_anything_to_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    missing = CliRunner().invoke(main, ["track", "sync"])
    assert missing.exit_code == 2
    assert "runs" in missing.output
    (tmp_path / "runs").mkdir()
    done = CliRunner().invoke(main, ["track", "sync"])
    assert done.exit_code == 0
    assert "nothing was left to send" in done.output
