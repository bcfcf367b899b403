"""Notes on the length of a training: in `check` as soon as the images can be counted, and when it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from translate.console import PlainConsole
from translate.contracts import DatasetFacts
from translate.pipeline import check, run
from translate.plugins import Registry
from translate.training.check import length_notes, notes as all_notes
from translate.training.config import TrainConfig


def config(**options: Any) -> TrainConfig:
    return TrainConfig.model_validate({"method": "pix2pix", **options})


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        ({"epochs": 2}, []),
        ({"epochs": 2, "max_steps": 24}, []),
        (
            {"epochs": 2, "max_steps": 5000},
            [
                "max_steps 5,000 is more than `epochs: 2` gives with 12 images: the training ends after 24 steps; "
                "raise `epochs`"
            ],
        ),
        ({"epochs": 9, "max_steps": 13}, ["max_steps 13 ends the training in epoch 2 of 9"]),
        ({"epochs": 9, "max_steps": 13, "accumulate": 2}, ["max_steps 13 ends the training in epoch 3 of 9"]),
        (
            {"epochs": 9, "batch_size": 16, "max_steps": 9},
            ["batch_size 16 is more than the 12 images: a batch has some of them twice"],
        ),
        (
            {"epochs": 9, "max_steps": 13, "validate": {"every": 3}},
            [
                "max_steps 13 ends the training in epoch 2 of 9",
                "validate.every 3 is past the 13 steps: only the last step validates",
            ],
        ),
    ],
)
def test_notes_on_a_length(options: dict[str, Any], notes: list[str]) -> None:
    assert list(length_notes(config(**options), 12)) == notes


def never(start: str, whole: str) -> str:
    """The note on a schedule that begins to fall too late."""
    return f"schedule.start {start} is past the last of {whole}: the rate never falls"


@pytest.mark.parametrize(
    ("options", "images", "notes"),
    [
        # the case of a file: 2,000 steps of 12 images are 167 epochs
        ({"steps": 2000, "schedule": {"start": 1000}}, 12, [never("1000", "167 epochs")]),
        ({"steps": 2000, "schedule": {"start": 1000}}, None, []),
        ({"steps": 2000, "schedule": {"start": {"steps": 1000}}}, 12, []),
        ({"steps": 20, "schedule": {"start": {"steps": 30}}}, None, [never("30", "20 steps")]),
        ({"epochs": 2, "schedule": {"start": 30, "unit": "updates"}}, None, []),
        (
            {"epochs": 2, "schedule": {"start": 30, "unit": "updates"}},
            12,
            [never("30", "24 updates")],
        ),
        ({"epochs": 2, "schedule": {"start": 3}}, None, [never("3", "2 epochs")]),
        (
            {"epochs": 2, "players": {"D": {"schedule": {"uses": "cosine", "start": 2}}}},
            None,
            ["players.D: " + never("2", "2 epochs")],
        ),
    ],
)
def test_notes_of_schedules_on_a_length(options: dict[str, Any], images: int | None, notes: list[str]) -> None:
    if "schedule" in options:
        options = {**options, "schedule": {"uses": "linear-decay", **options["schedule"]}}
    counts = {"counts": {"train": {"a": images}}, "channels": {"a": 3}} if images else {}
    facts = DatasetFacts.from_json({"kind": "single", "splits": ["train"], **counts})
    said = [note for note in all_notes(config(**options), Registry(), facts) if "schedule" in note]
    assert said == notes


class Heard(PlainConsole):
    """A console that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_check_and_run_say_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = {"uses": "generated-maps", "kind": "paired", "size": 32, "train": 3, "test": 1}
    tiny = {
        "generator": {"uses": "unet", "levels": 3, "filters": 4},
        "discriminator": {"uses": "patchgan", "filters": 4},
    }
    schedule = {"uses": "cosine", "start": 6, "unit": "updates"}
    train = {"method": "pix2pix", "options": tiny, "epochs": 1, "max_steps": 7, "workers": 0, "schedule": schedule}
    file = {
        "version": 1,
        "name": "long",
        "tracking": "none",
        "stages": {
            "prepare": {"uses": "preprocess", "with": {"source": source}},
            "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
        },
    }
    note = "max_steps 7 is more than `epochs: 1` gives with 3 images: the training ends after 3 steps; raise `epochs`"
    late = never("6", "3 updates")
    assert check(file) == [f"train: {note}", f"train: {late}"], "counted by the options"
    heard = Heard()
    run(file, device="cpu", console=heard)
    assert f"note: {note}" in heard.lines and f"note: {late}" in heard.lines
    assert check(file) == [f"train: {note}", f"train: {late}"], "counted when it was prepared"


@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_are_counted(scale: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, times in (("a", scale), ("b", 1)):
        Path(name).mkdir()
        for number in range(2):
            Pillow.new("RGB", (152 // times, 72 // times)).save(f"{name}/{number}.png")
    source: dict[str, Any] = {"uses": "pairs", "a": "a", "b": "b"}
    train: dict[str, Any] = {"method": "pix2pix"}
    if scale > 1:
        source |= {"scale": scale, "enlarge": False}
        train = {"method": "srresnet", "options": {"scale": scale}}
    train |= {"epochs": 1, "max_steps": 17, "batch_size": 1}
    train["augment"] = [{"uses": "random-crop", "size": 32, "multiple": scale}]
    stages = {
        "prepare": {"uses": "preprocess", "with": {"source": source, "tiles": 48}},  # 2 x 4 tiles of each image
        "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
    }
    (note,) = [
        line for line in check({"version": 1, "name": "t", "tracking": "none", "stages": stages}) if "max_steps" in line
    ]
    assert "max_steps 17 is more than `epochs: 1` gives with 16 images" in note
