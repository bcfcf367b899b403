"""Files that extend others: what wins, what null takes out, where mistakes stand, and what is planned anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from translate.errors import ConfigError, StageError
from translate.pipeline import check, plan
from translate.pipeline.location import PipelineError
from translate.pipeline.plan_cache import PlanCache
from translate.pipeline.schema import load
from translate.plugins import Registry

Fresh = Callable[[], Registry]
Go = Callable[..., tuple[Any, Any]]


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def mistakes(file: str, registry: Fresh) -> str:
    with pytest.raises(PipelineError) as caught:
        check(file, registry=registry())
    return str(caught.value)


def resolved(file: str, profile: str | None = None) -> Any:
    return load(Path(file), profile).root.plain()


def test_what_is_inherited_changed_added_and_taken_out(work: Path, registry: Fresh) -> None:
    write(
        "child.yaml",
        """\
extends: toy.yaml
name: child
stages:
  prepare: {with: {size: 7}}
  train: {with: {optimizer: {lr: null, momentum: 0.5}, nested: {a: 1}}}
  score: null
  more: {uses: toy/free}
""",
    )
    tree = resolved("child.yaml")
    assert {key: value for key, value in tree.items() if key not in ("stages", "profiles")} == {
        "version": 1,
        "name": "child",
        "seed": 1,
        "tracking": "none",
    }
    assert tree["stages"] == {
        "prepare": {"uses": "toy/make", "with": {"text": "ab", "size": 7}},
        "train": {
            "uses": "toy/fit",
            "needs": {"data": "prepare"},
            "with": {"optimizer": {"uses": "adam", "momentum": 0.5}, "epochs": 3, "nested": {"a": 1}},
        },
        "more": {"uses": "toy/free"},
    }
    assert check("child.yaml", registry=registry()) == []


def test_another_component_and_a_list_replace_the_whole(work: Path) -> None:
    write("base.yaml", "stages: {a: {uses: toy/make, with: {text: x, transforms: [toy/blur, toy/blur]}}}\n")
    write(
        "child.yaml",
        "extends: base.yaml\nversion: 1\nname: c\nstages: {a: {with: {transforms: [{uses: toy/blur, radius: 4}]}}}\n",
    )
    assert resolved("child.yaml")["stages"]["a"]["with"] == {
        "text": "x",
        "transforms": [{"uses": "toy/blur", "radius": 4}],
    }
    write("other.yaml", "extends: child.yaml\nstages: {a: {uses: toy/free}}\n")
    assert resolved("other.yaml")["stages"] == {"a": {"uses": "toy/free"}}


def test_a_chain_of_files_in_other_folders(work: Path, registry: Fresh) -> None:
    write("shared/base.yaml", "version: 1\nname: base\nseed: 5\nstages: {a: {uses: toy/make, with: {size: 1}}}\n")
    write("middle.yaml", "extends: shared/base.yaml\nname: middle\nstages: {a: {with: {size: 2, text: m}}}\n")
    last = write("deep/last.yaml", "extends: ../middle.yaml\nstages: {a: {with: {size: 3}}}\n")
    pipeline = load(last)
    assert (pipeline.name, pipeline.seed) == ("middle", 5)
    assert resolved(str(last))["stages"]["a"]["with"] == {"size": 3, "text": "m"}
    assert [p.state for p in plan(last, registry=registry())] == ["absent"]


def test_profiles_merge_and_null_inside_of_one_keeps_its_meaning(work: Path, registry: Fresh) -> None:
    write(
        "child.yaml",
        """\
extends: toy.yaml
name: child
profiles:
  quick: {stages: {prepare: {with: {text: q}}, score: null}}
  other: null
  third: {seed: 9}
