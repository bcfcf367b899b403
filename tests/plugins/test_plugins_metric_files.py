"""Files that the options of a metric name: checked when a pipeline is planned, and part of the fingerprint."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from translate.console import PlainConsole
from translate.pipeline import plan, run
from translate.pipeline.location import PipelineError
from translate.plugins import Registry

Install = Callable[..., Registry]

PLUGIN = """
from pathlib import Path

from translate import Config, Metric, hookimpl


class WeighedConfig(Config):
    weights: Path


class Weighed(Metric[WeighedConfig]):
    name = "weighed"

    def __init__(self, config, spec=None):
        super().__init__(config, spec)
        self.factor = float(config.weights.read_text())

    def score(self, outputs, references):
        return self.factor * sum(float((a - b).abs().mean()) for a, b in zip(outputs, references))


@hookimpl
def translate_metrics():
    return [Weighed]


@hookimpl
def translate_checkpoint_saved(step):
    raise OSError(f"no post at step {step}")
"""
PIPELINE = """\
version: 1
name: weighed
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: {uses: generated-maps, kind: paired, size: 16, train: 2, val: 2, test: 2}}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, layers: 1, filters: 4}
      max_steps: 1
      workers: 0
      validate: {metrics: [{uses: acme/weighed, weights: weights.txt}]}
  convert: {uses: infer, needs: {model: train, data: prepare}}
  score:
    uses: evaluate
    needs: {images: convert, data: prepare}
    with: {metrics: [l1, {uses: acme/weighed, weights: weights.txt}]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install) -> Path:
    monkeypatch.chdir(tmp_path)
    install(acme=PLUGIN)
    Path("weights.txt").write_text("2")
    Path("weighed.yaml").write_text(PIPELINE)
    return Path("weighed.yaml")


def states(file: Path) -> dict[str, tuple[str, str]]:
    return {planned.name: (planned.state, planned.reason) for planned in plan(file, registry=Registry())}


def test_their_content_decides_whether_stages_run_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(file, device="cpu", console=PlainConsole(), registry=Registry())
    warning = "warning: plugin 'acme' (acme-translate 1.2, entry point acme = acme) failed in checkpoint_saved: OSError"
    assert warning in capsys.readouterr().err, "the checkpoint is safe, so that the training went on"
    assert {state for state, _ in states(file).values()} == {"done"}
    Path("weights.txt").write_text("3")
    changed = states(file)
    assert changed["train"] == ("stale", "input weights.txt changed")
    assert changed["score"][0] in ("stale", "waits")
    assert changed["prepare"][0] == "done"

    # the way of the evaluation alone: its own file
    Path("others.txt").write_text("2")
    Path("weights.txt").write_text("2")
    file.write_text(
        PIPELINE.replace(
            "[l1, {uses: acme/weighed, weights: weights.txt}]", "[{uses: acme/weighed, weights: others.txt}]"
        )
    )
    run(file, device="cpu", console=PlainConsole(), registry=Registry())
    Path("others.txt").write_text("3")
    assert {name for name, (state, _) in states(file).items() if state != "done"} == {"score"}
    assert states(file)["score"] == ("stale", "input others.txt changed")


def test_a_file_that_is_not_there_is_found_before_anything_runs(file: Path) -> None:
    Path("weights.txt").rename("kept.txt")
    there_is_none = "weights: weights.txt: there is no such file or folder"
    with pytest.raises(PipelineError) as error:
        plan(file, registry=Registry())
    assert str(error.value).splitlines() == [
        f"weighed.yaml:16:58: stages.train.with.validate.metrics.0.{there_is_none}",
        f"weighed.yaml:21:56: stages.score.with.metrics.1.{there_is_none}",
    ]
    file.write_text(PIPELINE.replace("weights.txt", "kept.txt", 1))
    with pytest.raises(PipelineError) as error:
        plan(file, registry=Registry())
    assert str(error.value) == f"weighed.yaml:21:56: stages.score.with.metrics.1.{there_is_none}"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything")
def test_a_file_that_must_not_be_read_is_found_before_anything_runs(file: Path) -> None:
    Path("weights.txt").chmod(0)
    with pytest.raises(PipelineError, match=r"metrics\.1\.weights: weights.txt: it must not be read"):
        plan(file, registry=Registry())
