"""The JSON schema of pipeline files, held against the files themselves by a validator of another project."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from translate.cli import main
from translate.pipeline import yamlfile
from translate.pipeline.json_schema import NAMED, pipeline_schema
from translate.plugins import Registry

RECIPES = sorted((Path(__file__).parents[2] / "pipelines").glob("*.yaml"))
RECIPE = next(path for path in RECIPES if path.stem == "facades_pix2pix")


@lru_cache
def schema() -> dict[str, Any]:
    found, failures = pipeline_schema(Registry())
    assert not failures
    return found


def mistakes(text: str) -> list[str]:
    errors = Draft202012Validator(schema()).iter_errors(yamlfile.parse(text, "x.yaml").plain())
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_every_recipe_is_valid(recipe: Path) -> None:
    assert mistakes(recipe.read_text("utf-8")) == []


@pytest.mark.parametrize("kind", ["method", "loss", "metric", "source"])
def test_pipelines_of_new_plugins_are_valid_but_for_their_own_names(kind: str) -> None:
    from translate.plugins import scaffold

    found = mistakes((scaffold.TEMPLATES / kind / "pipeline.yaml").read_text("utf-8"))
    assert found
    assert all("my-plugin" in text for text in found)


TRAINS = "needs: {data: prepare}\n    with:\n      method"
BROKEN: dict[str, tuple[str, str, str]] = {
    "version": ("version: 1", "version: 2", "version: 1 was expected"),
    "name": ("name: facades-pix2pix", "name: Facades", "name: 'Facades' does not match"),
    "key of the file": ("seed: 42", "sead: 42", "'sead' was unexpected"),
    "seed": ("seed: 42", "seed: -1", "seed: -1 is less than the minimum of 0"),
    "kind of stage": ("uses: preprocess", "uses: preproces", "stages.prepare.uses: 'preproces' is not one of"),
    "unknown need": (TRAINS, TRAINS.replace("data", "date"), "stages.train.needs: Additional properties"),
    "need left out": ("{model: train, data: prepare}", "{data: prepare}", "'model' is a required property"),
    "method": ("method: pix2pix", "method: pix2pixx", "stages.train.with.method: 'pix2pixx' is not one of"),
    "option of the stage": ("epochs: 200", "epoch: 200", "'epoch' was unexpected"),
    "option of the method": ("objective: non", "objectiv: non", "'objectiv' was unexpected"),
    "objective": ("non-saturating", "saturating", "options.objective: 'saturating' is not one of"),
    "network": ("generator: unet_256", "generator: unet_255", "options.generator: 'unet_255' is not one of"),
    "loss": ("losses: {l1", "losses: {l2", "'l2' is not one of"),
    "transform": ("uses: random-crop", "uses: random-crob", "augment.1.uses: 'random-crob' is not one of"),
    "option of a transform": ("random-crop, size: 256", "random-crop", "augment.1: 'size' is a required property"),
    "number": ("lr: 2e-4", "lr: fast", "stages.train.with.optimizer.lr: 'fast' is not of type 'number'"),
    "range": ("batch_size: 1", "batch_size: 0", "batch_size: 0 is less than or equal to the minimum of 0"),
    "metric": ("[l1, ssim, swd]", "[l1, sim]", "metrics.1: 'sim' is not one of"),
    "source": ("{uses: dataset, name: facades}", "{uses: dataset}", "with.source: 'name' is a required property"),
    "component without a name": ("{uses: random-crop, ", "{", "augment.1: 'uses' is a required property"),
    "option in a profile": ("epochs: 54", "epocks: 54", "profiles.cpu.stages.train: "),
}
"""What to change in a recipe, and what the validator says then."""


@pytest.mark.parametrize("case", BROKEN)
def test_mistake_is_found_where_it_is(case: str) -> None:
    before, after, says = BROKEN[case]
    text = RECIPE.read_text("utf-8")
    assert before in text
    found = mistakes(text.replace(before, after, 1))
    assert any(says in each for each in found), found


def test_required_with_is_required() -> None:
    assert mistakes("version: 1\nname: x\nstages: {a: {uses: preprocess}}\n") == [
        "stages.a: 'with' is a required property"
    ]
    assert mistakes("version: 1\nname: x\nstages: {a: {}}\n") == ["stages.a: 'uses' is a required property"]


EXTENDING: dict[str, tuple[str, str]] = {
    "name alone": ("name: x\n", ""),
    "part of a stage": ("stages: {train: {with: {optimizer: {lr: 1e-3}, epochs: 3}}}\n", ""),
    "nulls": (
        "seed: null\nstages:\n  score: null\n"
        "  train: {needs: {init: null}, with: {optimizer: {lr: null}, losses: {cycle: null}}, matrix: null}\n"
        "profiles: {quick: null}\n",
        "",
    ),
    "wrong option": ("stages: {train: {with: {epocks: 3}}}\n", "stages.train: "),
    "wrong key": ("sead: 3\n", "'sead' was unexpected"),
    "wrong kind": ("stages: {train: {uses: trian}}\n", "stages.train: "),
    "wrong path": ("seed: 1\n", "extends: 3 is not valid"),
}
"""The rest of a file that extends another one, and what the validator says; nothing for no mistake."""


@pytest.mark.parametrize("case", EXTENDING)
def test_a_file_that_extends_another_says_what_differs(case: str) -> None:
    text, says = EXTENDING[case]
    found = mistakes(f"extends: {3 if case == 'wrong path' else 'base.yaml'}\n{text}")
    assert any(says in each for each in found) if says else found == []


def test_a_matrix_gives_options_that_are_required(registry: Callable[[], Registry]) -> None:
    head = "version: 1\nname: x\nstages:\n  a: {uses: train, needs: {data: b}"
    assert mistakes(f"{head}, matrix: {{method: [pix2pix, cyclegan], seed: {{one: 1}}}}}}\n") == []
    assert any(
        "'epoch' was unexpected" in each for each in mistakes(f"{head}, with: {{epoch: 1}}, matrix: {{seed: [1]}}}}\n")
    )
    assert any("matrix" in each for each in mistakes(f"{head}, with: {{method: pix2pix}}, matrix: {{seed: 1}}}}\n"))
    assert mistakes(f"{head}}}\n") == ["stages.a: 'with' is a required property"]


def test_editors_are_told_of_everything_that_is_installed() -> None:
    registry = Registry()
    registry.load_all()
    known = json.dumps(schema())
    assert not [name for kind in NAMED for name in registry.names(kind) if json.dumps(name) not in known]
    about = (registry.get("methods", "pix2pix").__doc__ or "").partition("\n")[0]
    assert about
    assert schema()["$defs"]["methods.pix2pix"]["description"].startswith(about)


def test_plugin_of_toys_is_in_it(registry: Callable[[], Registry]) -> None:
    """Names are those that a pipeline writes."""
    found, failures = pipeline_schema(registry())
    assert failures == {}
    validator, text = Draft202012Validator(found), Path("toy.yaml").read_text()
    assert list(validator.iter_errors(yamlfile.parse(text, "toy.yaml").plain())) == []
    wrong = yamlfile.parse(text.replace("size: 2", "size: 200"), "toy.yaml").plain()
    (error,) = validator.iter_errors(wrong)
    assert list(error.absolute_path) == ["stages", "prepare", "with", "size"]


def test_command_prints_it_or_writes_it(tmp_path: Path) -> None:
    printed = CliRunner().invoke(main, ["schema"])
    assert json.loads(printed.stdout) == schema()
    written = CliRunner().invoke(main, ["schema", "--output", str(tmp_path / "s.json")])
    assert (written.exit_code, written.stdout) == (0, "")
    assert json.loads((tmp_path / "s.json").read_text()) == schema()