""",
    )
    pipeline = load(Path("child.yaml"), "quick")
    assert pipeline.profiles == ("quick", "third")
    tree = pipeline.root.plain()
    assert list(tree["stages"]) == ["prepare", "train"], "the profile leaves the stage out"
    assert tree["stages"]["prepare"]["with"] == {"text": "q", "size": 1}
    assert tree["stages"]["train"]["with"]["optimizer"]["lr"] == 1e-3
    assert check("child.yaml", registry=registry()) == []


def test_a_stage_that_is_taken_out_is_taken_out_of_inherited_profiles(work: Path, registry: Fresh) -> None:
    write("child.yaml", "extends: toy.yaml\nname: child\nstages: {train: null}\n")
    assert check("child.yaml", registry=registry()) == []
    assert resolved("child.yaml", "quick")["stages"] == {
        "prepare": {"uses": "toy/make", "with": {"text": "ab", "size": 1}},
        "score": {"uses": "toy/free"},
    }


def test_fingerprints_are_those_of_the_pipeline_written_out(work: Path, registry: Fresh, go: Go) -> None:
    write("child.yaml", "extends: toy.yaml\nname: child\nstages: {prepare: {with: {size: 7}}, score: null}\n")
    write("whole.yaml", yaml.safe_dump(resolved("child.yaml")))
    go("whole.yaml")
    planned = plan("child.yaml", registry=registry())
    assert [p.state for p in planned] == ["done", "done"]
    assert [p.fingerprint for p in planned] == [p.fingerprint for p in plan("whole.yaml", registry=registry())]
    assert go("child.yaml")[0].ran == ()


BAD: dict[str, tuple[str, str]] = {
    "option of the extended file": ("", "base.yaml:4:39: stages.a.with.siez: unknown key; did you mean 'size'?"),
    "both files": (
        "stages: {a: {with: {text: 3}}}\n",
        "base.yaml:4:39: stages.a.with.siez: unknown key; did you mean 'size'?\n"
        "child.yaml:3:27: stages.a.with.text: must be text, not 3",
    ),
    "value that replaces": (
        "stages: {a: {with: {siez: null, size: many}}}\n",
        "child.yaml:3:39: stages.a.with.size: must be a whole number, not 'many'",
    ),
    "stage that is not there": (
        "stages: {a: {with: {siez: null}}, b: null}\n",
        "child.yaml:3:35: stages.b: there is no stage 'b'",
    ),
    "key that lacks": ("name: null\nstages: {a: {with: {siez: null}}}\n", "child.yaml:1:1: name: is required"),
    "need that lacks": (
        "stages: {a: {with: {siez: null}}, fit: {uses: toy/fit}}\n",
        "child.yaml:3:35: stages.fit.needs.data: is required: the name of a stage that makes a dataset",
    ),
}
"""What the extending file says beside its first two lines, and what is wrong then."""


@pytest.mark.parametrize("case", BAD)
def test_mistakes_name_the_file_in_which_they_stand(case: str, work: Path, registry: Fresh) -> None:
    text, says = BAD[case]
    write("base.yaml", "version: 1\nname: base\nstages:\n  a: {uses: toy/make, with: {text: x, siez: 2}}\n")
    write("child.yaml", f"extends: base.yaml\nseed: 3\n{text}")
    assert mistakes("child.yaml", registry) == says


def test_syntax_of_an_extended_file(work: Path, registry: Fresh) -> None:
    write("base.yaml", "version: 1\nname: &x toy\n")
    write("child.yaml", "extends: base.yaml\n")
    assert mistakes("child.yaml", registry).startswith("base.yaml:2:7: anchors (&) and aliases (*) are not allowed")


def test_an_inherited_profile_with_a_mistake(work: Path, registry: Fresh) -> None:
    write(
        "child.yaml",
        "extends: toy.yaml\nstages: {train: {with: {epochs: 0}}}\nprofiles: {quick: {stages: {no: null}}}\n",
    )
    assert mistakes("child.yaml", registry) == (
        "child.yaml:2:33: stages.train.with.epochs: must be greater than 0, not 0\n"
        "child.yaml:3:29: profiles.quick.stages.no: there is no stage 'no'"
    )


CHAINS: dict[str, tuple[dict[str, str], str]] = {
    "missing": (
        {"child.yaml": "name: c\nextends: toyy.yaml\n"},
        "child.yaml:2:10: extends: cannot read toyy.yaml: No such file or directory; did you mean 'toy.yaml'?",
    ),
    "missing further on": (
        {"child.yaml": "extends: sub/base.yaml\n", "sub/base.yaml": "extends: zzzzzz\n"},
        "sub/base.yaml:1:10: extends: cannot read sub/zzzzzz: No such file or directory",
    ),
    "folder": (
        {"child.yaml": "extends: sub\n", "sub/x": ""},
        "child.yaml:1:10: extends: cannot read sub: Is a directory",
    ),
    "itself": (
        {"child.yaml": "extends: ./child.yaml\n"},
        "child.yaml:1:10: extends: the files extend each other in a circle: child.yaml -> child.yaml",
    ),
    "circle": (
        {"child.yaml": "extends: a.yaml\n", "a.yaml": "extends: b.yaml\n", "b.yaml": "seed: 1\nextends: a.yaml\n"},
        "b.yaml:2:10: extends: the files extend each other in a circle: a.yaml -> b.yaml -> a.yaml",
    ),
    "too many": (
        {"child.yaml": "extends: 1.yaml\n", **{f"{i}.yaml": f"extends: {i + 1}.yaml\n" for i in range(1, 20)}},
        "7.yaml:1:10: extends: a chain of more than 8 files that extend each other; put some of them together",
    ),
    "list": (
        {"child.yaml": "extends: [toy.yaml]\n"},
        "child.yaml:1:10: extends: must be the path of a pipeline file, relative to this one, not a list",
    ),
    "empty": (
        {"child.yaml": "name: c\nextends:\n"},
        "child.yaml:2:1: extends: must be the path of a pipeline file, relative to this one, not empty",
    ),
    "zero byte": (
        {"child.yaml": 'extends: "a\\0"\n'},
        "child.yaml:1:10: extends: must be the path of a pipeline file, relative to this one, not 'a\\x00'",
    ),
    "nothing in it": (
        {"child.yaml": "extends: base.yaml\n", "base.yaml": ""},
        "base.yaml:1:1: the file is empty; a pipeline needs version, name and stages",
    ),
}
"""Files by name, and the message of checking child.yaml."""


@pytest.mark.parametrize("case", CHAINS)
def test_chains_that_cannot_be_read(case: str, work: Path, registry: Fresh) -> None:
    files, says = CHAINS[case]
    for name, text in files.items():
        write(name, text)
    assert mistakes("child.yaml", registry) == says


def test_a_circle_through_a_link_is_seen(work: Path, registry: Fresh) -> None:
    write("child.yaml", "extends: link.yaml\n")
    Path("link.yaml").symlink_to("child.yaml")
    assert "in a circle: child.yaml -> link.yaml" in mistakes("child.yaml", registry)


def test_set_and_profile_cannot_change_the_chain(work: Path, registry: Fresh) -> None:
    with pytest.raises(ConfigError, match="--set extends: cannot be set from here"):
        check("toy.yaml", None, ["extends=other.yaml"], registry=registry())
    write("child.yaml", "extends: toy.yaml\nprofiles: {quick: {extends: toy.yaml}}\n")
    assert mistakes("child.yaml", registry) == "child.yaml:2:29: profiles.quick.extends: there is no profile 'toy.yaml'"


def test_a_profile_builds_on_another_one(work: Path, registry: Fresh) -> None:
    more = """\
  base: {seed: 4, stages: {prepare: {with: {size: 1, text: base}}, score: null}}
  middle: {extends: base, stages: {prepare: {with: {text: middle}}}}
  last: {extends: middle, stages: {score: {uses: toy/make}, prepare: {with: {size: 9}}}}
