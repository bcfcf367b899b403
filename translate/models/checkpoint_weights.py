"""Other weights of a trained model than its bundle holds: those of the checkpoints that its training kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from translate.errors import ConfigError
from translate.models.bundle import Bundle
from translate.storage import checkpoint

Weights = Literal["best", "last", "raw"]
FOLDER = "checkpoints"
_AVERAGE = "module."
"""Where `AveragedModel` keeps the network."""


def with_weights(bundle: Bundle, which: Weights) -> Bundle:
    """The same model with the weights of its `best` or its `last` checkpoint (averaged where the training averaged),
    or with those of the bundle's own step before averaging (`raw`).

    Errors: ConfigError (no such checkpoint), StageError (a damaged one).
    """
    folder = bundle.folder.parent / FOLDER
    steps = checkpoint.steps(folder)
    if not steps:
        raise ConfigError(
            f"{bundle.folder}: no checkpoints beside this model, which has its own weights alone; "
            "name the folder of the train stage (runs/NAME/train), or leave out the choice of weights"
        )
    step = steps[-1] if which == "last" else bundle.facts.step
    if which == "best":
        best = checkpoint.read(folder / checkpoint.name_of(steps[-1]))[1]["progress"]["best"]
        if best is None:
            raise ConfigError(f"{bundle.folder}: this training watched no metric (`keep.best`): there is no best")
        step = best["step"]
    if step is None or step not in steps:
        listed = ", ".join(map(str, steps))
        raise ConfigError(f"{folder}: the {which} weights are those of step {step}, and only {listed} were kept")
    tensors, _ = checkpoint.read(folder / checkpoint.name_of(step))
    weights = {}
    for net in bundle.facts.networks:
        averaged = {} if which == "raw" else checkpoint.state_under(tensors, f"ema/{net}/{_AVERAGE}")
        state = averaged or checkpoint.state_under(tensors, f"net/{net}/")
        weights.update({f"{net}.{key}": value for key, value in state.items()})
    facts = bundle.facts.with_weights_of(which, step, ema=which != "raw" and bundle.facts.ema)
    return replace(bundle, facts=facts, tensors=weights)
