"""What broken runs have left in a pipeline's folder goes before the next one."""

from __future__ import annotations

from pathlib import Path

from translate.pipeline.interrupted import starts

TEMPORARY = ".0123456789abcdef.tmp"


def test_litter_of_the_pipeline_its_journals_and_its_starts_goes(tmp_path: Path) -> None:
    partial, tracked = tmp_path / "train-12345678.partial", tmp_path / ".tracking" / "recipe" / "samples"
    result = tmp_path / "prepare-12345678"
    for folder in (partial / "samples", tracked, result):
        folder.mkdir(parents=True)
        (folder / TEMPORARY).touch()
    for name in (TEMPORARY, ".train-12345678.started.json", ".train-0a0b0c0d.started.json", "report.html"):
        (tmp_path / name).touch()
    starts.clear(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    # a result is not looked through: what is in it is what its manifest says
    assert left == [".train-12345678.started.json", f"prepare-12345678/{TEMPORARY}", "report.html"]


def test_nothing_goes_beside_the_list_of_runs_while_records_are_sent(tmp_path: Path) -> None:
    (tmp_path / ".tracking").mkdir()
    (tmp_path / ".tracking" / "lock").touch()
    (tmp_path / TEMPORARY).touch()
    starts.clear(tmp_path)
    assert (tmp_path / TEMPORARY).exists()
    (tmp_path / ".tracking" / "lock").unlink()
    starts.clear(tmp_path)
    assert not (tmp_path / TEMPORARY).exists()
