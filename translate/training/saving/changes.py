"""Which options of a training may change when it goes on, and what a change means.

One table for all: the stage's `neutral` and `continuable`, the page for users, and the test that no option is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["any time", "free", "schedule", "fixed"]
"""`any time`: the same command goes on, and the result is the same. `free` and `schedule` ask for `--continue`: the one
counts from the next step on, the other changes how long the training is or how its rates run. `fixed` is refused."""


@dataclass(frozen=True)
class Change:
    """What becomes of a training when an option changes."""

    kind: Kind
    text: str
    """In one line, for the page of users."""


_ANEW = "another training: start anew, or from the weights with `init`"

CHANGES: Mapping[str, Change] = {
    "workers": Change("any time", "batches are functions of their step, whoever makes them"),
    "log_every": Change("any time", "the curves have other points"),
    "checkpoint": Change("any time", "saving changes nothing in the result"),
    "epochs": Change("schedule", "schedules run over the new length, as though it had been this one from the start"),
    "steps": Change("schedule", "as `epochs`"),
    "max_steps": Change("schedule", "the training ends there; rates stay as they are"),
    "optimizer.lr": Change("schedule", "the rate from the next step on; moments stay"),
    "schedule": Change("schedule", "from the next step on the factor that the new one has at this epoch or update"),
    "stop": Change("free", "all validations so far count"),
    "losses": Change("free", "weights from the next step on"),
    "extra_losses": Change("free", "terms from the next step on"),
    "validate": Change("free", "scores from the next validation on"),
    "keep": Change("free", "what the old choice has kept goes with the next save; a new metric has no best one yet"),
    "clip": Change("free", "the limit from the next step on"),
    "precision": Change("free", "the format from the next step on, with a note"),
    "fast": Change("free", "the way to compute from the next step on, with a note: the last bits differ"),
    "augment": Change("free", "images from the next step on; their order stays"),
    "device_augment": Change("free", "as `augment`"),
    "critic_augment": Change("free", "changes from the next step on; a share that adapts goes on from where it is"),
    "method": Change("fixed", _ANEW),
    "options": Change("fixed", _ANEW),
    "init": Change("fixed", "weights to start from belong to the start"),
    "optimizer": Change("fixed", "but for `optimizer.lr`: moments of one optimizer mean nothing to another"),
    "players": Change("fixed", "but for the rows below, as `optimizer`"),
    "players.*.optimizer.lr": Change("schedule", "as `optimizer.lr`, for this player"),
    "players.*.schedule": Change("schedule", "as `schedule`, for this player"),
    "players.*.clip": Change("free", "as `clip`, for this player"),
    "freeze": Change("fixed", "an optimizer has moments of the weights that it began with"),
    "spectral_norm": Change("fixed", _ANEW),
    "batch_size": Change("fixed", "the place in the data is counted in batches"),
    "accumulate": Change("fixed", "as `batch_size`"),
    "ema": Change("fixed", "an average has all weights since the start"),
}
"""By option of a train stage, or by the path to one that differs from those around it."""

NEUTRAL = frozenset(option for option, change in CHANGES.items() if change.kind == "any time")
"""`Stage.neutral` of the stage."""


def continuable() -> dict[str, Literal["free", "schedule"]]:
    """`Stage.continuable` of the stage."""
    return {option: change.kind for option, change in CHANGES.items() if change.kind in ("free", "schedule")}
