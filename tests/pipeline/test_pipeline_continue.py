"""`--continue` from interrupted starts: which one is chosen, and what a kill on the way leaves."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from translate import ConfigError, StageError
from translate.contracts import Need
from translate.pipeline import plan
from translate.pipeline.interrupted import starts
from translate.plugins import Registry
from translate.storage import manifest

FOLDER = Path("runs/toy")
Go = Callable[..., Any]
Interrupt = Callable[..., Path]


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def interrupt(go: Go, monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Starts the training with options and kills it after its second epoch; returns the folder that it leaves."""

    def start(*options: str, **kwargs: Any) -> Path:
        before = set(FOLDER.glob("train-*.partial"))
        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module("toy_plugin").Fit, "_fail", die)
            with pytest.raises(KilledError):
                go(set=sets(*options), **kwargs)
        (left,) = set(FOLDER.glob("train-*.partial")) - before
        return left

    return start


def die(*_: Any) -> None:
    raise KilledError


def sets(*options: str) -> list[str]:
    return [f"stages.train.with.{option}" for option in options]


def log(folder: Path) -> list[str]:
    return (folder / "log.txt").read_text().splitlines()


def reason(registry: Callable[[], Registry], *options: str) -> str:
    planned = plan("toy.yaml", set=sets(*options), registry=registry())
    return next(stage.reason for stage in planned if stage.name == "train")


EPOCHS = ["epoch 0 4", "epoch 1 4", "epoch 2 4", "epoch 3 4", "epoch 4 4"]


def test_an_interrupted_start_is_taken_over(go: Go, interrupt: Interrupt, registry: Callable[[], Registry]) -> None:
    left = interrupt()
    (left / "log.txt").write_text("epoch 0 4 of the first start\nepoch 1 4")
    said = reason(registry, "epochs=5")
    change = "with.epochs 3 -> 5"
    can = f"can go on with --continue train ({change})"
    assert said == f"has not run with these options; {left.name}, interrupted, {can}"
    Path("mended").touch()
    result, heard = go(set=sets("epochs=5"), continue_="train")
    assert result.ran == ("train", "score")
    assert f"train: continues from {left.name}, interrupted: {change} (schedule)" in heard.lines
    assert log(FOLDER / "train") == ["epoch 0 4 of the first start", *EPOCHS[1:]]
    content = manifest.read(FOLDER / "train")
    assert content is not None and content["continued_from"] == left.name
    assert not left.exists() and not list(FOLDER.glob(".*.json"))


def test_without_continue_it_begins_anew_and_keeps_the_interrupted_one(go: Go, interrupt: Interrupt) -> None:
    left = interrupt()
    Path("mended").touch()
    go(set=sets("epochs=5"))
    assert log(FOLDER / "train") == EPOCHS and log(left) == EPOCHS[:2]
    go()
    assert log(FOLDER / "train") == EPOCHS[:3], "the interrupted one goes on with its own options"


