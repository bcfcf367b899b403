"""How long a training is, in steps, and the steps at which something of it is due."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from translate.contracts import Components, Schedule, ScheduleUse
from translate.training.config import Every, Steps, TrainConfig


@dataclass(frozen=True)
class Length:
    """The `whole` training in steps and in `epochs`, and the `total` that `max_steps` leaves of it.

    Schedules run over the whole, so that a training which is cut short has the rates of the long one. Checkpoints of
    steps that `keep_every` divides stay; 0 is none.
    """

    whole: int
    total: int
    epochs: int
    validation_every: int
    keep_every: int

    @classmethod
    def of(cls, config: TrainConfig, batches_per_epoch: int) -> Length:
        """The length for a dataset that fills so many batches; a step takes `accumulate` of them."""
        per_epoch = batches_per_epoch / config.accumulate
        if config.steps is None:
            whole, epochs = max(1, config.epochs * batches_per_epoch // config.accumulate), config.epochs
        else:
            whole, epochs = config.steps, math.ceil(config.steps / per_epoch)
        return cls(
            whole,
            min(whole, config.max_steps or whole),
            epochs,
            in_steps(config.validation.every, per_epoch),
            0 if config.keep.every is None else in_steps(config.keep.every, per_epoch),
        )

    def validates(self, step: int) -> bool:
        """Whether a validation is due after this step; it always is after the last one."""
        return step == self.total or step % self.validation_every == 0

    def keeps(self, step: int) -> bool:
        """Whether the checkpoint of this step stays for good."""
        return self.keep_every > 0 and step % self.keep_every == 0


def in_steps(every: Every, per_epoch: float) -> int:
    """A number of epochs, or of steps, as steps, of which an epoch has `per_epoch`."""
    return every.steps if isinstance(every, Steps) else max(1, round(every * per_epoch))


def length_notes(config: TrainConfig, images: int) -> Iterator[str]:
    """Remarks on the length of a training whose larger side has so many images."""
    per_epoch = _per_epoch(config, images)
    length, asked = Length.of(config, per_epoch), config.max_steps
    given = f"`epochs: {config.epochs}` gives with {images:,} images" if config.steps is None else "`steps` gives"
    if asked is not None and asked > length.whole:
        more = "epochs" if config.steps is None else "steps"
        yield (
            f"max_steps {asked:,} is more than {given}: the training ends after {length.whole:,} steps; raise `{more}`"
        )
    elif asked is not None and asked < length.whole:
        epoch = -(-asked * config.accumulate // per_epoch)
        yield f"max_steps {asked:,} ends the training in epoch {epoch:,} of {length.epochs:,}"
    if config.batch_size > images:
        yield f"batch_size {config.batch_size:,} is more than the {images:,} images: a batch has some of them twice"
    every = config.validation.every
    if length.validation_every > length.total and not validates_only_at_the_end(config):
        said = f"{every.steps:,} steps" if isinstance(every, Steps) else f"{every:g}"
        yield f"validate.every {said} is past the {length.total:,} steps: only the last step validates"


def schedule_notes(config: TrainConfig, registry: Components, images: int | None) -> Iterator[str]:
    """Remarks of the schedules on the length of a training whose larger side has so many images, as far as that is
    known without the number (None)."""
    if images is not None:
        length = Length.of(config, _per_epoch(config, images))
        known = {"epochs": length.epochs, "steps": length.whole, "updates": length.whole}
    elif config.steps is not None:
        known = {"steps": config.steps, "updates": config.steps}
    else:
        known = {"epochs": config.epochs}
    for place, use in schedules(config):
        schedule: Schedule[Any] = registry.build(use)
        total = known.get(schedule.config.unit)
        if total is not None and (note := schedule.note(total)):
            yield f"{'.'.join(place[:-1])}: {note}" if place[:-1] else note


def schedules(config: TrainConfig) -> Iterator[tuple[tuple[str, ...], ScheduleUse]]:
    """The schedule of all players and those of single ones, with their places among the options."""
    yield ("schedule",), config.schedule
    for name, player in config.players.items():
        if player.schedule is not None:
            yield ("players", name, "schedule"), player.schedule


def _per_epoch(config: TrainConfig, images: int) -> int:
    """Batches of an epoch."""
    return max(1, images // config.batch_size)


def validates_only_at_the_end(config: TrainConfig) -> bool:
    """Whether the options alone show that no validation comes before the last step."""
    every = config.validation.every
    if isinstance(every, Steps):
        return config.steps is not None and every.steps > config.steps
    return config.steps is None and every > config.epochs
