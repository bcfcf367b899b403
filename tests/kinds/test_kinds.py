"""A short version of `python tests/cases.py`: one case of each script that converts, the command called within this
process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kinds.lab import CASES, Case, Done, Lab, cases_folder, write_plugin
from translate.cli import main

KINDS = ("originals", "transparency", "depth", "colour", "metadata", "pages", "formats", "damaged", "sameness", "names")
for kind in KINDS:
    importlib.import_module(f"kinds.{kind}")

SHORT = [case for case in CASES if case.quick]


class InsideLab(Lab):
    """A lab whose `translate` is called in this process, which spares each command the start of torch."""

    def translate(self, *argv: str | Path | bytes, stdin: bytes = b"", cwd: Path | None = None, **options: Any) -> Done:
        before = Path.cwd()
        os.chdir(cwd or self.folder)
        try:
            result = CliRunner().invoke(main, [os.fsdecode(each) for each in argv], input=stdin)
        finally:
            os.chdir(before)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The models that change nothing, and their plugin where it can be found."""
    folder = tmp_path_factory.mktemp("models")
    write_plugin(folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_people_and_their_files(case: Case, models: Path, tmp_path: Path) -> None:
    scripts = cases_folder()
    if case.script is not None and scripts is None:
        pytest.skip("the folder of the scripts is missing: TRANSLATE_TEST_CASES names it")
    lab = InsideLab(tmp_path, models, scripts)
    case.run(lab)
    assert lab.checks
    assert [check for check in lab.checks if not check.right] == []
