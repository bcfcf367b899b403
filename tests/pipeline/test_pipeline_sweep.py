"""Sweeps: the runs of all combinations in one folder, their table, what is done again, and what one failure costs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import warm

from translate.errors import ConfigError
from translate.pipeline import run, sweep
from translate.pipeline.location import PipelineError
from translate.pipeline.sweeping.axes import Child, axes_of, children, split
from translate.pipeline.sweeping.comparison import Outcome, compared, over_seeds
from translate.plugins import Registry
from translate.storage import manifest

Fresh = Callable[[], Registry]
FOLDER = Path("runs/toy")
STAGES = ["prepare", "train", "score"]


class Tables:
    """The tables that were shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, list[str], list[list[Any]]]] = []

    def table(self, title: str, columns: Any, rows: Any) -> None:
        self.shown.append((title, list(columns), [list(row) for row in rows]))


def swept(registry: Fresh, console: Any, *texts: str, **options: Any) -> tuple[Any, Any, Tables]:
    heard, tables = console(), Tables()
    heard.table = tables.table
    return sweep("toy.yaml", texts, device="cpu", console=heard, registry=registry(), **options), heard, tables


# ------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4,2e-4", ["1e-4", "2e-4"]),
        ("a", ["a"]),
        ("[0.5, 0.9],[0.9, 0.99]", ["[0.5, 0.9]", "[0.9, 0.99]"]),
        ('{uses: a, b: [1, 2]}, "x, y" ,null', ["{uses: a, b: [1, 2]}", '"x, y"', "null"]),
    ],
)
def test_values_stand_between_commas(text: str, values: list[str]) -> None:
    assert list(split(text)) == values


def test_keys_begin_with_a_stage_or_are_paths_of_the_file() -> None:
    axes = axes_of(["train.with.optimizer.lr=1,2", "seed=3,4", "stages.train.with.epochs=5"], STAGES)
    assert [axis.path for axis in axes] == ["stages.train.with.optimizer.lr", "seed", "stages.train.with.epochs"]
    runs = children(axes)
    assert [run.name for run in runs] == [
        f"train.with.optimizer.lr={rate}, seed={seed}, stages.train.with.epochs=5" for rate in (1, 2) for seed in (3, 4)
    ]
    assert runs[1].sets == ("stages.train.with.optimizer.lr=1", "seed=4", "stages.train.with.epochs=5")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "write KEY=VALUE,VALUE"),
        (["trian.with.epochs=1"], "no stage 'trian'; did you mean 'train'"),
        (["seed=1,2", "seed=3"], "seed is given twice"),
        (["train.seed=1", "stages.train.seed=2"], "is given twice"),
        (["seed=1,,2"], "a value is missing"),
        (["seed=1,2,1"], "1 stands there twice"),
        (["seed=" + ",".join(map(str, range(201)))], "these are 201 runs; at most 200"),
    ],
)
def test_wrong_sweeps_are_told(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        axes_of(texts, STAGES)


def test_mistakes_of_all_runs_show_before_the_first_one_starts(registry: Fresh, heard_console: Any) -> None:
    with pytest.raises(PipelineError) as caught:
        swept(registry, heard_console, "train.with.epochs=2,0,x", "prepare.with.text=a,bad")
    messages = [issue.message for issue in caught.value.issues]
    assert set(messages) == {"must be greater than 0, not 0", "must be a whole number, not 'x'", "is a bad word"}
    assert not FOLDER.exists()


# ------------------------------------------------------------------------------------------------------------- runs


def test_each_run_is_that_of_set_and_shares_what_is_the_same(registry: Fresh, heard_console: Any) -> None:
    result, heard, tables = swept(registry, heard_console, "train.with.epochs=1,2", "train.seed=7,8")
    assert [outcome.state for outcome in result.outcomes] == ["done"] * 4 and not result.failed
    assert len([line for line in heard.lines if line.startswith("prepare: runs")]) == 1, "the data is the same"
    assert len(list(FOLDER.glob("train-*"))) == 4
    for outcome, (epochs, seed) in zip(result.outcomes, [(1, 7), (1, 8), (2, 7), (2, 8)], strict=True):
        folder = FOLDER / outcome.folders["train"]
        assert (folder / "log.txt").read_text().count("epoch") == epochs
        sets = [f"stages.train.with.epochs={epochs}", f"stages.train.seed={seed}"]
        alone = run("toy.yaml", device="cpu", console=heard_console(), registry=registry(), set=sets)
        assert not alone.ran and (FOLDER / "train").resolve().name == folder.name
    title, columns, rows = tables.shown[0]
    assert (title, columns) == ("", ["epochs", "seed", "state", "time"])
    assert [row[:3] for row in rows] == [["1", "7", "done"], ["1", "8", "done"], ["2", "7", "done"], ["2", "8", "done"]]


def test_an_error_of_one_run_is_told_and_the_others_go_on(registry: Fresh, heard_console: Any, work: Path) -> None:
    result, heard, _ = swept(registry, heard_console, "train.with.fail=no,config,crash")
    assert [outcome.state for outcome in result.outcomes] == ["done", "failed", "failed"]
    assert [outcome.child.name for outcome in result.failed] == ["train.with.fail=config", "train.with.fail=crash"]
    assert any("train.with.fail=config: stage train failed: device 'cuda' is not here" in w for w in heard.warnings)
    assert heard.warnings[-1] == "2 of 3 runs failed; the same command tries them again"
    page = result.page.read_text()
    assert "| no | done |" in page and "| crash | failed |" in page and "RuntimeError: out of luck" in page
    # mended: the one that is done is left alone, and the others go on from the epoch that they had reached
    (work / "mended").touch()
    again, heard, _ = swept(registry, heard_console, "train.with.fail=no,config,crash")
    assert [outcome.state for outcome in again.outcomes] == ["done"] * 3
    assert len([line for line in heard.lines if line.startswith("train: runs")]) == 2
    assert (FOLDER / again.outcomes[1].folders["train"] / "log.txt").read_text().count("epoch") == 3


def test_a_sweep_that_is_stopped_goes_on_where_it_was(registry: Fresh, heard_console: Any, work: Path) -> None:
    texts = ["train.with.fail=no,stop", "train.with.epochs=3,4"]
    with pytest.raises(SystemExit) as caught:
        swept(registry, heard_console, *texts)
    assert caught.value.code == 75
    states = [each["state"] for each in json.loads((FOLDER / "sweep.json").read_text())["runs"]]
    assert states == ["done", "done", "stopped", "waits"]
    (work / "mended").touch()
    before = {path: path.stat().st_mtime_ns for path in FOLDER.glob("train-*/MANIFEST.json")}
    result, _, _ = swept(registry, heard_console, *texts)
    assert [outcome.state for outcome in result.outcomes] == ["done"] * 4 and len(before) == 2
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    log = (FOLDER / result.outcomes[2].folders["train"] / "log.txt").read_text()
    assert log.count("epoch 0") == 1, "it went on from the epochs that were there"


def test_the_exit_code_says_that_a_run_failed(work: Path) -> None:
    (work / "toy").mkdir()
    metadata = work / "toy" / "toy-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[translate]\ntoy = toy_plugin\n")
    sites = [work / "toy", Path(__file__).parent]
    command = ["-m", "translate", "run", "toy.yaml", "--device", "cpu", "--json", "--sweep"]
    for value, code, states in (("no,config", 1, ["done", "failed"]), ("no", 0, ["done"])):
        ended = warm.run([*command, f"train.with.fail={value}"], Path.cwd(), sites=sites)
        assert ended.returncode == code, ended.stderr
        assert [each["state"] for each in json.loads(ended.stdout)["runs"]] == states
    both = warm.run([*command, "seed=1", "--continue", "train"], Path.cwd())
    assert both.returncode == 2 and "--sweep makes several" in both.stderr


