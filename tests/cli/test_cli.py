"""Commands: what they print where, their exit codes, and what they do not import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.version import __version__

Fresh = Callable[..., subprocess.CompletedProcess[str]]
HEAVY = {"mlflow", "kornia", "albumentations"}


def cli(*args: str, **kwargs: Any) -> Result:
    return CliRunner().invoke(main, list(args), **kwargs)


def loaded(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The modules that the process had imported when it ended."""
    return set(done.stderr.splitlines()[-1].split())


def test_run_plan_and_check(work: Path) -> None:
    assert cli("check", "toy.yaml").output == "note: prepare: size 60 is large\ntoy.yaml: nothing is wrong\n"
    before = cli("plan", "toy.yaml")
    assert before.output.splitlines() == [
        "stage    uses      state   reason",
        "prepare  toy/make  absent  has not run yet",
        "train    toy/fit   waits   waits for prepare",
    ]
    assert before.exit_code == 0
    ran = cli("run", "toy.yaml", "--device", "cpu", "--until", "prepare")
    assert ran.exit_code == 0, ran.output
    assert "prepare: runs, since it has not run yet" in ran.output
    found = json.loads(cli("plan", "toy.yaml", "--json", "--set", "stages.prepare.with.size=4").stdout)["stages"]
    assert [(s["stage"], s["state"], s["reason"]) for s in found] == [
        ("prepare", "stale", "with.size 3 -> 4"),
        ("train", "waits", "waits for prepare"),
    ]


def test_json_is_all_that_stdout_holds(work: Path) -> None:
    done = cli("run", "toy.yaml", "--profile", "quick", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "folder": "runs/toy@quick",
        "stages": {"prepare": "runs/toy@quick/prepare", "train": "runs/toy@quick/train"},
        "ran": ["prepare", "train"],
    }
    assert "prepare: note: size 60 is large" in done.stderr
    for args in (["check", "toy.yaml"], ["datasets", "list"], ["datasets", "show", "maps"], ["plugins", "list"]):
        assert json.loads(cli(*args, "--json").stdout)
    failed = cli("check", "toy.yaml", "--json", "--set", "seed=x")
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert failed.stderr == "--set seed: must be a whole number, not 'x'\n"


def test_failed_stage_is_one_line_and_the_rest_on_demand(work: Path) -> None:
    args = ["run", "toy.yaml", "--device", "cpu", "--set", "stages.train.with.fail=crash", "--force", "train"]
    done = cli(*args)
    assert done.exit_code == 1
    assert done.stderr == "error: stage train failed: RuntimeError: out of luck (plugin 'toy' of toy 1.0)\n"
    for full in (cli(*args, "--traceback"), cli(*args, env={"TRANSLATE_TRACEBACK": "1"})):
        assert full.exit_code == 1
        assert 'raise RuntimeError("out of luck")' in full.stderr
        assert full.stderr.endswith(done.stderr)


def test_stop_by_signal_and_by_hand(work: Path) -> None:
    args = ["run", "toy.yaml", "--device", "cpu", "--set"]
    assert cli(*args, "stages.train.with.fail=stop").exit_code == 75
    done = cli(*args, "stages.train.with.fail=hand")
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "stopped; the same command goes on from here"


