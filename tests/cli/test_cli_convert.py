"""`translate convert`, as people type it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.imaging.io import read, write

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bundles import write as write_model

DRAW = np.random.default_rng(17)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with photos/: three images, a broken one, and a note."""
    for name in ("a.png", "b.jpg", "more/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, DRAW.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    (tmp_path / "photos/more/d.png").write_bytes(b"\x89PNG")
    (tmp_path / "photos/note.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convert(model: Path, *args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["convert", *args, "--model", str(model)], input=stdin)


def made(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix in (".png", ".jpg")}


def test_a_folder_and_what_is_told_of_it(model: Path, here: Path) -> None:
    done = convert(model, "photos", "out")
    assert done.exit_code == 3 and made(here / "out") == {"a.png", "b.jpg", "more/c.png"}
    assert done.stderr.startswith("warning: more/d.png: unsupported: not an image of a known format")
    counts = [line for line in done.stdout.splitlines() if line.startswith("convert: ")]
    assert counts and not any("failed 0" in line for line in counts) and counts[-1].endswith("failed 1")
    table = done.stdout[done.stdout.index("to out") :].splitlines()
    assert table[1].split() == [
        "converted",
        "failed",
        "skipped",
        "unsupported",
        "passed",
        "over",
        "seconds",
        "images/s",
    ]
    assert table[2].split()[:4] == ["3", "1", "0", "1"]
    assert "every input: out/results.jsonl" in done.stdout and "before and after: out/contact.html" in done.stdout
    again = convert(model, "photos", "out")
    assert again.exit_code == 3 and "what was converted before stays as it is" in again.stdout
    found = json.loads(convert(model, "photos", "out", "--json").stdout)
    assert {k: found[k] for k in ("done", "kept", "failed", "skipped", "ignored")} == {
        "done": 3,
        "kept": 3,
        "failed": 1,
        "skipped": 0,
        "ignored": 1,
    }
    (here / "photos/more/d.png").unlink()
    good = convert(model, "photos", "out")
    assert good.exit_code == 0 and "convert: 3/3 images" in good.stdout and "failed 0" not in good.stdout


def test_a_dry_run_writes_nothing(model: Path, here: Path) -> None:
    done = convert(model, "photos", "out", "--dry-run", "--format", "png")
    assert done.exit_code == 0 and not (here / "out").exists()
    lines = done.stdout.splitlines()
    assert "b.jpg -> b.png" in lines and lines[-1] == "4 to convert; nothing was written"
    found = json.loads(convert(model, "photos", "out", "--dry-run", "--json").stdout)
    assert found["counts"] == {"to convert": 4} and {item["input"] for item in found["items"]} >= {"more/c.png"}


def test_lists_patterns_and_several_inputs(model: Path, here: Path) -> None:
    assert convert(model, "photos/a.png", "photos/more/c.png", "several").exit_code == 0
    assert made(here / "several") == {"photos/a.png", "photos/more/c.png"}
    (here / "list.txt").write_text("photos/a.png\nphotos/b.jpg\n")
    assert convert(model, "@list.txt", "list").exit_code == 0
    assert made(here / "list") == {"photos/a.png", "photos/b.jpg"}
    assert convert(model, "-", "stdin", stdin=b"photos/a.png\0photos/none.png\0").exit_code == 3
    assert made(here / "stdin") == {"photos/a.png"}
    assert convert(model, "photos/**/[abc].*", "pattern").exit_code == 0
    assert made(here / "pattern") == {"a.png", "b.jpg", "more/c.png"}
    gone = convert(model, "@none.txt", "x")
    assert (
        gone.exit_code == 2 and gone.stderr == "error: none.txt: the list cannot be read: No such file or directory\n"
    )


def test_shards(model: Path, here: Path) -> None:
    for shard in ("2/2", "1/2"):
        convert(model, "photos", "out", "--shard", shard)
    assert made(here / "out") == {"a.png", "b.jpg", "more/c.png"}
    assert len((here / "out/results.jsonl").read_text().splitlines()) == 4
    for wrong in ("3/2", "0/2", "1", "a/b"):
        done = convert(model, "photos", "out", "--shard", wrong)
        assert done.exit_code == 2 and "is not i/n with 1 <= i <= n" in done.stderr


def test_limits(model: Path, here: Path) -> None:
    done = convert(model, "photos/a.png", "out", "--max-pixels", "479")
    assert done.exit_code == 3 and "24 x 20 pixels, more than the limit of 479" in done.stderr
    done = convert(model, "photos/a.png", "out", "--max-bytes", "100", "--retry-failed")
    assert done.exit_code == 3 and "more than the limit of 100" in done.stderr


def test_a_file_into_a_file(model: Path, here: Path) -> None:
    assert convert(model, "photos/a.png", "x/y.tif").exit_code == 0
    assert read(here / "x/y.tif").pixels.shape == (20, 24, 3)
    again = convert(model, "photos/a.png", "x/y.tif")
    assert again.exit_code == 3 and again.stdout.splitlines()[-1].split()[:3] == ["0", "0", "1"]
    assert {p.name for p in (here / "x").iterdir()} == {"y.tif"}


def test_a_conversion_is_tracked(model: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = convert(model, "photos", "out", "--track")
    assert done.exit_code == 3 and "tracked: experiment 'conversions', run " in done.stdout, done.output
    from translate.tracking.store import client

    store = client("sqlite:///mlflow.db")
    (run,) = store.search_runs([store.get_experiment_by_name("conversions").experiment_id])
    assert (run.data.metrics["done"], run.data.metrics["failed"]) == (3, 1) and run.info.status == "FINISHED"
    assert run.data.params["direction"] == "translate"
    assert {"results.jsonl", "contact.html"} <= {f.path for f in store.list_artifacts(run.info.run_id)}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    dead = convert(model, "photos", "out", "--track")
    assert dead.exit_code == 3 and "warning: not tracked: http://127.0.0.1:9" in dead.stderr
