"""What a pipeline file means: YAML values, profiles, `--set`, and which of them wins."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from translate.pipeline import check, plan, schema, yamlfile
from translate.plugins import Registry


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4), ("1e3", 1000.0), ("1E+2", 100.0), (".5", 0.5), ("5.", 5.0), ("-3", -3), ("+3", 3), ("012", 12),
        ("0x1F", 31), ("0o17", 15), ("true", True), ("False", False), ("yes", "yes"), ("no", "no"), ("on", "on"),
        ("off", "off"), ("none", "none"), ("null", None), ("~", None), ("", None), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"), ("=", "="), ("<<", "<<"), ("'2'", "2"), ('"true"', "true"), (".inf", math.inf),
        ("-.inf", -math.inf), ("1e", "1e"), ("e3", "e3"), ("0b1", "0b1"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    found = yamlfile.parse(f"x: {text}\n", "f").plain()["x"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(yamlfile.parse("x: .nan\n", "f").plain()["x"])


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
trees = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("xyz 1~", max_size=8), below, max_size=3),
)


@settings(deadline=None)
@given(st.dictionaries(st.text("abc é😀:#-{", min_size=1, max_size=8), trees, min_size=1, max_size=4))
def test_json_is_read_back_as_it_was(value: dict[str, Any]) -> None:
    """JSON is YAML 1.2: the standard library's writer is the oracle."""
    import json

    assert yamlfile.parse(json.dumps(value), "f").plain() == value


def _options(stage: str, *args: Any, registry: Callable[[], Registry]) -> dict[str, Any]:
    return {p.name: p.outline.options for p in plan("toy.yaml", *args, registry=registry())}[stage]


def test_precedence(work: Path, registry: Callable[[], Registry]) -> None:
    def options(stage: str, *args: Any) -> dict[str, Any]:
        return _options(stage, *args, registry=registry)

    assert options("prepare")["workers"] == 1, "class default"
    assert options("prepare")["size"] == 2, "file"
    assert options("prepare", "quick")["size"] == 1, "profile"
    assert options("prepare", "quick", ["stages.prepare.with.size=7"])["size"] == 7, "--set"
    assert options("prepare", None, ["stages.prepare.with.size=7", "stages.prepare.with.size=8"])["size"] == 8
    assert options("prepare", "quick")["text"] == "ab", "mappings merge"


def test_profile_merges_a_component_and_replaces_it_when_it_is_another(
    work: Path, registry: Callable[[], Registry]
) -> None:
    quick = _options("train", "quick", registry=registry)["optimizer"]
    assert quick == {"uses": "adam", "lr": 1e-3, "momentum": 0.0}
    other = _options("train", "other", registry=registry)["optimizer"]
    assert other == {"uses": "sgd", "lr": 2e-4, "momentum": 0.0}, "the options of adam are gone, sgd has its defaults"
    Path("toy.yaml").write_text(Path("toy.yaml").read_text().replace("lr: 2e-4", "lr: 5e-4"))
    assert _options("train", "other", registry=registry)["optimizer"]["lr"] == 2e-4
    sets = ["stages.train.with.optimizer.uses=sgd", "stages.train.with.optimizer.momentum=0.9"]
    changed = _options("train", None, sets, registry=registry)["optimizer"]
    assert changed == {"uses": "sgd", "lr": 2e-4, "momentum": 0.9}


def test_profile_removes_a_stage_and_changes_the_seed(work: Path, registry: Callable[[], Registry]) -> None:
    planned = plan("toy.yaml", "other", registry=registry())
    assert [p.name for p in planned] == ["prepare", "train"]
    assert planned[0].recipe["seed"] == 2


def test_set_takes_yaml_lists_items_and_new_stages(work: Path, registry: Callable[[], Registry]) -> None:
    sets = [
        "stages.prepare.with.transforms=[toy/blur, {uses: toy/blur, radius: 5}]",
        "stages.prepare.with.transforms.0.uses=toy/blur",
        "stages.prepare.with.transforms.1.radius=6",
    ]
    with pytest.raises(Exception, match=r"--set stages\.prepare\.with\.transforms\.0: is 'toy/blur' in the file"):
        check("toy.yaml", "quick", sets, registry=registry())
    found = _options("prepare", None, [sets[0], sets[2]], registry=registry)["transforms"]
    assert found == [{"uses": "toy/blur", "radius": 2}, {"uses": "toy/blur", "radius": 6}]
    more = plan("toy.yaml", None, ["stages.more={uses: toy/fit, needs: {data: prepare}}"], registry=registry())
    assert [p.name for p in more] == ["prepare", "train", "score", "more"]
    with pytest.raises(Exception, match="the list has items 0 to 1"):
        check("toy.yaml", "quick", [sets[0], "stages.prepare.with.transforms.2=toy/blur"], registry=registry())


def test_stages_run_parents_first_whatever_their_order(work: Path, registry: Callable[[], Registry]) -> None:
    text = "version: 1\nname: t\nstages:\n  b: {uses: toy/fit, needs: {data: a}}\n  c: {uses: toy/free}\n"
    Path("t.yaml").write_text(text + "  a: {uses: toy/make}\n")
    assert [p.name for p in plan("t.yaml", registry=registry())] == ["c", "a", "b"]
    assert [p.name for p in plan("t.yaml", until="b", registry=registry())] == ["a", "b"]


def test_check_covers_every_profile_and_returns_notes(work: Path, registry: Callable[[], Registry]) -> None:
    text = Path("toy.yaml").read_text().replace("prepare: {with: {size: 1}}", "prepare: {with: {size: 60}}")
    Path("toy.yaml").write_text(text)
    assert check("toy.yaml", registry=registry()) == ["prepare: size 60 is large"]
    assert check("toy.yaml", "other", registry=registry()) == []


def test_frame_holds_what_the_file_says(work: Path) -> None:
    pipeline = schema.load(Path("toy.yaml"), "quick")
    assert (pipeline.name, pipeline.title, pipeline.seed) == ("toy", "toy@quick", 1)
    assert pipeline.profiles == ("quick", "other")
    assert {n: s.plain() for n, s in pipeline.stages()}["score"] == yaml.safe_load("{uses: toy/free}")
