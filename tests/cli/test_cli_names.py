"""Names that are bytes and no UTF-8 (from the zips of Windows, from old disks), wherever they occur."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.imaging.io import write
from translate.tracking.redact import legible_values

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bundles import write as write_model

ODD = os.fsdecode(b"caf\xe9")

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file systems that know Unicode alone")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with model ODD, and the folder ODD with sides A and B of images called ODD."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_model(tmp_path / f"model-{ODD}")
    for side in "AB":
        for number in range(2):
            path = tmp_path / ODD / side / f"{ODD}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, np.full((64, 64, 3), 60 * number, np.uint8))
    return tmp_path


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def test_conversions_with_models_rows_pages_and_tracking(here: Path) -> None:
    pytest.importorskip("mlflow")
    (here / ODD / "A/broken.png").write_bytes(b"\x89PNG")
    done = cli("convert", ODD, f"out-{ODD}", "--model", f"model-{ODD}", "--track", "--json")
    assert done.exit_code == 3 and "not tracked" not in done.output, done.output
    rows = [json.loads(line) for line in (here / f"out-{ODD}/results.jsonl").read_text("utf-8").splitlines()]
    assert {row["input"] for row in rows} == {f"{s}/{ODD}{n}.png" for s in "AB" for n in range(2)} | {"A/broken.png"}
    assert "caf\\udce90.png" in (here / f"out-{ODD}/contact.html").read_text("utf-8")
    again = cli("convert", ODD, f"out-{ODD}", "--model", f"model-{ODD}", "--json")
    assert '"kept": 4' in again.stdout
    assert cli("evaluate", f"{ODD}/A", f"{ODD}/B", "--json").exit_code == 1  # of the broken one
    (here / ODD / "A/broken.png").unlink()
    equal = cli("evaluate", f"{ODD}/A", f"{ODD}/B", "--json")
    assert equal.exit_code == 0, equal.output
    assert json.loads(equal.stdout)["scores"][0]["score"] == 0


def test_folders_in_pipelines(here: Path) -> None:
    file = f"pipeline-{ODD}.yaml"
    assert cli("init", ODD, "--method", "cyclegan", "--output", file).exit_code == 0
    assert cli("check", file).exit_code == 0
    done = cli("run", file, "--until", "prepare")
    assert done.exit_code == 0 and len(list((here / "runs").rglob(f"{ODD}*.png"))) == 4, done.output
    assert "nothing changed" in cli("plan", file).stdout
    shutil.copytree(here / ODD / "A", here / f"other-{ODD}")
    assert "stale" in cli("plan", file, "--set", f"stages.prepare.with.source.a=other-{ODD}").stdout


def test_what_is_sent_to_a_server_is_escaped() -> None:
    assert legible_values({"name": [ODD, 1, None], ODD: (ODD,)}) == {
        "name": ["caf\\udce9", 1, None],
        "caf\\udce9": ["caf\\udce9"],
    }
