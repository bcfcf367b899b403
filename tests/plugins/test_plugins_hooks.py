"""Every hook, called by a real run of a plugin that implements them all; and the page that documents them."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from translate.console import PlainConsole
from translate.contracts import LossUse, NetworkUse, Step
from translate.data.dataset import Dataset
from translate.errors import PluginError, Stopped
from translate.imaging.io import probe, read, write
from translate.models.export_model import export_model
from translate.objectives import Objective
from translate.pipeline import run
from translate.plugins import Registry, resolve, switched
from translate.plugins.hooks import HOOKS

PIPELINE = """\
version: 1
name: acme
seed: 3
stages:
  prepare:
    uses: preprocess
    with: {source: acme/flat, transforms: [acme/negative]}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: acme
      device_augment: [acme/darker]
      optimizer: {uses: acme/sign, lr: 0.01}
      schedule: {uses: acme/warmup, over: 4, unit: updates}
      extra_losses: [{uses: acme/lucky, weight: 2, player: G, on: {output: output}}]
      epochs: 2
      log_every: 2
      workers: 0
      checkpoint: {steps: 4}
      validate: {every: 2, metrics: [acme/count]}
  weigh: {uses: acme/weigh, needs: {model: train}}
"""


class Told(NamedTuple):
    """What a run left: its folder, the plugin's module, the registry, lines of the trace."""

    folder: Path
    plugin: ModuleType
    registry: Registry
    trace: list[str]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.plugin.TOLD if name == event]


def acme() -> Registry:
    return Registry([EntryPoint("acme", "acme_everything", "translate")])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    work = tmp_path_factory.mktemp("hooks")
    (work / "acme.yaml").write_text(PIPELINE)
    trace: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        patch.chdir(work)
        with switched(trace=trace.append):
            registry = acme()
            result = run("acme.yaml", device="cpu", console=PlainConsole(), registry=registry)
        yield Told(work / result.folder, importlib.import_module("acme_everything"), registry, trace)
    sys.modules.pop("acme_everything", None)


# ------------------------------------------------------------------------------------------------------ registration


def test_translate_methods(told: Told) -> None:
    facts = json.loads((told.folder / "train" / "translator" / "translator.json").read_text())
    assert (facts["method"], facts["plugin"]["plugin"]) == ("acme", "acme")


def test_translate_networks(told: Told) -> None:
    facts = json.loads((told.folder / "train" / "translator" / "translator.json").read_text())
    assert facts["networks"]["gen"]["class"] == "acme_everything.Shift"
    assert facts["networks"]["gen"]["parameters"] == 3 * 3 * 9 + 3
    use = NetworkUse(uses="acme/shift")
    assert told.registry.build(use, in_channels=3, out_channels=3).layer.out_channels == 3


def test_translate_losses(told: Told) -> None:
    """Registered under a name of its own; the curve is the term's value, and the total has it twice."""
    (first, *_) = told.of("step_finished")
    assert first["metrics"]["acme/lucky"] == pytest.approx(7)
    assert told.registry.get("losses", "acme/lucky") is told.plugin.Seven
    assert isinstance(told.registry.build(LossUse(uses="acme/lucky")), told.plugin.Seven)


def test_translate_objectives(told: Told) -> None:
    """The knob of methods takes it, and what is wrong with its options is found without a training."""
    knob = Objective.model_validate({"uses": "acme/softer", "slope": 2})
    objective = knob.ready(told.registry.build)
    step = Step(0, 0, {}, torch.Generator())
    real, fake = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 1.0)
    assert objective.critic(lambda x: x, real, fake, step).item() == pytest.approx(2 * (1 - 3))
    assert objective.generator(lambda x: x, fake, real, step).item() == pytest.approx(-2)
    assert resolve(knob, told.registry)[0]["slope"] == 2
    (wrong,) = resolve(Objective.model_validate({"uses": "acme/softer", "slop": 2}), told.registry)[1]
    assert (wrong.path, wrong.message) == (("slop",), "unknown key; did you mean 'slope'?")