def test_bug_of_ours_is_one_line_with_a_hint(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("translate.pipeline.check", broken)
    done = cli("check", "toy.yaml")
    assert done.exit_code == 1
    hint = "(--traceback or TRANSLATE_TRACEBACK=1 shows where)"
    assert done.stderr == f"error: ZeroDivisionError: by zero {hint}\n"


def test_errors_of_the_system_name_the_file(work: Path) -> None:
    Path("runs").write_text("a file where a folder should be")
    done = cli("run", "toy.yaml")
    assert (done.exit_code, done.stderr) == (1, "error: runs/toy: Not a directory\n")


def test_track_sync_sends_what_was_left(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("track", "sync").exit_code == 2, "there is no folder of runs"
    (work / "runs").mkdir()
    assert cli("track", "sync").stdout == "nothing was left to send\n"
    monkeypatch.setattr("translate.tracking.delivery.sync.sync", lambda folder, console: len(folder.name))
    assert cli("track", "sync").stdout == "4 records sent\n"


def test_unknown_commands_and_options_exit_2() -> None:
    done = cli("rnu")
    assert done.exit_code == 2
    assert "No such command 'rnu'" in done.stderr
    assert cli("run", "x.yaml", "--profil", "q").exit_code == 2
    assert cli("run").exit_code == 2
    assert cli("run", "no_such.yaml").exit_code == 2


def test_version_and_help() -> None:
    assert cli("--version").output == f"translate, version {__version__}\n"
    for command in main.commands:
        shown = cli(command, "-h")
        assert shown.exit_code == 0
        assert shown.output.startswith(f"Usage: main {command}")


def test_python_m_translate() -> None:
    done = subprocess.run([sys.executable, "-m", "translate", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"version {__version__}\n")


def test_methods_lists_published_parameter_counts() -> None:
    """pix2pix with batch norm, 3 channels: U-Net 54,413,955, PatchGAN on 6 channels 2,768,705 (the authors' code)."""
    done = cli("methods", "pix2pix", "--json")
    if "there is no method" in done.stderr:
        pytest.skip("translate-i2i is not installed here, so it has no entry points")
    found = json.loads(done.stdout)
    assert [net["parameters"] for net in found["networks"].values()] == [54_413_955, 2_768_705]
    assert found["losses"]["l1"] == 100.0
    assert found["data"] == "paired"
    text = cli("methods", "pix2pix").output
    assert "54,413,955" in text
    everything = json.loads(cli("methods", "--json").stdout)
    assert {"pix2pix", "cyclegan"} <= {method["name"] for method in everything["methods"]}
    assert "unet_256 54,413,955" in cli("methods").output
    assert cli("methods", "pix2pixx").stderr == "error: there is no method 'pix2pixx'; did you mean 'pix2pix'?\n"


def test_plugins_shows_what_is_provided_and_what_is_broken(work: Path) -> None:
    (work.parent / "site" / "toy_plugin.py").write_text("import nowhere")
    done = cli("plugins")
    assert done.exit_code == 0
    assert "warning: plugin 'toy' (toy 1.0, entry point toy = toy_plugin) cannot be imported" in done.stderr
    entry = {p["name"]: p for p in json.loads(cli("plugins", "list", "--json").stdout)["plugins"]}["toy"]
    assert entry["provides"] == {}
    assert "No module named 'nowhere'" in entry["error"]


def test_datasets(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSLATE_DATA", "data")
    (work / "data" / "maps").mkdir(parents=True)
    lines = {line.split()[0]: line for line in cli("datasets").output.splitlines()}
    assert {"maps", "facades", "monet2photo", "horse2zebra"} <= set(lines)
    assert lines["maps"].endswith("yes")
    assert lines["facades"].endswith("no")
    assert "licence:" in cli("datasets", "show", "maps").output
    missing = cli("datasets", "show", "map")
    assert missing.exit_code == 2
    assert "did you mean 'maps'?" in missing.stderr


def test_evaluate_counts_pixels(tmp_path: Path) -> None:
    """Two folders of one grey image each, 10 and 40 of 255 apart: L1 is their distance."""
    import numpy as np

    from translate.imaging.io import encode
    from translate.storage.atomic import write_bytes

    for name, value in (("a", 50), ("b", 90)):
        (tmp_path / name).mkdir()
        pixels = np.full((16, 16, 3), value, np.uint8)
        write_bytes(tmp_path / name / "x.png", encode(pixels, ".png"))
    done = cli("evaluate", str(tmp_path / "a"), str(tmp_path / "b"), "--metrics", "l1", "--json")
    assert done.exit_code == 0, done.output
    (score,) = json.loads(done.stdout)["scores"]
    assert score["metric"] == "l1"
    assert score["score"] == pytest.approx(40 / 255, rel=1e-5)
    assert "l1" in cli("evaluate", str(tmp_path / "a"), str(tmp_path / "b"), "-m", "l1").output
    assert cli("evaluate", str(tmp_path / "a"), str(tmp_path / "c")).exit_code == 2
    half = cli("evaluate", str(tmp_path / "a"), str(tmp_path / "b"), "-m", "l1", "--json", "--range", "0", "510")
    assert json.loads(half.output)["scores"][0]["score"] == pytest.approx(score["score"] / 2)
    assert cli("evaluate", str(tmp_path / "a"), str(tmp_path / "b"), "--range", "9", "9").exit_code == 2


def test_convert_names_what_is_wrong_with_the_line(tmp_path: Path) -> None:
    done = cli("convert", "in", "out", "--model", str(tmp_path), "--with", "exemplar")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: --with exemplar: write NAME=VALUE")
    done = cli("convert", "in", "out", "--model", str(tmp_path))
    assert done.exit_code == 2
    assert "has no trained model" in done.stderr
    assert cli("models", "show", str(tmp_path / "none")).exit_code == 2


def test_help_and_datasets_import_no_torch(fresh: Fresh) -> None:
    for args in (["--help"], ["run", "--help"], ["datasets", "list"], ["ui", "--help"]):
        done = fresh(*args)
        assert done.returncode == 0, done.stderr
        assert not loaded(done) & (HEAVY | {"torch", "cv2", "PIL"}), args


def test_check_and_an_up_to_date_run_import_nothing_heavy(fresh: Fresh) -> None:
    done = fresh("run", "toy.yaml", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    again = fresh("run", "toy.yaml")
    assert again.stdout.startswith("prepare: current, nothing changed since ")
    checked = fresh("check", "toy.yaml")
    for command in (again, checked, fresh("plan", "toy.yaml")):
        assert command.returncode == 0, command.stderr
        assert not loaded(command) & (HEAVY | {"torch", "cv2", "PIL"})


def test_check_of_a_shipped_pipeline_imports_no_mlflow_kornia_or_albumentations(fresh: Fresh) -> None:
    from translate.data.sources.cards import share

    file = share("pipelines") / "maps_cyclegan.yaml"
    done = fresh("check", str(file), "--profile", "quick")
    if "there is no method" in done.stderr:
        pytest.skip("translate-i2i is not installed here, so it has no entry points")
    assert done.returncode == 0, done.stderr
    assert not loaded(done) & HEAVY