"""
    write("toy.yaml", Path("toy.yaml").read_text() + more)
    tree = resolved("toy.yaml", "last")
    assert tree["stages"]["prepare"]["with"] == {"text": "middle", "size": 9}
    assert (tree["seed"], tree["stages"]["score"]) == (4, {"uses": "toy/make"})
    assert check("toy.yaml", registry=registry()) == []
    write("child.yaml", "extends: toy.yaml\nname: child\nprofiles: {mine: {extends: last, seed: 5}}\n")
    assert resolved("child.yaml", "mine")["stages"]["prepare"]["with"] == {"text": "middle", "size": 9}


def test_profiles_that_cannot_be_put_together(work: Path, registry: Fresh) -> None:
    text = Path("toy.yaml").read_text()
    write("toy.yaml", text + "  a: {extends: b}\n  b: {extends: c}\n  c: {extends: b}\n  d: {extends: quik}\n")
    assert mistakes("toy.yaml", registry) == (
        "toy.yaml:28:16: profiles.b.extends: the profiles extend each other in a circle: c -> b -> c\n"
        "toy.yaml:29:16: profiles.c.extends: the profiles extend each other in a circle: b -> c -> b\n"
        "toy.yaml:30:16: profiles.d.extends: there is no profile 'quik'; did you mean 'quick'?"
    )
    write("toy.yaml", text + "  a: {extends: [quick]}\n")
    assert "toy.yaml:27:16: profiles.a.extends: must be text, not a list" in mistakes("toy.yaml", registry)


def test_a_change_in_any_file_of_the_chain_is_planned_anew(work: Path, registry: Fresh) -> None:
    write("a.yaml", "extends: b.yaml\nname: a\n")
    write("b.yaml", "extends: c.yaml\nstages: {train: {with: {epochs: 4}}}\n")
    write("c.yaml", Path("toy.yaml").read_text())
    outlines = {p.name: p.outline for p in plan("a.yaml", registry=registry())}
    PlanCache(Path("runs"), load(Path("a.yaml"))).save(outlines, [])
    assert PlanCache(Path("runs"), load(Path("a.yaml"))).load() is not None
    for name, old, new in (("c.yaml", "size: 2", "size: 5"), ("b.yaml", "epochs: 4", "epochs: 5")):
        write(name, Path(name).read_text().replace(old, new))
        assert PlanCache(Path("runs"), load(Path("a.yaml"))).load() is None, name
        PlanCache(Path("runs"), load(Path("a.yaml"))).save(outlines, [])


def test_a_run_that_broke_goes_on_whichever_file_it_was_started_from(work: Path, go: Go) -> None:
    write("child.yaml", "extends: toy.yaml\nname: child\nstages: {train: {with: {fail: crash}}}\n")
    with pytest.raises(StageError, match="out of luck"):
        go("child.yaml")
    Path("mended").touch()
    write("child.yaml", "extends: middle.yaml\n")
    write("middle.yaml", "extends: toy.yaml\nname: child\nstages: {train: {with: {fail: crash}}}\n")
    result, heard = go("child.yaml")
    assert result.ran == ("train", "score")
    assert "train: runs, since it did not finish; it resumes where it stopped" in heard.lines