POINTS = ["begin", "take_over", "replace_dir", "finish", "mkdir", "run"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("again", ["continue", "plain"])
def test_a_kill_on_the_way_loses_nothing(
    point: str, after: bool, again: str, go: Go, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = interrupt()
    (left / "log.txt").write_text("epoch 0 4 of the first start\nepoch 1 4")
    Path("mended").touch()
    owner: Any = starts
    if point == "run":
        owner = importlib.import_module("toy_plugin").Fit
    if point == "mkdir":
        owner = Path
    with monkeypatch.context() as patch:
        original = getattr(owner, point)

        def killed(*args: Any, **kwargs: Any) -> Any:
            if point == "mkdir" and not str(args[0]).endswith(".partial"):
                return original(*args, **kwargs)
            if after:
                original(*args, **kwargs)
            raise KilledError

        patch.setattr(owner, point, killed)
        with pytest.raises(KilledError):
            go(set=sets("epochs=4"), continue_="train")
    partials = list(FOLDER.glob("train-*.partial"))
    assert [log(path)[0] for path in partials] == ["epoch 0 4 of the first start"], "it is there, under one name"
    if again == "continue" or partials[0] != left:
        go(set=sets("epochs=4"), **({"continue_": "train"} if again == "continue" else {}))
    else:
        go(set=sets("epochs=3"))  # it was not taken over yet: the former options go on from it
    assert log(FOLDER / "train")[0] == "epoch 0 4 of the first start"
    assert not list(FOLDER.glob("*.partial"))


def test_the_newest_that_can_go_on_is_taken_and_named(
    go: Go, interrupt: Interrupt, registry: Callable[[], Registry]
) -> None:
    first = interrupt("epochs=6")
    second = interrupt("epochs=7")
    third = interrupt("nested={a: 1}")
    for age, path in ((300, first), (200, second), (100, third)):
        record = path.with_name(f".{path.name.removesuffix('.partial')}.started.json")
        os.utime(record, (time.time() - age, time.time() - age))
    Path("mended").touch()
    said = reason(registry, "epochs=5")
    assert f"; {third.name}, interrupted, cannot go on with what changed since (with.nested.a 1 -> (not set); " in said
    assert said.endswith(f"; {second.name}, interrupted, can go on with --continue train (with.epochs 7 -> 5)")
    _, heard = go(set=sets("epochs=5"), continue_="train")
    structural = "structural changes need a fresh start: with.nested.a 1 -> (not set); with.nested (not set) -> {}"
    assert f"train: passes over what is newer: {structural} (since {third.name}, interrupted)" in heard.lines
    assert f"train: continues from {second.name}, interrupted: with.epochs 7 -> 5 (schedule)" in heard.lines
    assert first.exists() and third.exists() and not second.exists()


def test_the_newer_of_a_result_and_an_interrupted_start_is_taken(
    go: Go, interrupt: Interrupt, registry: Callable[[], Registry]
) -> None:
    go()
    result = (FOLDER / "train").readlink().name
    left = interrupt("epochs=6")
    record = left.with_name(f".{left.name.removesuffix('.partial')}.started.json")
    os.utime(record, (time.time() + 10, time.time() + 10))
    said = reason(registry, "epochs=5")
    assert said == (
        f"with.epochs 3 -> 5; {left.name}, interrupted, can go on with --continue train (with.epochs 6 -> 5)"
    )
    os.utime(record, (1, 1))
    assert reason(registry, "epochs=5") == "with.epochs 3 -> 5"
    _, heard = go(set=sets("epochs=5"), continue_="train")
    assert f"train: continues from {result}: with.epochs 3 -> 5 (schedule)" in heard.lines
    os.utime(record, (time.time() + 10, time.time() + 10))
    _, heard = go(set=sets("epochs=4"), continue_="train")
    assert f"train: continues from {left.name}, interrupted: with.epochs 6 -> 4 (schedule)" in heard.lines


def test_a_start_that_continues_a_result_does_so_when_it_begins_again(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    go()
    result = (FOLDER / "train").readlink().name
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("toy_plugin").Fit, "run", die)
        with pytest.raises(KilledError):
            go(set=sets("epochs=4"), continue_="train")
    go(set=sets("epochs=4"))  # without --continue: the start that was killed begins again as it was
    assert log(FOLDER / "train")[0] == "continued 3"
    content = manifest.read(FOLDER / "train")
    assert content is not None and content["continued_from"] == result


def test_a_refusal_names_the_way_to_start_from_weights(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = importlib.import_module("toy_plugin").Fit
    monkeypatch.setattr(fit, "needs", {**fit.needs, "init": Need("model", optional=True)})
    go()
    folder = (FOLDER / "train").resolve().name
    with pytest.raises(ConfigError, match=rf"fresh start: with.fast .*; `init: .*{folder}` starts from its weights$"):
        go(set=sets("fast=off"), continue_="train")


def test_refused_takeovers_stay_and_are_explained(
    go: Go, interrupt: Interrupt, registry: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = interrupt()
    before = log(left)
    with pytest.raises(ConfigError, match=r"^--continue train: structural changes need a fresh start: with.fast auto"):
        go(set=sets("fast=off"), continue_="train")
    said = reason(registry, "fast=off", "epochs=9")
    assert said.endswith(f"{left.name}, interrupted, cannot go on with what changed since (with.fast auto -> off)")

    def refuse(self: Any, folder: Path, inputs: Any) -> None:
        assert folder == left and inputs["data"].facts["length"] == 4
        raise StageError("it is too far")

    monkeypatch.setattr(importlib.import_module("toy_plugin").Fit, "check_takeover", refuse)
    with pytest.raises(ConfigError, match=r"^--continue train: it is too far$"):
        go(set=sets("epochs=1"), continue_="train")
    assert log(left) == before and [path.name for path in FOLDER.glob("train-*")] == [left.name]


def test_what_waits_still_tells_of_the_interrupted_one(interrupt: Interrupt, registry: Callable[[], Registry]) -> None:
    left = interrupt()
    planned = plan("toy.yaml", set=["stages.prepare.with.size=3"], registry=registry())
    (stage,) = (stage for stage in planned if stage.name == "train")
    assert stage.reason == f"waits for prepare; {left.name}, interrupted"


def test_records_of_strangers_and_damaged_ones_do_not_count(
    go: Go, interrupt: Interrupt, registry: Callable[[], Registry]
) -> None:
    left = interrupt()
    record = left.with_name(f".{left.name.removesuffix('.partial')}.started.json")
    (left.with_name("train-more-12345678.partial")).mkdir()
    for text in ("", "[]", "{}", '{"stage": "other", "fingerprint": "", "recipe": {}, "inputs": {}}'):
        record.write_text(text)
        assert reason(registry, "epochs=5") == "has not run yet"
        with pytest.raises(ConfigError, match=r"^--continue train: there is no earlier result"):
            go(set=sets("epochs=5"), continue_="train")
