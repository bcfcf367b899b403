"""The validations of one training: scores and pictures of a step, the best one so far, and whether it stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from translate.contracts import StageContext
from translate.errors import DataError
from translate.imaging.grid import save_picture
from translate.metrics import evaluate_sets
from translate.models.checkpoint_weights import RAW
from translate.text import json_number
from translate.training.config import StopConfig
from translate.training.saving.state import TrainingState
from translate.training.validating.best import Watched
from translate.training.validating.validation import Validator


class Validations:
    """Validates `state` and enters the scores in its history.

    Without a `validator` there is nothing to score or show. `best` are the metrics whose best checkpoints stay, `stop`
    is the one that ends the training where it stands still for as long as `patience` says.
    """

    def __init__(
        self,
        context: StageContext,
        state: TrainingState,
        validator: Validator | None = None,
        *,
        best: Sequence[Watched] = (),
        stop: Watched | None = None,
        patience: StopConfig | None = None,
    ) -> None:
        self.context, self.state, self.validator = context, state, validator
        self.best, self.stop, self.patience = best, stop, patience
        self.world = state.engine.world
        self.directions = state.engine.method.directions

    def show_start(self) -> None:
        """Pictures of step 0, from the live networks: the averages have not moved yet."""
        if self.validator is None:
            return
        engine = self.state.engine
        self.validator.load({name: engine.nets[name] for name in self.state.averages.names})
        for direction in self.directions:
            self._picture(direction, 0)

    def validate(self, step: int) -> bool:
        """Scores and pictures every direction; returns True when a watched metric is the best so far."""
        if self.validator is None:
            return False
        self.validator.load(self.state.averages.all())
        scores: dict[str, float] = {}
        for direction in self.directions:
            self._picture(direction, step)
            if direction in self.validator.scored:
                scores |= self._score(direction)
        scores |= self._raw_scores()
        self.context.tracker.metrics(scores, step)
        if scores:
            listed = ", ".join(f"{curve} {value:.4g}" for curve, value in scores.items())
            self.context.console.say(f"step {step}: {listed}")
        self.context.emit("validated", step=step, scores=scores, folder=self.context.folder / "samples")
        self.state.history.add(step, scores)
        self.state.set_drops()
        improved = [
            watched.improved(self.state.history, step, scores, first=place == 0)
            for place, watched in enumerate(self.best)
        ]
        return any(improved)

    def lacks(self, step: int) -> bool:
        """Whether a step could be validated, and never was."""
        return self.validator is not None and not self.state.history.validated(step)

    def score(self, scores: Mapping[str, float]) -> dict[str, Any] | None:
        """The score by which models of this training are compared, with the name of its metric and whether `higher` or
        `lower` is better; None without one."""
        watched = self.best[0] if self.best else self._first()
        value = watched.value(scores) if watched else None
        if watched is None or value is None:
            return None
        return {"metric": watched.metric, "value": json_number(value), "better": watched.better}

    def _first(self) -> Watched | None:
        """The first metric of the validation, as one to watch."""
        if self.validator is None or not self.validator.config.metrics:
            return None
        metric = self.validator.config.metrics[0].uses
        return Watched(metric, self.validator.curves_of(metric), self.validator.metrics[0].better)

    def stand_still(self) -> bool:
        """Whether the metric that `stop` watches has not improved for as many validations as it has patience for."""
        if self.patience is None or self.stop is None:
            return False
        return self.stop.waited(self.state.history, self.patience.least) >= self.patience.patience

    def _score(self, direction: str) -> dict[str, float]:
        """The scores of one direction by curve; none where it imitates no side of the data."""
        assert self.validator is not None
        outputs, real = self.validator.translate(direction)
        # rank 0 has the outputs of all processes
        return self.world.decided(lambda: self._compared(direction, outputs, real))

    def _raw_scores(self) -> dict[str, float]:
        """The scores of the weights themselves, beside those of their averages; none where nothing is averaged."""
        if self.validator is None or not self.state.averages.nets or not self.validator.metrics:
            return {}
        self.validator.load({name: self.state.engine.nets[name] for name in self.state.averages.names})
        scores: dict[str, float] = {}
        for direction in self.validator.scored:
            scores |= self._score(direction)
        return {curve + RAW: value for curve, value in scores.items()}

    def _compared(self, direction: str, outputs: list[Tensor], real: list[Tensor]) -> dict[str, float]:
        """The scores of a direction's outputs by curve; none without real images."""
        assert self.validator is not None
        if not real:
            return {}
        scores = evaluate_sets(self.validator.metrics, outputs, real, self.validator.context(direction))
        return {self.validator.curve(direction, metric): value for metric, value in scores.items()}

    def _picture(self, direction: str, step: int) -> None:
        assert self.validator is not None
        if not self.world.leads or not self.validator.shows(direction):
            return
        picture = self.validator.page(direction)
        try:
            save_picture(self.context.folder / "samples" / direction / f"{step:09d}.png", picture)
        except (DataError, OSError) as error:  # people look at it, and nothing depends on it
            self.context.console.warn(f"no picture of step {step}: {error}")
        self.context.tracker.image(f"samples/{direction}", picture, step)
