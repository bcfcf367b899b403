"""Stages with a matrix: the stages that they become, who follows whom, how they are named and changed, and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from translate.errors import ConfigError, StageError
from translate.pipeline import check, plan
from translate.pipeline.location import PipelineError
from translate.pipeline.safe_tracker import resolved
from translate.pipeline.schema import load
from translate.plugins import Registry
from translate.seeding import derive
from translate.storage import manifest

Fresh = Callable[[], Registry]
Go = Callable[..., tuple[Any, Any]]

HEAD = "version: 1\nname: m\ntracking: none\nstages:\n"
MAKE = "  make: {uses: toy/make, with: {text: ab}}\n"
FIT = "  fit: {uses: toy/fit, needs: {data: make}, with: {epochs: 2}, matrix: {epochs: [1, 2]}}\n"


def stages(text: str, profile: str | None = None, sets: list[str] | None = None) -> Any:
    Path("m.yaml").write_text(text)
    return load(Path("m.yaml"), profile, sets or []).root.plain()["stages"]


def names(text: str, **kwargs: Any) -> list[str]:
    return list(stages(text, **kwargs))


def test_a_stage_becomes_one_stage_for_each_value(work: Path, registry: Fresh) -> None:
    found = stages(
        HEAD + MAKE + "  fit: {uses: toy/fit, needs: {data: make}, matrix: {optimizer.lr: [1e-3, 0.5, 2]}}\n"
    )
    assert found == {
        "make": {"uses": "toy/make", "with": {"text": "ab"}},
        **{
            f"fit-{name}": {"uses": "toy/fit", "needs": {"data": "make"}, "with": {"optimizer": {"lr": lr}}}
            for name, lr in (("0_001", 1e-3), ("0_5", 0.5), ("2", 2))
        },
    }
    assert check("m.yaml", registry=registry()) == []


def test_several_keys_give_the_product_and_values_may_have_names(work: Path) -> None:
    matrix = "{epochs: [1, 2], nested: {strong: {a: 20, b: 1}, weak: {a: 5}}, fast: [auto]}"
    text = HEAD + "  fit: {uses: toy/fit, with: {nested: {a: 1, c: 3}}, matrix: MATRIX}\n".replace("MATRIX", matrix)
    found = stages(text)
    assert list(found) == [f"fit-{epochs}-{name}-auto" for epochs in (1, 2) for name in ("strong", "weak")]
    assert found["fit-2-strong-auto"]["with"] == {"nested": {"a": 20, "b": 1, "c": 3}, "epochs": 2, "fast": "auto"}
    assert found["fit-1-weak-auto"]["with"] == {"nested": {"a": 5, "c": 3}, "epochs": 1, "fast": "auto"}


def test_a_value_replaces_a_word_a_list_and_an_item_of_a_list(work: Path, registry: Fresh) -> None:
    text = (
        HEAD + "  make: {uses: toy/make, with: {text: b, transforms: [toy/blur, {uses: toy/blur}]}, matrix: MATRIX}\n"
    )
    found = stages(text.replace("MATRIX", "{transforms: {none: [], one: [toy/blur]}, text: [a]}"))
    assert [stage["with"] for stage in found.values()] == [
        {"text": "a", "transforms": []},
        {"text": "a", "transforms": ["toy/blur"]},
    ]
    found = stages(
        text.replace("MATRIX", "{transforms.1.radius: [3], transforms.0: {wide: {uses: toy/blur, radius: 9}}}")
    )
    assert found["make-3-wide"]["with"]["transforms"] == [
        {"uses": "toy/blur", "radius": 9},
        {"uses": "toy/blur", "radius": 3},
    ]
    assert check("m.yaml", registry=registry()) == []


def test_all_options_at_once(work: Path) -> None:
    matrix = "{with: {small: {epochs: 1, nested: {a: 2}}, large: {epochs: 9}}}"
    found = stages(HEAD + f"  fit: {{uses: toy/fit, with: {{nested: {{b: 1}}}}, matrix: {matrix}}}\n")
    assert found["fit-small"]["with"] == {"nested": {"a": 2, "b": 1}, "epochs": 1}
    assert found["fit-large"]["with"] == {"nested": {"b": 1}, "epochs": 9}


def test_a_key_may_begin_with_the_place_of_options(work: Path) -> None:
    assert stages(HEAD + "  fit: {uses: toy/fit, matrix: {with.epochs: [1], with.seed: [4], seed: [5]}}\n") == {
        "fit-1-4-5": {"uses": "toy/fit", "with": {"epochs": 1, "seed": 4}, "seed": 5}
    }


def test_stages_follow_those_that_they_need(work: Path, registry: Fresh) -> None:
    text = """\
  make: {uses: toy/make, matrix: {text: [a, b]}}
  fit: {uses: toy/fit, needs: {data: make}, matrix: {seed: [1, 2]}}
  again: {uses: toy/fit, needs: {data: make, init: fit}, matrix: {seed: [2], text: null}}
  one: {uses: toy/fit, needs: {data: make-b}}
