"""Any network of any player starts from a model or a checkpoint, critics too; models keep critics on demand."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from duel import Shop, Told, Train, facts, stop_at
from safetensors.torch import load_file
from torch import Tensor

from translate.contracts import ModelFacts
from translate.errors import ConfigError, DataError, Stopped
from translate.models.bundle import read_bundle, read_training_networks
from translate.models.load import load
from translate.models.origin import origin_of
from translate.stages.train import TrainStage
from translate.storage.tensor_files import tensor_names
from translate.training.config import TrainConfig
from translate.training.saving import checkpoint

STILL = {"max_steps": 1, "optimizer": {"lr": 1e-12}}
"""A training after which weights are those that it started from."""


def saved(folder: Path, step: int, net: str, kind: str = "net") -> dict[str, Tensor]:
    tensors = load_file(folder / "checkpoints" / checkpoint.name_of(step) / "tensors.safetensors")
    return {key.split("/", 2)[2]: value for key, value in tensors.items() if key.startswith(f"{kind}/{net}/")}


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.allclose(ours[key], theirs[key], atol=1e-7) for key in ours)


def test_a_model_keeps_its_critics_on_demand_and_is_the_same_otherwise(train: Train) -> None:
    without, _ = train("without", max_steps=4)
    context, _ = train("with", max_steps=4, keep={"critics": True})
    stored = read_training_networks(context.folder / "translator")
    assert [*facts(context)["training_networks"]] == ["disc"]
    assert same(stored.state("disc"), saved(context.folder, 4, "disc"))
    files = facts(context)["files"]
    assert {**facts(without)["files"], "training.safetensors": files["training.safetensors"]} == files
    assert not (without.folder / "translator" / "training.safetensors").exists()
    assert [*read_bundle(context.folder / "translator").facts.networks] == ["back", "there"]


def test_critics_of_the_best_step_are_kept_with_it(train: Train) -> None:
    Told.values = [3.0, 1.0, 1.0]
    keep, validate = {"critics": True, "best": "acme/told"}, {"every": {"steps": 2}, "metrics": ["acme/told"]}
    context, _ = train("best", steps=6, keep=keep, validate=validate)
    assert facts(context)["step"] == 2
    assert same(read_training_networks(context.folder / "translator").state("disc"), saved(context.folder, 2, "disc"))


@pytest.mark.parametrize("start", ["model", "beside", "checkpoint", "interrupted"])
def test_every_network_starts_from_a_model_or_a_checkpoint(train: Train, tmp_path: Path, start: str) -> None:
    origin = tmp_path / ("first.partial" if start == "interrupted" else "first")
    keep = {"critics": start == "model", "last": 9}
    with suppress(Stopped):
        emit = stop_at(6) if start == "interrupted" else None
        train(origin.name, emit=emit, max_steps=9, ema=0.5, keep=keep, checkpoint={"steps": 2})
    folder = origin / "checkpoints" / checkpoint.name_of(6) if start == "checkpoint" else origin
    second, _ = train("second", **STILL, init={"bundle": str(folder), "critics": True})
    step = {"model": 9, "beside": 9, "checkpoint": 6, "interrupted": 6}[start]
    assert same(saved(second.folder, 1, "disc"), saved(origin, step, "disc")), "critics have no average"
    for net in ("there", "back"):
        average = saved(origin, step, net, "ema")
        average = {key.removeprefix("module."): value for key, value in average.items() if key.startswith("module.")}
        assert same(saved(second.folder, 1, net), average)
        assert not same(saved(origin, step, net), average)
    assert "starting from" in second.console.said() and "disc" in second.console.said()


def test_without_a_word_critics_begin_anew(train: Train) -> None:
    first, _ = train("first", max_steps=4, keep={"critics": True})
    second, _ = train("second", **STILL, init=str(first.folder))
    assert same(saved(second.folder, 1, "there"), saved(first.folder, 4, "there"))
    assert not same(saved(second.folder, 1, "disc"), saved(first.folder, 4, "disc"))


def test_a_critic_that_is_named_starts_alone(train: Train) -> None:
    first, _ = train("first", max_steps=4, keep={"critics": True})
    second, _ = train("second", **STILL, init={"bundle": str(first.folder), "networks": {"disc": "disc"}})
    assert same(saved(second.folder, 1, "disc"), saved(first.folder, 4, "disc"))
    assert not same(saved(second.folder, 1, "there"), saved(first.folder, 4, "there"))


def test_a_model_with_critics_is_used_like_any_other(train: Train) -> None:
    first, _ = train("first", max_steps=2, keep={"critics": True})
    model = load(first.folder, "cpu", Shop([]))
    assert [*model.program.nets] == ["back", "there"]


def test_the_folders_that_count_are_those_that_are_read(train: Train, data: Any) -> None:
    first, _ = train("first", max_steps=4)
    kept, _ = train("kept", max_steps=4, keep={"critics": True})
    bundle, last = first.folder / "translator", first.folder / "checkpoints" / checkpoint.name_of(4)

    def inputs(init: Any) -> list[Path]:
        return [*TrainStage(TrainConfig.model_validate({"method": "duel", "init": init}), Shop([]), 5).inputs()]

    assert inputs(str(first.folder)) == [bundle]
    assert inputs({"bundle": str(first.folder), "critics": True}) == [bundle, last]
    assert inputs({"bundle": str(first.folder), "networks": {"disc": "disc"}}) == [bundle, last]
    assert inputs({"bundle": str(kept.folder), "critics": True}) == [kept.folder / "translator"]
    assert inputs(str(last)) == [last]


def problems(data: Any, init: Any, parent: Any = None) -> list[str]:
    config = TrainConfig.model_validate({"method": "duel", "init": init})
    facts_of_needs = {"data": data.facts, **({"init": parent} if parent else {})}
    return [problem.message for problem in TrainStage(config, Shop([]), 5).check(facts_of_needs)]


def test_critics_that_are_not_there_are_told_before_anything_runs(train: Train, data: Any) -> None:
    first, _ = train("first", max_steps=2)
    shutil.rmtree(first.folder / "checkpoints")
    (message,) = problems(data, {"bundle": str(first.folder), "networks": {"disc": "disc"}})
    assert "no network 'disc'; it has back, there; `keep: {critics: true}` of its training keeps critics" in message
    (message,) = problems(data, {"bundle": str(first.folder), "networks": {"disk": "there"}})
    assert message == "the method has no network 'disk'; did you mean 'disc'?"


def test_a_stage_promises_the_critics_that_it_keeps(data: Any) -> None:
    promises = {}
    for critics in (True, False):
        config = TrainConfig.model_validate({"method": "duel", "keep": {"critics": critics}})
        promises[critics] = TrainStage(config, Shop([]), 5).promise({"data": data.facts})
    assert ModelFacts.from_json(promises[True]).training == ("disc",) and "training" not in promises[False]
    assert not problems(data, {"networks": {"disc": "disc"}}, promises[True])
    (message,) = problems(data, {"networks": {"disc": "disc"}}, promises[False])
    assert "keep: {critics: true}" in message


def test_a_checkpoint_that_is_damaged_or_absent_is_told(train: Train, tmp_path: Path) -> None:
    first, _ = train("first", max_steps=2)
    last = first.folder / "checkpoints" / checkpoint.name_of(2)
    assert origin_of(last).used == ("back", "there") and origin_of(last).further == ("disc",)
    with pytest.raises(ConfigError, match="no complete checkpoint"):
        origin_of(last.parent / checkpoint.name_of(7))
    (last / "tensors.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(DataError, match="cannot be read: this is no file of tensors"):
        origin_of(last)
    (tmp_path / "short").write_bytes(b"ab")
    with pytest.raises(ValueError):
        tensor_names(tmp_path / "short")


def test_a_checkpoint_that_was_copied_elsewhere_has_all_of_its_networks(train: Train, tmp_path: Path) -> None:
    first, _ = train("first", max_steps=2)
    copy = tmp_path / "elsewhere" / "checkpoints" / checkpoint.name_of(2)
    shutil.copytree(first.folder / "checkpoints" / checkpoint.name_of(2), copy)
    assert set(origin_of(copy).used) == {"back", "there", "disc"}
    second, _ = train("second", **STILL, init=str(copy))
    assert same(saved(second.folder, 1, "disc"), saved(first.folder, 2, "disc"))


def test_init_from_an_interrupted_training_takes_the_one_before_a_damaged_checkpoint(
    train: Train, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        train("first.partial", emit=stop_at(6), max_steps=8, checkpoint={"steps": 2})
    folder = tmp_path / "first.partial" / "checkpoints"
    (folder / "000000006" / "state.json").write_text("{}")
    assert origin_of(folder.parent).checkpoint == folder / "000000004"
    context, _ = train("second", max_steps=2, init=str(folder.parent))
    assert (
        "first.partial: 000000006 is damaged: state.json is not what MANIFEST.json says; the one before is taken"
        in (context.console.warned())
    )
    for place in folder.iterdir():
        (place / "MANIFEST.json").unlink()
    with pytest.raises(DataError, match=r"no checkpoint of this training is whole: 000000006 is damaged: MANIFEST"):
        origin_of(folder.parent)