def test_translate_optimizers(told: Told) -> None:
    recipe = json.loads((told.folder / "train" / "MANIFEST.json").read_text())["recipe"]
    assert recipe["with"]["optimizer"] == {"uses": "acme/sign", "lr": 0.01}
    assert recipe["providers"]["optimizers/acme/sign"] == {
        "distribution": "an unknown distribution",
        "version": "0",
        "revision": "1",
    }


def test_translate_schedules(told: Told) -> None:
    """Two updates a log: 1/4 and 2/4 of the rate, 3/4 and 4/4, and then the whole."""
    rates = [heard["metrics"]["lr/G"] for heard in told.of("step_finished")]
    assert rates == pytest.approx([0.00375, 0.00875, 0.01])


def test_translate_metrics(told: Told) -> None:
    """There are two images to validate on."""
    rows = [row for row, _ in told.plugin.NOTEBOOK.rows]
    assert [value for row in rows for key, value in row.items() if key.endswith("count")] == [2.0]


def test_translate_sources(told: Told) -> None:
    dataset = Dataset(told.folder / "prepare")
    assert (dataset.keys("train", "input"), dataset.keys("val", "target")) == (["0", "1", "2"], ["0", "1"])


def test_translate_transforms(told: Told) -> None:
    """The source draws 50 and 200."""
    pixels = [read(told.folder / "prepare" / "train" / side / "0.png").array for side in ("input", "target")]
    assert [int(each.max()) for each in pixels] == [205, 55]


def test_translate_device_transforms(told: Told) -> None:
    """Six steps, each with a seed of its own; the size of the data is asked for before."""
    assert len(told.plugin.SEEDS) == len(set(told.plugin.SEEDS)) == 6


def test_translate_stages(told: Told) -> None:
    manifest = json.loads((told.folder / "weigh" / "MANIFEST.json").read_text())
    file = told.folder / "train" / "translator" / "model.safetensors"
    assert manifest["facts"] == {"bytes": file.stat().st_size}
    assert manifest["uses"] == "acme/weigh"


def test_translate_formats(told: Told, tmp_path: Path) -> None:
    """Where its plugin was named, every function that reads and writes images knows it."""
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    write(tmp_path / "grey.pgm", grey)
    assert (tmp_path / "grey.pgm").read_bytes().startswith(b"P5\n4 3\n255\n")
    assert np.array_equal(read(tmp_path / "grey.pgm").pixels, grey)
    header = probe(tmp_path / "grey.pgm")
    assert (header.format, header.width, header.height, header.channels, header.bits) == ("pgm", 4, 3, 1, 8)
    recipe = json.loads((told.folder / "prepare" / "MANIFEST.json").read_text())["recipe"]
    assert recipe["providers"]["formats/acme/pgm"]["revision"] == "1"


def test_translate_exporters(told: Told, tmp_path: Path) -> None:
    options = told.registry.config("exporters", "acme/counts", {"title": "how many"})
    exporter = told.registry.get("exporters", "acme/counts")(options)
    (export,) = export_model(told.folder / "train", exporter, tmp_path / "out", registry=told.registry)
    assert export.file.read_text() == f"how many\n{3 * 3 * 9 + 3}\n"


def test_translate_commands(told: Told) -> None:
    commands = told.registry.load("acme").commands
    assert {*commands} == {"greet", "acme"} and commands["greet"] is told.plugin.greet


# ------------------------------------------------------------------------------------------------- tracker and events


def test_translate_tracker(told: Told) -> None:
    """It is asked once, and gets what MLflow would have got."""
    assert told.of("tracker") == [{"pipeline": "acme", "folder": Path("runs/acme")}]
    curves = {key for row, _ in told.plugin.NOTEBOOK.rows for key in row}
    assert {"train/l1", "train/acme/lucky"} <= curves
    assert not list(told.folder.glob("**/journal.jsonl"))


def test_translate_run_started(told: Told) -> None:
    expected = {"pipeline": "acme", "folder": Path("runs/acme"), "stages": ["prepare", "train", "weigh"]}
    assert told.of("run_started") == [expected]
    assert told.plugin.TOLD[1][0] == "run_started", "after the tracker, before everything else"


