"""Checkpoints that are damaged: the one before is used, and a training never begins anew without a word."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from data_images import benchmark
from duel import Told, Train, facts, stop_at, weights

from translate.errors import StageError, Stopped
from translate.training.config import TrainConfig
from translate.training.saving import checkpoint

SAVES = {"epochs": 1, "checkpoint": {"steps": 3}}


def test_500_truncations_and_bit_flips_are_refused_and_the_checkpoint_before_goes_on_exactly(
    tmp_path: Path, one_thread: None
) -> None:
    outcome = benchmark("damage").check(500, 0, tmp_path, resumed=25)
    assert sum(outcome.kinds.values()) == 500 and len(outcome.kinds) == 6
    assert not outcome.wrong, "\n".join(outcome.wrong)


def interrupted(train: Train, tmp_path: Path, folder: str, step: int = 8) -> Path:
    """The checkpoints of a training that was asked to stop after a step."""
    with pytest.raises(Stopped):
        train(folder, emit=stop_at(step), **SAVES)
    return tmp_path / folder / "checkpoints"


def test_a_damaged_newest_checkpoint_is_set_aside_and_named_and_the_result_is_the_same(
    train: Train, tmp_path: Path, one_thread: None
) -> None:
    whole, _ = train("whole", **SAVES)
    folder = interrupted(train, tmp_path, "out")
    assert checkpoint.steps(folder) == [6, 8]
    (folder / "000000008" / "state.json").write_text("{}")
    context, _ = train("out", **SAVES)
    assert context.console.warned() == (
        f"warning: checkpoint 000000008 is damaged: state.json is not what MANIFEST.json says, set aside in {folder}"
        "/damaged; the one before is used, 000000006\n"
    )
    assert "resuming at step 6" in context.console.said()
    assert weights(context) == weights(whole)
    assert sorted(path.name for path in folder.iterdir()) == ["000000009", "000000010", "damaged"]
    assert (folder / "damaged" / "000000008" / "state.json").read_text() == "{}"


def test_several_damaged_ones_are_all_set_aside_also_those_of_one_name(train: Train, tmp_path: Path) -> None:
    folder = interrupted(train, tmp_path, "out")
    shutil.copytree(folder / "000000008", folder / "damaged" / "000000008")
    shutil.copytree(folder / "000000006", folder / "000000003")
    (folder / "000000003" / "MANIFEST.json").unlink()
    shutil.copytree(folder / "000000008", folder / "000000009")
    (folder / "000000008" / "tensors.safetensors").write_bytes(b"")
    context, _ = train("out", **SAVES)
    warning = context.console.warned()
    assert (
        "000000009 is damaged: state.json is of step 8, and the folder has the name of step 9; 000000008 is" in warning
    )
    assert sorted(path.name for path in (folder / "damaged").iterdir()) == ["000000008", "000000008-1", "000000009"]


def test_where_none_is_whole_the_training_says_what_to_do_and_moves_nothing(train: Train, tmp_path: Path) -> None:
    folder = interrupted(train, tmp_path, "out")
    for step in (6, 8):
        (folder / checkpoint.name_of(step) / "tensors.safetensors").unlink()
    for _ in range(2):  # the second start finds what the first one found
        with pytest.raises(StageError, match=r"no checkpoint in .* is whole.*: 000000008 is damaged: tensors.*--force"):
            train("out", **SAVES)
    assert checkpoint.steps(folder) == [6, 8]


def test_a_best_checkpoint_that_is_damaged_meanwhile_gives_way_to_the_last_weights(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Told, "values", [2.0, 1.0])
    best = tmp_path / "out" / "checkpoints" / "000000010"

    def harm(event: str, **facts: Any) -> None:
        if event == "checkpoint_saved" and facts["step"] == 10:
            (best / "tensors.safetensors").write_bytes(b"short")

    validate = {"every": 1, "metrics": ["acme/told"]}
    context, _ = train(emit=harm, epochs=2, validate=validate, keep={"best": "acme/told"})
    warning = (
        f"the best checkpoint {best} is damaged: tensors.safetensors is not what MANIFEST.json says; the model has"
    )
    assert warning in context.console.warned()
    assert (facts(context)["weights"], facts(context)["step"]) == ("last", 20)
    assert facts(context)["metrics"] == {"val/told": 1.0}


def test_a_result_whose_last_checkpoint_is_damaged_is_continued_from_the_one_before(
    train: Train, tmp_path: Path
) -> None:
    first, _ = train("first", **SAVES)
    folder = first.folder / "checkpoints"
    (folder / "000000010" / "MANIFEST.json").unlink()
    context, _ = train("second", previous=first.folder, **{**SAVES, "epochs": 2})
    assert "000000010 is damaged: MANIFEST.json is missing; the one before is used" in context.console.warned()
    assert "continuing from step 9 of first" in context.console.said()
    assert (folder / "000000010").is_dir(), "an earlier result stays as it is"


def test_two_checkpoints_stay_unless_told_otherwise() -> None:
    assert TrainConfig.model_validate({"method": "duel"}).keep.last == 2


def test_a_picture_that_cannot_be_written_is_a_warning(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("translate.imaging.encode.write_bytes", refuse)
    context, _ = train(epochs=1)
    assert "warning: no picture of step 10: " in context.console.warned()
    assert "000000010.png: cannot be written: No space left on device" in context.console.warned()
    assert facts(context)["step"] == 10
