"""Bad pipeline files: the exact position and words of each message."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from translate.cli import main
from translate.errors import ConfigError
from translate.pipeline import check
from translate.plugins import Registry

STAGES = "stages: {a: {uses: toy/free}}\n"
HEAD = "version: 1\nname: toy\nstages:\n"

BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "1:1: the file is empty; a pipeline needs version, name and stages"),
    "comment only": ("# nothing\n", "1:1: the file is empty; a pipeline needs version, name and stages"),
    "list": ("- version: 1\n", "1:1: a pipeline is a mapping (version: 1, name: ..., stages: ...)"),
    "text": ("hello\n", "1:1: a pipeline is a mapping (version: 1, name: ..., stages: ...)"),
    "tab": (
        "version: 1\nname: toy\nstages:\n\ta: {uses: toy/free}\n",
        "4:1: a tab cannot be used here; indent with spaces",
    ),
    "control character": ("version: 1\nname: a\x07b\n" + STAGES, "2:8: the character '\\x07' is not allowed in YAML"),
    "colon in text": (
        "version: 1\nname: a: b\n" + STAGES,
        "2:8: unexpected ':'; check the indentation, or put the text in quotes",
    ),
    "indentation": (
        "version: 1\nname: toy\nstages:\n    a: {uses: toy/free}\n  b: {uses: toy/free}\n",
        "5:3: this does not line up with the lines above it; check the indentation",
    ),
    "key without colon": ("version: 1\nname\nseed: 1\n" + STAGES, "2:1: expected 'key: value'"),
    "open list": (
        "version: 1\nplugins: [toy, toy\nname: x\n" + STAGES,
        "3:5: expected ',' or ']' in the list that starts on line 2",
    ),
    "open mapping": (
        "version: 1\nstages: {a: {uses: toy/free}\nname: y\n",
        "3:1: expected ',' or '}' in the mapping that starts on line 2",
    ),
    "open quote": ("version: 1\nname: 'x\n" + STAGES, "2:7: the text or bracket that starts here is never closed"),
    "reserved character": ("version: 1\nname: @x\n" + STAGES, "2:7: a value cannot start with '@'; put it in quotes"),
    "second document": (
        "version: 1\nname: toy\n" + STAGES + "---\nversion: 1\n",
        "4:1: a second document ('---') starts here; a pipeline is one document",
    ),
    "anchor": (
        "version: 1\nname: &x toy\n" + STAGES,
        "2:7: anchors (&) and aliases (*) are not allowed; write the value out",
    ),
    "alias": (
        "version: 1\nname: *x\n" + STAGES,
        "2:7: anchors (&) and aliases (*) are not allowed; write the value out",
    ),
    "tag": (
        "version: !!python/object:os.system 1\nname: toy\n" + STAGES,
        "1:10: tags are not allowed; leave '!!python/object:os.system' out",
    ),
    "standard tag": ("version: !!int 1\nname: toy\n" + STAGES, "1:10: tags are not allowed; leave '!!int' out"),
    "depth": ("version: " + "[" * 40 + "]" * 40 + "\n", "1:41: nested deeper than 32 levels"),
    "duplicate key": (
        "version: 1\nname: a\nversion: 1\n" + STAGES,
        "3:1: version: given twice; the first is on line 1",
    ),
    "duplicate option": (
        HEAD + "  a:\n    uses: toy/make\n    with: {size: 1, size: 2}\n",
        "6:21: stages.a.with.size: given twice; the first is on line 6",
    ),
    "number as key": ("version: 1\n2: x\nname: toy\n" + STAGES, "2:1: a key must be text; put '2' in quotes"),
    "list as key": ("version: 1\n? [a]\n: x\nname: toy\n" + STAGES, "2:3: a key must be text, not a list or a mapping"),
    "no version": ("name: toy\nstages: {a: {uses: toy/free}}\n", "1:1: version: is required"),
    "other version": ("version: 2\nname: toy\nstages: {a: {uses: toy/free}}\n", "1:10: version: must be 1, not 2"),
    "no stages": ("version: 1\nname: toy\n", "1:1: stages: is required"),
    "empty stages": ("version: 1\nname: toy\nstages: {}\n", "3:9: stages: must not be empty"),
    "stages as list": (
        "version: 1\nname: toy\nstages: [a]\n",
        "3:9: stages: must be a mapping (key: value), not a list",
    ),
    "name": (
        "version: 1\nname: My Pipe\nstages: {a: {uses: toy/free}}\n",
        "2:7: name: must be made of lower-case letters, digits, '-' and '_' (it names folders), not 'My Pipe'",
    ),
    "unknown top key": (
        HEAD + "  a: {uses: toy/free}\nsed: 3\n",
        "5:1: sed: unknown key; did you mean 'seed'?",
    ),
    "seed": (HEAD + "  a: {uses: toy/free}\nseed: -1\n", "5:7: seed: must be at least 0, not -1"),
    "tracking": (
        HEAD + "  a: {uses: toy/free}\ntracking: mlfow\n",
        "5:11: tracking: must be 'mlflow' or 'none', not 'mlfow'; did you mean 'mlflow'?",
    ),
    "stage name": (
        HEAD + "  A b: {uses: toy/free}\n",
        "4:3: stages.A b: must be made of lower-case letters, digits, '-' and '_' (it names folders), not 'A b'",
    ),
    "empty stage": (HEAD + "  a:\n", "4:3: stages.a: must be a mapping (key: value), not empty"),
    "no uses": (HEAD + "  a: {with: {}}\n", "4:3: stages.a.uses: is required"),
    "stage key": (HEAD + "  a: {uses: toy/free, wth: {}}\n", "4:23: stages.a.wth: unknown key; did you mean 'with'?"),
    "unknown plugin": (
        HEAD + "  a: {uses: tpy/make}\n",
        "4:13: stages.a.uses: there is no plugin 'tpy'; did you mean 'toy'?",
    ),
    "listener": (
        HEAD + "  a: {uses: toy/free}\nplugins: [toy, watcher]\n",
        "5:16: plugins.1: there is no plugin 'watcher'",
    ),
    "unknown option": (
        HEAD + "  a:\n    uses: toy/make\n    with:\n      siez: 3\n",
        "7:7: stages.a.with.siez: unknown key; did you mean 'size'?",
    ),
    "far from any option": (
        HEAD + "  a:\n    uses: toy/make\n    with: {zzz: 3}\n",
        "6:12: stages.a.with.zzz: unknown key; the keys here are size, source, text, transforms, workers",
    ),
    "no options": (HEAD + "  a: {uses: toy/free, with: {x: 1}}\n", "4:30: stages.a.with.x: unknown key"),
    "not a number": (
        HEAD + "  a: {uses: toy/make, with: {size: many}}\n",
        "4:36: stages.a.with.size: must be a whole number, not 'many'",
    ),
    "a fraction": (
        HEAD + "  a: {uses: toy/make, with: {size: 1.5}}\n",
        "4:36: stages.a.with.size: must be a whole number, not 1.5",
    ),
    "too small": (
        HEAD + "  a: {uses: toy/make, with: {size: 0}}\n",
        "4:36: stages.a.with.size: must be greater than 0, not 0",
    ),
    "too large": (
        HEAD + "  a: {uses: toy/make, with: {size: 101}}\n",
        "4:36: stages.a.with.size: must be at most 100, not 101",
    ),
    "half a character": (
        'version: 1\nname: "\\ud83d"\n' + STAGES,
        "2:7: name: holds half of a character (a lone surrogate)",
    ),
    "no value": (
        HEAD + "  a:\n    uses: toy/make\n    with:\n      size:\n",
        "7:7: stages.a.with.size: must be a whole number, not empty",
    ),
    "not text": (
        HEAD + "  a: {uses: toy/make, with: {text: 3}}\n",
        "4:36: stages.a.with.text: must be text, not 3",
    ),
    "not a list": (
        HEAD + "  a: {uses: toy/make, with: {transforms: toy/blur}}\n",
        "4:42: stages.a.with.transforms: must be a list, not 'toy/blur'",
    ),
    "component without a name": (
        HEAD + "  a: {uses: toy/make, with: {transforms: [{radius: 3}]}}\n",
        "4:43: stages.a.with.transforms.0.uses: is required",
    ),
    "component that is a number": (
        HEAD + "  a: {uses: toy/make, with: {transforms: [3]}}\n",
        "4:43: stages.a.with.transforms.0: must be a name or {uses: NAME, ...}, not 3",
    ),
    "component option": (
        HEAD + "  a:\n    uses: toy/make\n    with:\n      transforms:\n      - uses: toy/blur\n        raduis: 2\n",
        "9:9: stages.a.with.transforms.0.raduis: unknown key; did you mean 'radius'?",
    ),
    "component value": (
        HEAD + "  a: {uses: toy/make, with: {transforms: [{uses: toy/blur, radius: -2}]}}\n",
        "4:68: stages.a.with.transforms.0.radius: must be greater than 0, not -2",
    ),
    "literal": (
        HEAD + "  a: {uses: toy/make}\n  b:\n    uses: toy/fit\n    needs: {data: a}\n    with: {fast: of}\n",
        "8:18: stages.b.with.fast: must be 'off' or 'auto', not 'of'; did you mean 'off'?",
    ),
    "value of a mapping": (
        HEAD + "  a: {uses: toy/make}\n  b: {uses: toy/fit, needs: {data: a}, with: {nested: {x: no}}}\n",
        "5:59: stages.b.with.nested.x: must be a whole number, not 'no'",
    ),
    "unknown need": (
        HEAD + "  a: {uses: toy/make}\n  b: {uses: toy/fit, needs: {data: a, dta: a}}\n",
        "5:39: stages.b.needs.dta: unknown need; did you mean 'data'?",
    ),
    "need of nothing": (
        HEAD + "  a: {uses: toy/free}\n  b: {uses: toy/make, needs: {data: a}}\n",
        "5:31: stages.b.needs.data: unknown need; this stage needs nothing",
    ),
    "missing need": (
        HEAD + "  a: {uses: toy/make}\n  b: {uses: toy/fit}\n",
        "5:3: stages.b.needs.data: is required: the name of a stage that makes a dataset",
    ),
    "unknown stage": (
        HEAD + "  prepare: {uses: toy/make}\n  b: {uses: toy/fit, needs: {data: prepar}}\n",
        "5:36: stages.b.needs.data: there is no stage 'prepar'; did you mean 'prepare'?",
    ),
    "wrong kind": (
        HEAD + "  a: {uses: toy/free}\n  b: {uses: toy/fit, needs: {data: a}}\n",
        "5:36: stages.b.needs.data: needs a dataset, but 'a' makes scores",
    ),
    "need as list": (
        HEAD + "  a: {uses: toy/make}\n  b: {uses: toy/fit, needs: {data: [a]}}\n",
        "5:36: stages.b.needs.data: must be text, not a list",
    ),
    "cycle": (
        HEAD + "  d: {uses: toy/make}\n  a: {uses: toy/fit, needs: {data: d, init: b}}\n"
        "  b: {uses: toy/fit, needs: {data: d, init: a}}\n",
        "5:45: stages.a.needs.init: the stages need each other in a circle: a -> b -> a",
    ),
    "own result": (
        HEAD + "  d: {uses: toy/make}\n  a: {uses: toy/fit, needs: {data: d, init: a}}\n",
        "5:45: stages.a.needs.init: the stages need each other in a circle: a -> a",
    ),
    "what the stage checks": (
        HEAD + "  a: {uses: toy/make, with: {text: bad}}\n",
        "4:36: stages.a.with.text: is a bad word",
    ),
    "profile key": (
        HEAD + "  a: {uses: toy/free}\nprofiles:\n  quick: {stage: {}}\n",
        "6:11: profiles.quick.stage: unknown key; did you mean 'stages'?",
    ),
    "profile stage": (
        HEAD + "  train: {uses: toy/free}\nprofiles:\n  quick: {stages: {trian: {with: {}}}}\n",
        "6:20: profiles.quick.stages.trian: there is no stage 'trian'; did you mean 'train'?",
    ),
    "profile value": (
        HEAD + "  a: {uses: toy/make}\nprofiles:\n  quick: {stages: {a: {with: {size: no}}}}\n",
        "6:37: profiles.quick.stages.a.with.size: must be a whole number, not 'no'",
    ),
    "profile removes a need": (
        HEAD + "  a: {uses: toy/make}\n  b: {uses: toy/fit, needs: {data: a}}\nprofiles:\n  q: {stages: {a: null}}\n",
        "5:36: stages.b.needs.data: there is no stage 'a'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, work: Path, registry: Callable[[], Registry]) -> None:
    text, expected = BAD[case]
    Path("bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        check("bad.yaml", registry=registry())
    assert str(caught.value) == f"bad.yaml:{expected}"


def test_table_is_long_enough() -> None:
    assert len(BAD) >= 30


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b"\xef\xbb\xbfversion: 1\nname: toy\n" + STAGES.encode(),
            "1:1: starts with a byte order mark; save it as UTF-8 without one",
        ),
        (b"version: 1\nname: caf\xe9\n" + STAGES.encode(), "2:10: the byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (b"\xff\xfev\0e\0", "1:1: the byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: " + b"x" * 1_000_000, "1:1: the file is larger than 1,000,000 bytes"),
    ],
)
def test_bad_bytes(data: bytes, expected: str, work: Path, registry: Callable[[], Registry]) -> None:
    Path("bad.yaml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        check("bad.yaml", registry=registry())
    assert str(caught.value) == f"bad.yaml:{expected}"


MANY = """\
    version: 1
    name: toy
    sed: 3
    stages:
      b: {uses: toy/fit, needs: {data: a}, with: {optimizer: {lr: 0, beta: 1}, epochs: none}}
      a: {uses: toy/make, with: {size: x}}
    """


def test_every_mistake_at_once_in_the_order_of_the_file(work: Path, registry: Callable[[], Registry]) -> None:
    Path("bad.yaml").write_text(textwrap.dedent(MANY))
    with pytest.raises(ConfigError) as caught:
        check("bad.yaml", registry=registry())
    assert str(caught.value).splitlines() == [
        "bad.yaml:3:1: sed: unknown key; did you mean 'seed'?",
        "bad.yaml:5:63: stages.b.with.optimizer.lr: must be greater than 0, not 0",
        "bad.yaml:5:66: stages.b.with.optimizer.beta: unknown key; the keys here are lr, momentum, uses",
        "bad.yaml:5:84: stages.b.with.epochs: must be a whole number, not 'none'",
        "bad.yaml:6:36: stages.a.with.size: must be a whole number, not 'x'",
    ]


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["stages.prepare.with.size=many"], "--set stages.prepare.with.size: must be a whole number, not 'many'"),
        (["stages.prepare.with.sise=1"], "--set stages.prepare.with.sise: unknown key; did you mean 'size'?"),
        (["stages.prepar.with.size=1"], "--set stages.prepar: there is no stage 'prepar'; did you mean 'prepare'?"),
        (["stages.prepare.with.size.x=1"], "--set stages.prepare.with.size: is 1 in the file and has no keys to set"),
        (["seed=-1"], "--set seed: must be at least 0, not -1"),
        (["size"], "--set size: write KEY=VALUE, such as --set stages.train.with.epochs=5"),
        (["sed=1"], "--set sed: cannot be set from here; did you mean 'seed'?"),
        (["seed='1"], "--set seed: the text or bracket that starts here is never closed (column 1)"),
    ],
)
def test_bad_set(sets: list[str], expected: str, work: Path, registry: Callable[[], Registry]) -> None:
    with pytest.raises(ConfigError) as caught:
        check("toy.yaml", "quick", sets, registry=registry())
    assert str(caught.value) == expected


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_command_line_exits_2_without_a_traceback(command: str, work: Path) -> None:
    Path("bad.yaml").write_text("version: 2\nname: toy\nstages: {a: {usse: toi/x}}\n")
    result = CliRunner().invoke(main, [command, "bad.yaml"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "bad.yaml:1:10: version: must be 1, not 2",
        "bad.yaml:3:14: stages.a.usse: unknown key; did you mean 'uses'?",
        "bad.yaml:3:20: stages.a.usse: there is no plugin 'toi'",
    ]
    assert not Path("runs").exists()


def test_missing_file_and_profile(work: Path, registry: Callable[[], Registry]) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot read toi\.yaml: No such file or directory; did you mean 'toy\.yaml'\?"
    ):
        check("toi.yaml")
    with pytest.raises(ConfigError, match=r"toy\.yaml has no profile 'quik'; did you mean 'quick'\?"):
        check("toy.yaml", "quik", registry=registry())


def test_stage_that_breaks_when_checked_is_named(work: Path, registry: Callable[[], Registry]) -> None:
    Path("bad.yaml").write_text(HEAD + "  a: {uses: toy/broken}\n")
    with pytest.raises(Exception, match="stage 'a' broke while it was checked: ZeroDivisionError: by zero"):
        check("bad.yaml", registry=registry())
