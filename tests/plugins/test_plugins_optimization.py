"""A plugin with an objective, an optimizer and a schedule of its own: a training with them, killed and resumed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import equal

from translate.console import PlainConsole
from translate.errors import ConfigError, PluginError
from translate.pipeline import plan, run
from translate.pipeline.location import PipelineError
from translate.plugins import Registry
from translate.testing import assert_objective_conforms, assert_optimizer_conforms, assert_schedule_conforms

Install = Callable[..., Registry]

PIPELINE = """\
version: 1
name: softer
seed: 3
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: {uses: generated-maps, kind: paired, size: 16, train: 8, val: 2, test: 0}}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, layers: 1, filters: 4}
        objective: {uses: acme/softer, slope: 0.5}
      optimizer: {uses: acme/sign, lr: 0.01}
      schedule: {uses: acme/warmup, unit: updates}
      players: {D: {optimizer: {lr: 1e-4}}}
      max_steps: 6
      workers: 0
      checkpoint: {steps: 3}
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    yield Registry([EntryPoint("acme", "acme_everything", "translate")])
    sys.modules.pop("acme_everything", None)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        Path("softer.yaml").write_text(text)
        return Path("softer.yaml")

    return write


def test_a_restart_changes_nothing(registry: Registry, write: Callable[[str], Path], tmp_path: Path) -> None:
    """What the optimizer keeps is a number, a tensor of another type, and an entry of its group."""
    registry = with_first_party(registry)
    file = write(PIPELINE)
    whole = run(file, device="cpu", console=PlainConsole(), registry=registry).folder / "train" / "checkpoints"
    state = json.loads((whole / "000000006" / "state.json").read_text())
    assert {key.rpartition("/")[2] for key in state["optimizers"] if key.startswith("G/")} == {"times", "rounds"}
    expected = load_file(whole / "000000006" / "tensors.safetensors")

    file = write(PIPELINE.replace("max_steps: 6", "max_steps: 3").replace("name: softer", "name: again"))
    again = run(file, device="cpu", console=PlainConsole(), registry=registry).folder
    file = write(PIPELINE.replace("name: softer", "name: again"))
    run(file, device="cpu", console=PlainConsole(), registry=registry, continue_="train")
    tensors = load_file(again / "train" / "checkpoints" / "000000006" / "tensors.safetensors")
    assert tensors.keys() == expected.keys()
    assert all(equal(tensors[key], expected[key]) for key in expected if not key.startswith("meter/"))


def with_first_party(registry: Registry) -> Registry:
    own = [plugin.entry for plugin in registry.plugins()]
    return Registry([*own, EntryPoint("pix2pix", "translate_pix2pix", "translate")])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("acme/softer,", "acme/softr,", "train.with.options.objective.uses: plugin 'acme' .*did you mean 'softer'"),
        ("acme/sign", "acme/sgin", "train.with.optimizer.uses: .*provides no optimizer 'sgin'; did you mean 'sign'"),
        ("acme/sign", "adm", "train.with.optimizer.uses: there is no optimizer 'adm'; did you mean 'adam'"),
        ("lr: 0.01", "lr: 0.01, betas: [0, 1]", "train.with.optimizer.betas: unknown key; the keys here are lr"),
        ("acme/warmup,", "acme/warmup, ovr: 3,", "train.with.schedule.ovr: unknown key; did you mean 'over'"),
        ("slope: 0.5", "slope: steep", "train.with.options.objective.slope: must be a number, not 'steep'"),
        ("lr: 1e-4", "lr: 0", "train.with.players.D.optimizer.lr: must be greater than 0"),
    ],
)
def test_mistakes_have_their_place(
    registry: Registry, write: Callable[[str], Path], old: str, new: str, message: str
) -> None:
    with pytest.raises(PipelineError, match=rf"softer.yaml:\d+:\d+: stages.{message}"):
        plan(write(PIPELINE.replace(old, new)), registry=with_first_party(registry))


def test_they_conform(registry: Registry) -> None:
    module = registry.load("acme").module
    assert_objective_conforms(module.Softer)
    assert_optimizer_conforms(module.Sign)
    assert_schedule_conforms(module.Warmup)


@pytest.mark.parametrize("kind", ["objectives", "optimizers", "schedules"])
def test_the_built_in_ones_conform(kind: str) -> None:
    checks = {
        "objectives": assert_objective_conforms,
        "optimizers": assert_optimizer_conforms,
        "schedules": assert_schedule_conforms,
    }
    registry = Registry([])
    for name in registry.names(kind):  # type: ignore[arg-type]
        checks[kind](registry.get(kind, name))  # type: ignore[arg-type]


def test_options_of_another_class_are_refused(install: Install) -> None:
    source = """
from translate import Config, Optimizer, hookimpl

class Bare(Config):
    rate: float = 1.0

class Lion(Optimizer[Bare]):
    name = "lion"
    def build(self, params, *, fused):
        raise NotImplementedError

@hookimpl
def translate_optimizers():
    return [Lion]
"""
    registry = install(acme=source)
    with pytest.raises(PluginError, match=r"Lion .* has a Config that does not derive from translate\.OptimizerConfig"):
        registry.get("optimizers", "acme/lion")


def test_a_plain_name_of_a_plugin_s_own(install: Install) -> None:
    source = """
from translate import Schedule, ScheduleConfig, hookimpl

class Half(Schedule[ScheduleConfig]):
    name = "half"
    def factor(self, position, total):
        return 0.5

@hookimpl
def translate_schedules():
    return [Half]
"""
    registry = install(half=source)
    assert registry.get("schedules", "half") is registry.get("schedules", "half/half")
    with pytest.raises(ConfigError, match="there is no schedule 'hafl'; did you mean 'half'"):
        registry.get("schedules", "hafl")