"""
    found = stages(HEAD + text.replace(", text: null", ""))
    assert list(found) == [
        "make-a",
        "make-b",
        *(f"fit-{t}-{s}" for t in "ab" for s in (1, 2)),
        "again-a-2",
        "again-b-2",
        "one",
    ]
    assert found["fit-b-1"]["needs"] == {"data": "make-b"}
    assert found["again-a-2"]["needs"] == {"data": "make-a", "init": "fit-a-2"}
    assert found["one"]["needs"] == {"data": "make-b"}
    assert check("m.yaml", registry=registry()) == []


def test_the_order_of_the_file_does_not_matter(work: Path, registry: Fresh) -> None:
    assert names(
        HEAD + FIT.replace("matrix", "seed: 1, matrix") + "  make: {uses: toy/make, matrix: {size: [3, 4]}}\n"
    ) == [
        "fit-3-1",
        "fit-3-2",
        "fit-4-1",
        "fit-4-2",
        "make-3",
        "make-4",
    ]
    assert [p.name for p in plan("m.yaml", registry=registry())][:2] == ["make-3", "fit-3-1"]


def test_the_seed_of_a_stage(work: Path, registry: Fresh, go: Go) -> None:
    Path("m.yaml").write_text(HEAD + MAKE + FIT.replace("{epochs: [1, 2]}", "{seed: [7, 8]}") + "seed: 3\n")
    planned = {p.name: p for p in plan("m.yaml", registry=registry())}
    assert {name: p.outline.recipe["seed"] for name, p in planned.items()} == {"make": 3, "fit-7": 7, "fit-8": 8}
    whole = MAKE + "  fit-8: {uses: toy/fit, needs: {data: make}, with: {epochs: 2}, seed: 8}\n"
    Path("w.yaml").write_text(HEAD + whole + "seed: 3\n")
    go("w.yaml")
    assert {p.name: p.fingerprint for p in plan("w.yaml", registry=registry())} == {
        p.name: p.fingerprint for p in plan("m.yaml", registry=registry()) if p.name != "fit-7"
    }, "an unfolded stage is what it would be if it were written out"


def test_the_seed_that_a_stage_draws_with(work: Path, registry: Fresh) -> None:
    from translate.pipeline.checking.checker import check as checked

    Path("m.yaml").write_text(HEAD + MAKE + FIT.replace("{epochs: [1, 2]}", "{seed: [7, 8]}"))
    found = checked(load(Path("m.yaml")), registry())
    assert found["fit-8"].stage.seed == derive(8, "stage", "fit-8")
    assert found["make"].stage.seed == derive(0, "stage", "make")


def test_the_record_of_a_run_holds_the_unfolded_stages(work: Path, registry: Fresh) -> None:
    from translate.pipeline import _planner

    Path("m.yaml").write_text(HEAD + MAKE + FIT.replace("{epochs: [1, 2]}", "{seed: [7, 8]}"))
    planner, _ = _planner(load(Path("m.yaml")), registry())
    record = yaml.safe_load(resolved(planner))["stages"]
    assert {name: stage.get("seed") for name, stage in record.items()} == {"make": None, "fit-7": 7, "fit-8": 8}


def test_profile_and_set_change_a_stage_before_it_is_unfolded_and_afterwards(work: Path) -> None:
    text = (
        HEAD
        + MAKE
        + FIT
        + "profiles:\n  p:\n    stages:\n      fit: {with: {fast: 'off'}, matrix: {epochs: [5, 6]}}\n"
        + "      fit-6: {with: {nested: {a: 1}}}\n"
    )
    found = stages(
        text, "p", ["stages.fit-5.with.fast=auto", "stages.fit.with.nested={b: 2}", "stages.fit-6.with.epochs=60"]
    )
    assert found["fit-5"]["with"] == {"epochs": 5, "fast": "auto", "nested": {"b": 2}}
    assert found["fit-6"]["with"] == {"epochs": 60, "fast": "off", "nested": {"b": 2, "a": 1}}
    assert names(text, profile="p", sets=["stages.fit-5=null"]) == ["make", "fit-6"]
    assert names(text, sets=["stages.fit.matrix=null"]) == ["make", "fit"]
    assert names(text, sets=["stages.fit.matrix.epochs=[9]", "stages.fit.matrix.optimizer.lr=[1]"]) == [
        "make",
        "fit-9-1",
    ]
    with pytest.raises(PipelineError, match=r"--set stages\.fit-3: there is no stage 'fit-3'; did you mean 'fit-"):
        check("m.yaml", None, ["stages.fit-3.with.epochs=4"])


def test_an_extending_file_gives_a_stage_a_matrix_or_takes_it_away(work: Path) -> None:
    Path("base.yaml").write_text(HEAD + MAKE + FIT)
    assert names("extends: base.yaml\nstages: {fit: {matrix: null}, make: {matrix: {size: [1, 2]}}}\n") == [
        "make-1",
        "make-2",
        "fit-1",
        "fit-2",
    ]


def test_run_until_force_and_continue_take_a_stage_or_all_that_it_became(work: Path, go: Go, registry: Fresh) -> None:
    Path("m.yaml").write_text(HEAD + MAKE + FIT + "  last: {uses: toy/free}\n")
    assert go("m.yaml", until="fit-2")[0].ran == ("make", "fit-2")
    assert go("m.yaml", until="fit")[0].ran == ("fit-1",)
    assert go("m.yaml", until="fit", force=["fit-2"])[0].ran == ("fit-2",)
    assert go("m.yaml", until="fit", force=["fit"])[0].ran == ("fit-1", "fit-2")
    result, _ = go("m.yaml", set=["stages.fit-2.with.optimizer.lr=0.1"], continue_="fit-2")
    assert result.ran == ("fit-2", "last")
    assert manifest.read(Path("runs/m/fit-2"))["continued_from"].startswith("fit-2-")  # type: ignore[index]
    with pytest.raises(
        ConfigError, match="--continue fit: its matrix makes several stages of it; name one: fit-1, fit-2"
    ):
        go("m.yaml", continue_="fit")
    with pytest.raises(ConfigError, match=r"--until fit-3: there is no such stage in this run; did you mean 'fit-"):
        plan("m.yaml", until="fit-3", registry=registry())


def test_one_of_them_breaks_and_the_run_goes_on_there(work: Path, go: Go) -> None:
    Path("m.yaml").write_text(HEAD + MAKE + FIT.replace("{epochs: [1, 2]}", "{fail: {a: 'no', b: crash}}"))
    with pytest.raises(StageError, match="stage fit-b failed: RuntimeError: out of luck"):
        go("m.yaml")
    Path("mended").touch()
    result, heard = go("m.yaml")
    assert result.ran == ("fit-b",)
    assert "fit-b: runs, since it did not finish; it resumes where it stopped" in heard.lines


BAD: dict[str, tuple[str, str]] = {
    "no mapping": (
        "matrix: [epochs]",
        "6:53: stages.fit.matrix: must be a mapping of options and their values, not a list",
    ),
    "a single value": (
        "matrix: {epochs: 3}",
        "6:62: stages.fit.matrix.epochs: must be a list of values, or a mapping of names and values, not 3",
    ),
    "no values": ("matrix: {epochs: []}", "6:62: stages.fit.matrix.epochs: must not be empty"),
    "empty": (
        "matrix: {epochs: }",
        "6:54: stages.fit.matrix.epochs: must be a list of values, or a mapping of names and values, not empty",
    ),
    "mapping without a name": (
        "matrix: {nested: [{a: 1}]}",
        "6:63: stages.fit.matrix.nested.0: a mapping has no name; write NAME: value for each",
    ),
    "empty text": (
        "matrix: {fast: ['']}",
        "6:61: stages.fit.matrix.fast.0: '' has no name; write NAME: value for each",
    ),
    "name": (
        "matrix: {epochs: {A b: 1}}",
        "6:63: stages.fit.matrix.epochs.A b: must be made of lower-case letters, digits, '-' and '_' "
        "(it becomes a part of the stage's name), not 'A b'",
    ),
    "equal names": (
        "matrix: {fast: [a.b, a_b]}",
        "6:66: stages.fit.matrix.fast.1: two values are called 'a_b'; "
        "write NAME: value for each, with names that differ",
    ),
    "key": (
        "matrix: {optimizer.: [1]}",
        "6:54: stages.fit.matrix.optimizer.: "
        "a key of a matrix is an option below `with`, such as optimizer.lr, or seed",
    ),
    "key twice": (
        "matrix: {epochs: [1], with.epochs: [2]}",
        "6:67: stages.fit.matrix.with.epochs: epochs is given twice",
    ),
    "unknown option": (
        "matrix: {optimizer.lrr: [1, 2]}",
        "6:54: stages.fit.matrix.optimizer.lrr: unknown key; did you mean 'lr'?",
    ),
    "unknown stage option": (
        "matrix: {epoch: [1, 2]}",
        "6:54: stages.fit.matrix.epoch: unknown key; did you mean 'epochs'?",
    ),
    "value": ("matrix: {epochs: [1, 0]}", "6:66: stages.fit.matrix.epochs.1: must be greater than 0, not 0"),
    "seed": ("matrix: {seed: [1, -2]}", "6:64: stages.fit.matrix.seed.1: must be at least 0, not -2"),
    "no keys": (
        "with: {fast: 'off'}, matrix: {fast.a: [1]}",
        "6:75: stages.fit.matrix.fast.a: is 'off' in the file and has no keys to set",
    ),
    "option beside it": (
        "with: {epchs: 1}, matrix: {seed: [1, 2]}",
        "6:52: stages.fit.with.epchs: unknown key; did you mean 'epochs'?",
    ),
    "too many": (
        f"matrix: {{epochs: {list(range(1, 21))}, seed: {list(range(11))}}}",
        "6:53: stages.fit.matrix: unfolds into 220 stages; at most 200 are allowed",
    ),
    "long name": (
        f"matrix: {{fast: {{{'x' * 58}: off}}}}",
        f"6:53: stages.fit.matrix: unfolds into a stage 'fit-{'x' * 58}'; a name has at most 60 characters",
    ),
    "taken": (
        "matrix: {epochs: [1, 2]}}\n  fit-2: {uses: toy/free",
        "6:53: stages.fit.matrix: unfolds into a stage 'fit-2', but there is one of that name already",
    ),
    "taken by itself": (
        "matrix: {seed: {a: 1, a-b: 2}, epochs: {b-c: 1, c: 2}}",
        "6:53: stages.fit.matrix: unfolds into a stage 'fit-a-b-c', but there is one of that name already",
    ),
    "values that are not there": (
        "matrix: {seed: [1, 2]}}\n  two: {uses: toy/fit, needs: {data: make, init: fit}, matrix: {seed: [2, 3]}",
        "7:75: stages.two.matrix.seed.1: 'fit', which this stage needs, is unfolded over seed as 1, 2, without '3'",
    ),
    "parents that differ": (
        "matrix: {seed: [1, 2]}}\n  fat: {uses: toy/make, matrix: {seed: [1, 3]}}\n"
        "  two: {uses: toy/fit, needs: {data: fat, init: fit}",
        "8:49: stages.two.needs.init: 'fit' is unfolded over seed as 1, 2, but 'fat' as 1, 3; "
        "give this stage a matrix of the values that both have",
    ),
    "circle": (
        "matrix: {seed: [1, 2]}}\n  a: {uses: toy/fit, needs: {data: make, init: b}}\n  "
        "b: {uses: toy/fit, needs: {data: make, init: a}, matrix: {seed: [1]}",
        "8:48: stages.b.needs.init: the stages need each other in a circle: a -> b -> a",
    ),
    "need": (
        "matrix: {epochs: [1, 2]}}\n  two: {uses: toy/fit, needs: {data: make, init: fit-3}",
        "7:50: stages.two.needs.init: there is no stage 'fit-3'; did you mean 'fit-2'?",
    ),
    "wrong kind of need": (
        "matrix: {epochs: [1, 2]}}\n  two: {uses: toy/fit, needs: {data: fit}",
        "7:38: stages.two.needs.data: needs a dataset, but 'fit-1' makes a model\n"
        "m.yaml:7:38: stages.two.needs.data: needs a dataset, but 'fit-2' makes a model",
    ),
}
"""The rest of line 6, behind `fit: {uses: toy/fit, needs: {data: make}, `, and what is wrong then."""


@pytest.mark.parametrize("case", BAD)
def test_mistakes_stand_where_they_are_written(case: str, work: Path, registry: Fresh) -> None:
    rest, says = BAD[case]
    Path("m.yaml").write_text(HEAD + MAKE + "  fit: {uses: toy/fit, needs: {data: make}, " + rest + "}\n")
    with pytest.raises(PipelineError) as caught:
        check("m.yaml", registry=registry())
    assert str(caught.value) == f"m.yaml:{says}"
