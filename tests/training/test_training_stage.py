"""The train stage on a tiny dataset, in this process: lengths, best checkpoints, stops and restarts."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from duel import IMAGES, Duel, Looking, Pictures, Seen, Shop, Told, Train, facts, stop_at, weights
from safetensors.torch import load_file

from translate import ConfigError, StageError, Update
from translate.contracts import Artifact
from translate.data.dataset import Dataset
from translate.stages.train import TrainStage
from translate.storage import litter
from translate.training.config import TrainConfig
from translate.training.saving import checkpoint


def test_an_epoch_is_one_pass_over_the_data_whatever_is_accumulated(train: Train) -> None:
    schedule = {"uses": "linear-decay", "start": 1}
    _, tracker = train(epochs=3, accumulate=4, optimizer={"lr": 3.0}, schedule=schedule)
    rates = [value for (name, _), value in sorted(tracker.curves.items()) if name == "lr/D"]
    assert len(rates) == 3 * IMAGES // 4  # not three times 10 // 4
    assert rates == pytest.approx([3.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0])  # the epoch of each step's first batch


def test_the_best_is_that_of_the_metric_named_in_the_direction_scored(train: Train) -> None:
    Told.values = [math.nan, 1.0, math.inf, 2.0]
    validate = {"every": 1, "metrics": ["acme/told"], "directions": ["b_to_a"]}
    context, tracker = train(epochs=4, validate=validate, keep={"best": "acme/told", "last": 1})
    assert [tracker.curves["val/b_to_a/told", step] for step in (20, 40)] == [1.0, 2.0]
    assert checkpoint.steps(context.folder / "checkpoints") == [30, 40]
    bundle = facts(context)
    assert (bundle["weights"], bundle["step"], bundle["metrics"]) == ("best", 30, {"val/b_to_a/told": "inf"})
    sample = context.folder / "translator" / "samples" / "1-000000030.png"
    assert sample.read_bytes() == (context.folder / "samples" / "a_to_b" / "000000030.png").read_bytes()


@pytest.mark.parametrize("place", [1, 4, 10])
def test_the_best_of_ten_checkpoints_is_the_model(train: Train, place: int) -> None:
    Told.values = [float(number % 3) for number in range(10)]
    Told.values[place - 1] = 9.0
    validate = {"every": {"steps": 2}, "metrics": ["acme/told"]}
    context, _ = train(steps=20, validate=validate, keep={"best": "acme/told", "last": 1})
    assert facts(context)["step"] == 2 * place and facts(context)["metrics"] == {"val/told": 9.0}


def test_a_checkpoint_is_as_good_as_its_worst_direction(train: Train) -> None:
    Told.values = [0.9, 0.1, 0.5, 0.4, 0.3, 0.9, 0.6, math.nan]  # a_to_b and b_to_a by turns
    validate = {"every": 1, "metrics": ["acme/told"], "directions": ["a_to_b", "b_to_a"]}
    context, _ = train(epochs=4, validate=validate, keep={"best": "acme/told"})
    bundle = facts(context)
    assert (bundle["step"], bundle["metrics"]) == (20, {"val/told": 0.5, "val/b_to_a/told": 0.4})


def test_validation_shows_metrics_what_they_look_at(train: Train, data: Artifact) -> None:
    Looking.contexts = []
    directions = ["a_to_b", "b_to_a"]
    train(epochs=1, validate={"every": 1, "metrics": ["acme/looking"], "directions": directions})
    there, back = Looking.contexts
    assert [(context.source_side, context.target_side, list(context.keys)) for context in (there, back)] == [
        ("a", "b", ["00", "01"]),
        ("b", "a", ["00", "01"]),
    ]
    pixels = Dataset(data.path).array("val", "b", "01")
    assert torch.equal(back.inputs[1], torch.from_numpy(pixels.transpose(2, 0, 1) / np.float32(255)))
    assert len(back.training_images("a")) == IMAGES and back.counterparts is None
    assert back.device == "cpu" and back.spec is not None and back.spec.kind == "unpaired"


def test_a_bundle_that_was_not_written_any_more_is_the_same(train: Train) -> None:
    Told.values = [2.0, 3.0, 1.0]
    options = {"epochs": 3, "validate": {"metrics": ["acme/told"]}, "keep": {"best": "acme/told"}}
    context, _ = train(**options)
    before = weights(context)
    shutil.rmtree(context.folder / "translator")
    again, tracker = train(**options)
    assert not Told.values  # nothing was validated again
    assert not tracker.curves
    assert (facts(again)["step"], weights(again)) == (20, before)


@pytest.mark.parametrize("step", [4, 12])
def test_sigterm_saves_and_exits_75_at_any_step(train: Train, step: int) -> None:
    options = {"max_steps": 12, "ema": 0.9, "extra_losses": [{"uses": "l1", "player": "G", "on": BOTH}]}
    whole, expected = train("whole", **options)
    with pytest.raises(SystemExit) as stopped:
        train(emit=stop_at(step), **options)
    assert stopped.value.code == 75
    rest, tracker = train(**options)
    assert weights(rest) == weights(whole)
    curves = {
        k: v
        for k, v in expected.curves.items()
        if k[1] > step and not any(word in k[0] for word in ("second", "wait", "peak"))
    }
    assert {k: tracker.curves[k] for k in curves} == curves
    assert ("l1-2", 5) in expected.curves  # beside the method's own l1


BOTH = {"output": "output", "target": "output"}


def test_continuing_a_training_that_has_all_its_steps_is_refused(train: Train, tmp_path: Path) -> None:
    context, _ = train("first", epochs=1)
    with pytest.raises(StageError, match=r"nothing is left to train: first has done 10 steps, and 10 are asked for"):
        train("second", epochs=1, losses={"l1": 2.0}, previous=context.folder)
    longer, tracker = train("third", epochs=2, previous=context.folder)
    assert {step for name, step in tracker.curves if name == "critic"} == set(range(11, 21))
    assert facts(longer)["step"] == 20


def test_the_first_picture_shows_what_training_starts_from(train: Train, tmp_path: Path) -> None:
    context, _ = train("first", epochs=1)
    assert (context.folder / "samples" / "a_to_b" / "000000000.png").is_file()
    init = Artifact("model", context.folder, {})
    stage = TrainStage(TrainConfig(method="duel", max_steps=1, workers=0, precision="fp32"), Shop([]), 5)
    (tmp_path / "second").mkdir()
    stage.run(replace(context, folder=tmp_path / "second", inputs={**context.inputs, "init": init}))
    last, first = (tmp_path / n / "samples" / "a_to_b" for n in ("first", "second"))
    assert (last / "000000010.png").read_bytes() == (first / "000000000.png").read_bytes()


TINY = {
    "generator": {"uses": "resnet", "blocks": 1, "filters": 4},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
}


@pytest.mark.parametrize("data", [Pictures((20, 28), 1, 16, (5, 3), (3, 5))], indirect=True, ids=["grey16"])
def test_grey_images_of_16_bits_on_sides_of_unequal_numbers(train: Train) -> None:
    Seen.told = []
    validate = {"metrics": ["acme/seen"], "directions": ["a_to_b", "b_to_a"]}
    context, tracker = train(method="cyclegan", options=TINY, epochs=1, batch_size=2, validate=validate)
    assert [(n, shape) for n, shape, _ in Seen.told] == [(n, (1, 20, 28)) for n in (3, 5, 5, 3)]
    assert all(finest > 30000 for *_, finest in Seen.told)
    assert facts(context)["spec"]["channels"] == {"a": 1, "b": 1}
    assert all(math.isfinite(value) for value in tracker.curves.values())


def test_a_size_that_a_network_cannot_give_back_is_refused(train: Train) -> None:
    with pytest.raises(
        ConfigError, match=r"training images are 14 x 14 pixels, and network back of duel needs multiples of 4"
    ):
        train(augment=[{"uses": "random-crop", "size": 14}])


def test_what_interrupted_saves_and_removals_left_goes_away(train: Train) -> None:
    context, _ = train(epochs=1)
    folder = context.folder / "checkpoints"
    for name in ("000000003", "000000004.partial", ".000000005.ab12.old", ".000000006.ab12.gone", "mine"):
        (folder / name).mkdir()
    checkpoint.prune(folder, [10])
    assert sorted(p.name for p in folder.iterdir()) == ["000000010", "mine"]


def test_half_of_a_removed_checkpoint_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "000000008").mkdir()
    for name in ("MANIFEST.json", "state.json"):
        (tmp_path / "000000008" / name).touch()

    def is_killed(folder: Path) -> None:
        (folder / "state.json").unlink()
        raise OSError

    monkeypatch.setattr(checkpoint.shutil, "rmtree", is_killed)
    checkpoint.prune(tmp_path, [16])
    monkeypatch.undo()
    assert [path.name for path in tmp_path.rglob("*.json")] == ["MANIFEST.json"]
    litter.clear(tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("saves", [None, 2])
def test_a_loss_that_is_not_finite_is_told_with_its_images_before_anything_is_saved(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, saves: int | None
) -> None:
    def step(self: Any, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("D", {"critic": nets.disc(batch["b"]).mean() * (float("nan") if step.index == 6 else 1)})

    monkeypatch.setattr(Duel, "step", step)
    with pytest.raises(StageError, match=r"loss 'critic' of method duel is not finite at step 6 on \d\d, \d\d; "):
        train(epochs=2, log_every=5, checkpoint={"steps": saves})
    assert checkpoint.steps(tmp_path / "out" / "checkpoints") == ([4, 6] if saves else [])


def test_a_damaged_checkpoint_is_named(train: Train) -> None:
    context, _ = train(epochs=1)
    folder = context.folder / "checkpoints" / "000000010"
    assert load_file(folder / "tensors.safetensors")
    (folder / "state.json").write_text("{}")
    with pytest.raises(StageError, match=r"checkpoint .*000000010 is damaged: state.json"):
        checkpoint.read(folder)


def test_writing_down_a_default_changes_no_fingerprint(registry: Any) -> None:
    """What a file leaves out and what it says as the class says it are one recipe."""
    short = TrainStage(TrainConfig.model_validate({"method": "cyclegan"}), registry)
    said = {"method": "cyclegan", "options": {"pool": 50, "generator": {"uses": "resnet_9"}}, "losses": {"cycle": 10}}
    other = {**said, "options": {"pool": 10}}
    long, changed = (TrainStage(TrainConfig.model_validate(v), registry) for v in (said, other))
    assert long.defaults() == short.defaults()
    assert changed.defaults() != short.defaults()
