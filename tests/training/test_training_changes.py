"""The table of options that may change when a training goes on."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from translate.stages.train import TrainStage
from translate.training.config import TrainConfig
from translate.training.saving.changes import CHANGES


def named(config: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in config.model_fields.items()}


def test_every_option_has_its_row_and_no_row_is_of_none() -> None:
    tops = {option.partition(".")[0] for option in CHANGES}
    assert tops == named(TrainConfig)
    assert named(TrainConfig) <= CHANGES.keys(), "a path within an option is no row of the option"


def test_the_stage_says_what_the_table_says() -> None:
    for option, change in CHANGES.items():
        effect = TrainStage.effect_of(option)
        if change.kind in ("free", "schedule"):
            assert effect == change.kind, option
        elif change.kind == "any time":
            assert option in TrainStage.neutral
        else:
            assert effect == "structural" and option not in TrainStage.neutral, option
    assert TrainStage.effect_of("optimizer.betas") == "structural"


@pytest.mark.parametrize(
    ("option", "effect"),
    [
        ("optimizer.lr", "schedule"),
        ("optimizer.betas", "structural"),
        ("optimizer.uses", "structural"),
        ("optimizer", "structural"),
        ("schedule.start", "schedule"),
        ("clip", "free"),
    ],
)
def test_options_of_one_player_change_as_those_of_all(option: str, effect: str) -> None:
    assert TrainStage.effect_of(option) == effect
    assert TrainStage.effect_of(f"players.D_a.{option}") == effect
    assert TrainStage.effect_of("players.D_a") == "structural"
