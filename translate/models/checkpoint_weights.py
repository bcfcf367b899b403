"""Other weights of a trained model than its bundle holds: those of the checkpoints that its training kept.

A training that is not finished has those alone: its `translator.json` was written when it began, and lists no file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from translate.errors import ConfigError, StageError
from translate.models.bundle import Bundle, read_facts
from translate.models.facts import BundleFacts
from translate.storage import checkpoint

Weights = Literal["best", "last", "raw"]
RAW = "/raw"
"""The end of the curves of weights that are not averaged, where averages are scored as well."""
_AVERAGE = "module."
"""Where `AveragedModel` keeps the network."""


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


def read_weights(folder: Path, which: Weights, tell: Callable[[str], None] | None = None) -> Bundle:
    """The model of a bundle's folder with the weights of its `best` or its `last` checkpoint (averaged where the
    training averaged), or with those of the bundle's own step before averaging (`raw`).

    For a training that is not finished `raw` is the last checkpoint before averaging. Where the newest checkpoint is
    damaged, the one before it counts as the last, and `tell` is told so, instead of a Python warning.
    Errors: ConfigError (no such checkpoint), StageError (none is whole, or the best is damaged), and as `read_facts`.
    """
    facts = read_facts(folder, unfinished=True)
    checkpoints = folder.parent / checkpoint.FOLDER
    step, progress = _choose(folder, facts, checkpoints, which, tell or _warn)
    place = checkpoints / checkpoint.name_of(step)
    try:
        tensors, _ = checkpoint.read(place)
    except checkpoint.DamagedCheckpointError as error:
        raise StageError(f"{error}; take the weights of another one{_others(facts, which)}") from error
    weights = {}
    for net in facts.networks:
        averaged = {} if which == "raw" else checkpoint.state_under(tensors, f"ema/{net}/{_AVERAGE}")
        state = averaged or checkpoint.state_under(tensors, f"net/{net}/")
        weights.update({f"{net}.{key}": value for key, value in state.items()})
    # A conversion knows a model by the hash of its file.
    files = facts.files or {f"{place.name}/{name}": value for name, value in checkpoint.hashes(place).items()}
    of_average = which != "raw" and facts.ema
    scores = _scores(progress, step, raw=facts.ema and not of_average)
    facts = facts.with_weights_of(which, step, ema=of_average, metrics=scores, files=files)
    return Bundle(folder, facts, weights)


def describe_unfinished(folder: Path) -> dict[str, Any]:
    """How far a training came that is not finished: its `checkpoints` and the `total` of its steps, and the `best`.

    `folder` is that of its `translator.json`.
    """
    checkpoints = folder.parent / checkpoint.FOLDER
    reached = checkpoint.reached(checkpoints)
    last = checkpoint.newest(checkpoints, quick=True).folder
    whole = [path for path in checkpoint.folders(checkpoints) if checkpoint.damage(path, quick=True) is None]
    best = checkpoint.read_state(last)["progress"].get("best") if last else None
    steps = [int(path.name) for path in whole]
    return {"checkpoints": steps, "total": reached.total if reached else None, "best": best}


def _others(facts: BundleFacts, which: Weights) -> str:
    """The other weights that there may be, as a hint."""
    others = [name for name in ("best", "last") if name != which]
    names = " or ".join(f"`{name}`" for name in others)
    return f" ({names}), or the model's own, without a choice" if facts.finished else f" ({names})"


def _choose(
    folder: Path, facts: BundleFacts, checkpoints: Path, which: Weights, tell: Callable[[str], None]
) -> tuple[int, dict[str, Any]]:
    """The step of the checkpoint that is meant, and the history of the training. Errors: as `read_weights`."""
    steps = checkpoint.steps(checkpoints)
    if not steps and not facts.finished:
        raise ConfigError(
            f"{folder.parent}: this training has no checkpoint yet; the same `translate run` goes on with it, and "
            "`checkpoint: {minutes: N}` or `{steps: N}` says how often it saves"
        )
    if not steps:
        raise ConfigError(
            f"{folder}: no checkpoints beside this model, which has its own weights alone; "
            "name the folder of the train stage (runs/NAME/train), or leave out the choice of weights"
        )
    last, progress = _newest(checkpoints, tell, quick=which == "best" or (which == "raw" and facts.finished))
    step = last if which == "last" or not facts.finished else facts.step
    if which == "best":
        step = _best(folder, facts, progress)
    if step is None or step not in steps:
        listed = ", ".join(map(str, steps))
        raise ConfigError(f"{checkpoints}: the {which} weights are those of step {step}, and only {listed} were kept")
    return step, progress


def _newest(checkpoints: Path, tell: Callable[[str], None], *, quick: bool) -> tuple[int, dict[str, Any]]:
    """The step of the newest checkpoint that is whole, and the history of the training up to it; newer ones that are
    damaged are told. `quick` reads no tensors. Errors: StageError where none is whole."""
    newest = checkpoint.newest(checkpoints, quick=quick)
    if newest.folder is None:
        raise StageError(f"{checkpoints}: no checkpoint is whole: {newest}")
    if newest.damaged:
        tell(f"{checkpoints}: {newest}; the newest that is whole is {newest.folder.name}")
    progress: dict[str, Any] = checkpoint.read_state(newest.folder)["progress"]
    return int(newest.folder.name), progress


def _best(folder: Path, facts: BundleFacts, progress: dict[str, Any]) -> int:
    best = progress.get("best")
    if best is None and facts.finished:
        raise ConfigError(f"{folder}: this training watched no metric (`keep.best`): there is no best")
    if best is None:
        raise ConfigError(
            f"{folder.parent}: no checkpoint is the best yet: this training watches no metric (`keep.best`), or was "
            "not validated before its last checkpoint, which is there (`last`)"
        )
    return int(best["step"])


def _scores(progress: dict[str, Any], step: int, *, raw: bool) -> dict[str, Any]:
    """The scores of the validation at a step, by curve; none where there was no validation.

    `raw`: those of weights beside which averages were scored, else those of the averages, or of the only weights.
    """
    entry: dict[str, Any] = next((e for e in progress.get("validations", ()) if e["step"] == step), {})
    scores: dict[str, Any] = {}
    for curve, value in entry.items():
        plain = curve.removesuffix(RAW)
        if curve != "step" and (plain != curve) == raw:
            scores[plain] = value
    return scores