# ------------------------------------------------------------------------------------------------------ comparisons


def outcome(rate: str, seed: str, **scores: float) -> Outcome:
    child = Child((("train.with.optimizer.lr", rate), ("seed", seed)), ())
    return Outcome(child, "done", "", 1.0, {name.replace("__", "/"): value for name, value in scores.items()})


def test_means_over_seeds() -> None:
    axes = axes_of(["train.with.optimizer.lr=1,2", "seed=1,2,3"], STAGES)
    scores = {"1": [0.1, 0.2, 0.6], "2": [0.5, 0.5, 0.5]}
    outcomes = [outcome(rate, str(seed), score__l1=value) for rate in scores for seed, value in enumerate(scores[rate])]
    outcomes[-1].state = "failed"
    means = over_seeds(axes, outcomes)
    assert means is not None
    spread = statistics.stdev(scores["1"])
    assert means == (["lr", "l1", "seeds"], [["1", f"0.3 ± {spread:.2g}", 3], ["2", "0.5 ± 0", 2]])
    assert over_seeds(axes[:1], outcomes) is None


def test_scores_of_one_name_keep_that_of_their_stage() -> None:
    axes = axes_of(["train.with.optimizer.lr=1"], STAGES)
    outcomes = [outcome("1", "", score__l1=0.5, again__l1=0.25, again__psnr=20.0)]
    outcomes[0].child = Child((("train.with.optimizer.lr", "1"),), ())
    assert compared(axes, outcomes) == (
        ["lr", "score/l1", "again/l1", "psnr", "state", "time"],
        [["1", 0.5, 0.25, 20.0, "done", "1 s"]],
    )


PIPELINE = """\
version: 1
name: fine
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 4, val: 2, test: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 3, filters: 2}
        discriminator: {uses: patchgan, filters: 2, layers: 1}
      max_steps: 2
      validate: {metrics: [l1]}
  convert: {uses: infer, needs: {model: train, data: prepare}}
  score: {uses: evaluate, needs: {images: convert, data: prepare}, with: {metrics: [l1, psnr], bootstrap: 0}}
"""


def test_the_table_has_the_scores_of_trainings_and_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard_console: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fine.yaml").write_text(PIPELINE)
    tables = Tables()
    heard = heard_console()
    heard.table = tables.table
    result = sweep("fine.yaml", ["train.with.optimizer.lr=1e-9,1e-3", "train.seed=1,2"], device="cpu", console=heard)
    title, columns, rows = tables.shown[-2]
    assert (title, columns) == ("", ["lr", "seed", "val/l1", "l1", "psnr", "state", "time"])
    for one, row in zip(result.outcomes, rows, strict=True):
        folder = Path("runs/fine")
        scores = json.loads((folder / one.folders["score"] / "scores.json").read_text())["scores"]
        assert row[3:5] == [entry["score"] for entry in scores]
        trained = json.loads((folder / one.folders["train"] / "translator" / "translator.json").read_text())
        assert row[2] == trained["metrics"]["val/l1"]
        content = manifest.read(folder / one.folders["train"])
        assert content is not None and json.dumps({"lr": float(row[0])})[1:-1] in json.dumps(content["recipe"])
    assert len({row[2] for row in rows}) == 4, "another seed and another rate are another training"
    assert tables.shown[-1][0] == "over seeds" and [row[-1] for row in tables.shown[-1][2]] == [2, 2]
    assert "## Over seeds" in result.page.read_text()
