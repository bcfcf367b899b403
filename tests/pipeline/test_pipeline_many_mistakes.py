"""Pipeline files with several independent mistakes: one call lists all of them.

Each file of `wrong/` ends with comments that hold the mistakes in their order. `{here}` stands for the working folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from translate.cli import main
from translate.errors import ConfigError
from translate.pipeline import check

FILES = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
MARK = "#! "


def test_there_are_twenty() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_all_mistakes_are_listed_at_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = file.read_text("utf-8")
    Path("wrong.yaml").write_text(text, "utf-8")
    expected = [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]
    expected = [line.replace("{here}", str(tmp_path)) for line in expected]
    assert len(expected) >= 2
    with pytest.raises(ConfigError) as caught:
        check("wrong.yaml")
    assert str(caught.value).splitlines() == [f"wrong.yaml:{line}" for line in expected]


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_every_command_lists_them(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = FILES[0].read_text("utf-8")
    Path("wrong.yaml").write_text(text, "utf-8")
    result = CliRunner().invoke(main, [command, "wrong.yaml"])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == text.count(MARK)
