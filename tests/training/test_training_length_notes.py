"""Notes on the length of a training: in `check` as soon as the images can be counted, and when it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from translate.console import PlainConsole
from translate.pipeline import check, run
from translate.training.check import length_notes
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
    train = {"method": "pix2pix", "options": tiny, "epochs": 1, "max_steps": 7, "workers": 0}
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
    assert check(file) == [f"train: {note}"], "counted by the options"
    heard = Heard()
    run(file, device="cpu", console=heard)
    assert f"note: {note}" in heard.lines
    assert check(file) == [f"train: {note}"], "counted when it was prepared"


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
