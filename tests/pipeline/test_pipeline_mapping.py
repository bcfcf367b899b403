"""A pipeline as a mapping: it runs as the file of the same content does, and errors name dotted paths."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch import nn

from translate.errors import ConfigError
from translate.pipeline import check, plan, run
from translate.plugins import Registry

Go = Callable[..., tuple[Any, Any]]
Fresh = Callable[[], Registry]


@pytest.fixture
def mapping(work: Path) -> dict[str, Any]:
    """The content of `toy.yaml`."""
    content: dict[str, Any] = yaml.safe_load((work / "toy.yaml").read_text())
    content["stages"]["train"]["with"]["optimizer"]["lr"] = 2e-4  # YAML 1.1 reads 2e-4 as text
    content["profiles"]["quick"]["stages"]["train"]["with"]["optimizer"]["lr"] = 1e-3
    return content


def test_a_mapping_is_the_file_of_the_same_content(go: Go, mapping: dict[str, Any]) -> None:
    first, _ = go()
    before = copy.deepcopy(mapping)
    second, heard = go(mapping)
    assert first.ran == ("prepare", "train", "score")
    assert second.ran == () and second.folder == first.folder, "it has the fingerprints of the file"
    assert heard.lines[3] == "nothing to do"
    assert mapping == before


def test_profiles_and_set_change_a_mapping(go: Go, mapping: dict[str, Any]) -> None:
    result, _ = go(mapping, profile="quick", set=["stages.train.with.epochs=1"])
    assert result.folder == Path("runs/toy@quick")
    assert (result.folder / "train" / "log.txt").read_text() == "epoch 0 2"


def test_values_of_python_are_taken(registry: Fresh, mapping: dict[str, Any]) -> None:
    mapping["stages"]["prepare"]["with"] |= {"size": np.int64(2), "source": Path("toy.yaml"), "transforms": ()}
    mapping["stages"]["train"]["with"]["optimizer"]["lr"] = np.float32(0.5)
    assert check(mapping, registry=registry()) == []
    assert [stage.state for stage in plan(mapping, registry=registry())] == ["absent", "waits", "absent"]


def test_a_mapping_extends_a_file(go: Go, work: Path) -> None:
    result, _ = go({"extends": "toy.yaml", "name": "more", "stages": {"train": {"with": {"epochs": 1}}}})
    assert result.folder == Path("runs/more")
    assert (result.folder / "train" / "log.txt").read_text() == "epoch 0 4"


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda m: m["stages"]["train"]["with"].update(epochs=0), "mapping stages.train.with.epochs: must be"),
    (lambda m: m["stages"]["train"].update({"wiht": {}}), "mapping stages.train.wiht: unknown key; did you mean"),
    (lambda m: m["stages"]["train"].update(needs={"data": "perpare"}), "mapping stages.train.needs.data: "),
    (lambda m: m.pop("version"), "mapping version: "),
    (lambda m: m["stages"]["train"]["with"].update(net=nn.ReLU()), "mapping stages.train.with.net: is a ReLU"),
    (lambda m: m["stages"].update({3: {}}), "mapping stages.3: a key is text, not 3"),
    (lambda m: m["stages"].update(again=m), "nested deeper than 32 levels"),
    (lambda m: m.update(extends="nothing.yaml"), "mapping extends: cannot read nothing.yaml"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors_name_the_dotted_path(
    change: Callable[[dict[str, Any]], Any], message: str, mapping: dict[str, Any], registry: Fresh
) -> None:
    change(mapping)
    for wrong in (lambda: check(mapping, registry=registry()), lambda: run(mapping, registry=registry())):
        with pytest.raises(ConfigError) as error:
            wrong()
        assert message in str(error.value)


def test_all_mistakes_are_told_at_once(mapping: dict[str, Any], registry: Fresh) -> None:
    mapping["stages"]["train"]["with"] |= {"epochs": 0, "optimizer": {"lr": -1}}
    with pytest.raises(ConfigError) as error:
        check(mapping, "quick", registry=registry())
    mapping["profiles"] = {}
    with pytest.raises(ConfigError) as error:
        check(mapping, registry=registry())
    paths = [line.split(": ")[0] for line in str(error.value).splitlines()]
    assert paths == ["mapping stages.train.with.epochs", "mapping stages.train.with.optimizer.lr"]