def test_translate_run_finished(told: Told) -> None:
    assert told.plugin.TOLD[-1] == (
        "run_finished",
        {"pipeline": "acme", "folder": Path("runs/acme"), "status": "done"},
    )


def test_translate_stage_started(told: Told) -> None:
    heard = told.of("stage_started")
    assert [(h["stage"], h["folder"].suffix, h["there"]) for h in heard] == [
        (stage, ".partial", True) for stage in ("prepare", "train", "weigh")
    ]


def test_translate_stage_finished(told: Told) -> None:
    heard = told.of("stage_finished")
    assert [(h["stage"], h["whole"]) for h in heard] == [("prepare", True), ("train", True), ("weigh", True)]
    assert heard[0]["facts"]["counts"]["train"] == {"input": 3, "target": 3}


def test_translate_step_finished(told: Told) -> None:
    """Six steps, every second of them logged."""
    heard = told.of("step_finished")
    assert [(h["stage"], h["step"]) for h in heard] == [("train", 2), ("train", 4), ("train", 6)]
    assert all("l1" in h["metrics"] for h in heard)


def test_translate_validated(told: Told) -> None:
    """The last step validates in any case; the metric counts two images."""
    heard = told.of("validated")
    assert (heard[-1]["stage"], heard[-1]["step"]) == ("train", 6)
    assert all(list(h["scores"].values()) == [2.0] and len(h["grids"]) == 1 for h in heard)


def test_translate_checkpoint_saved(told: Told) -> None:
    heard = told.of("checkpoint_saved")
    assert {h["step"] for h in heard} >= {4, 6}
    assert all(h["whole"] and h["stage"] == "train" for h in heard)


# --------------------------------------------------------------------------------------------------------- the whole


def test_every_hook_has_a_test() -> None:
    missing = [name for name in HOOKS if not callable(globals().get(f"test_{name}"))]
    assert not missing


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    signatures = [f"{name}{str(inspect.signature(hook)).replace(chr(39), '')}" for name, hook in HOOKS.items()]
    assert [heading for heading in headings if heading.startswith("translate_")] == signatures


def test_every_argument_of_a_hook_is_explained_in_its_docstring() -> None:
    for name, hook in HOOKS.items():
        parameters = inspect.signature(hook).parameters
        explained = re.findall(r":param (\w+):", inspect.getdoc(hook) or "")
        assert explained == list(parameters), name
        assert all(parameter.annotation is not parameter.empty for parameter in parameters.values()), name


def test_trace_has_a_line_for_every_call_with_its_time(told: Told) -> None:
    for name in HOOKS:
        assert any(re.fullmatch(rf"{name} of acme: \d+\.\d\d ms", line) for line in told.trace), name
    assert any(re.fullmatch(r"import of acme \(acme_everything\): \d+\.\d ms", line) for line in told.trace)
    assert sum(line.startswith("translate_stage_started") for line in told.trace) == 3


class Full:
    """A list that takes nothing more."""

    def append(self, entry: object) -> None:
        raise SystemExit("out of ideas")


def test_a_hook_that_raises_is_named_and_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    trace: list[str] = []
    with switched(trace=trace.append):
        registry = acme()
    monkeypatch.setattr(registry.load("acme").module, "TOLD", Full())
    with pytest.raises(PluginError, match=r"^plugin 'acme' \(.*\) failed in run_finished: SystemExit: out of ideas$"):
        registry.emit("run_finished", pipeline="p", folder=Path(), status="done")
    assert re.fullmatch(r"translate_run_finished of acme: .* ms, raised SystemExit", trace[-1])


def test_being_stopped_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM and Ctrl-C may arrive while a plugin's code runs."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    registry = acme()
    module = registry.load("acme").module
    for reason in (Stopped(75), KeyboardInterrupt()):
        monkeypatch.setattr(module, "TOLD", type("Stopping", (), {"append": partial(_throw, reason)})())
        with pytest.raises(type(reason)):
            registry.emit("run_finished", pipeline="p", folder=Path(), status="done")


def _throw(reason: BaseException, entry: object) -> None:
    raise reason
