"""The training loop: batches in, updates applied, numbers logged, samples looked at, state saved."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import DeviceTransform, StageContext
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Batch, augmented, to_device
from translate.distributed.world import LostError
from translate.errors import StageError, Stopped
from translate.seeding import derive
from translate.signals import ending, exit_code_when_saved, heard
from translate.storage.checkpoint import DamagedCheckpointError
from translate.training.config import TrainConfig
from translate.training.extra_losses import check_met
from translate.training.fast.apply import give_memory_back
from translate.training.fast.tuner import Tuner
from translate.training.health.health import Health
from translate.training.health.looker import Looker
from translate.training.length import Length
from translate.training.numerics.tf32 import searched_convolutions, tf32
from translate.training.saving import checkpoint
from translate.training.saving.optimizers import MemoryCheck
from translate.training.saving.registry import NETWORKS
from translate.training.saving.saver import Saver
from translate.training.saving.state import TrainingState
from translate.training.speed.report import Speed
from translate.training.validating.best import Watched
from translate.training.validating.validation import Validator
from translate.training.validating.validations import Validations


@dataclass(frozen=True)
class Trained:
    """The result of a training: the networks that directions use, by name, and where their weights come from.

    `weights` is `best` or `last`, `step` the step that they were at, `ema` whether they are averages, and `metrics` the
    scores of the validation at that step, by curve.
    """

    nets: Mapping[str, nn.Module]
    weights: str
    step: int
    ema: bool
    metrics: Mapping[str, float]


class Trainer:
    """Runs `state.engine` over `loader` until the last step; everything that it leaves lies in `context.folder`."""

    def __init__(
        self,
        context: StageContext,
        config: TrainConfig,
        state: TrainingState,
        loader: Loader,
        length: Length,
        *,
        validator: Validator | None = None,
        best: Sequence[Watched] = (),
        stop: Watched | None = None,
        device_augment: Sequence[DeviceTransform[Any]] = (),
        looker: Looker | None = None,
    ) -> None:
        self.context, self.config, self.loader, self.length = context, config, loader, length
        self.state, self.engine, self.method = state, state.engine, state.engine.method
        self.device_augment, self.world = device_augment, state.engine.world
        self.folder = context.folder / checkpoint.FOLDER
        self.saver = Saver(self.folder, state, length, config.keep.last, self._tell_saved)
        self.validations = Validations(context, state, validator, best=best, stop=stop, patience=config.stop)
        self.log_every = 1 if context.debug else config.log_every
        self.health = Health(context, state, looker)
        self.signal: int | None = None
        """The signal at which the training stops after this step."""
        self.heard: int | None = None
        """The last signal that came to this process."""
        self.tuner = Tuner(state, length.total - state.step, context.console.say, lambda: self.heard is not None)
        self.memory = MemoryCheck(self.engine.players)
        self.clock = self.engine.clock
        self.speed = Speed(self.clock, self.engine.device)
        self._saved_at = time.monotonic()
        self._due = False
        """Whether the last agreement with other processes asks for a save."""
        self._saved = state.step
        """The step of the last checkpoint."""
        self._files: dict[int, str] = {}
        """The images of each step since the last log, for the message about a loss that is not finite."""

    # ------------------------------------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Trains up to the last step. Raises `Stopped` after a save when a signal asked to stop.

        Errors: those of the data, after a save; StageError where the training cannot go on.
        """
        try:
            with tf32(self.engine.choice.variant.tf32), searched_convolutions(self.config.fast != "off"):
                self._run()
        except KeyboardInterrupt:
            self.saver.abandon()
            raise
        except BaseException:
            self._end_save()
            raise
        finally:
            # Not when the iteration is collected: the traceback of an error holds it, in Python until the next error.
            self.loader.close()
            give_memory_back()

    def _run(self) -> None:
        start, total = self.state.step, self.length.total
        images = self.config.batch_size * self.config.accumulate * self.world.size
        self._saved_at = time.monotonic()
        self.speed.begin(total - start)
        shown: dict[str, Any] = {}
        batches = self.loader.until(lambda: self.signal is not None)
        bar = self.context.console.progress(self.context.stage, total * images, start * images, "images")
        if start == 0:
            with self.clock.part("validation"):
                self.validations.show_start()
        with _signals(self), torch.autograd.set_detect_anomaly(self.context.debug), bar as progress:
            while self.state.step < total and not self.validations.stand_still():
                with self.clock.part("data"):
                    group = self._group(batches)
                if len(group) < self.config.accumulate:  # asked to stop meanwhile
                    self._save()
                    self._stop()
                self._step(group)
                step = self.state.step
                # Numbers leave the device at log steps only: each transfer waits for all work that is queued there.
                if step % self.log_every == 0 or step == total:
                    shown = {"step": f"{step}/{total}", **self._log(step)}
                if seen := self.health.after(step):
                    self.context.tracker.metrics(seen, step)
                # First the validation, then the save: the checkpoint has to hold its scores and know if it is the best.
                with self.clock.part("validation"):
                    improved = self.length.validates(step) and self.validations.validate(step)
                # read once: a signal that comes during the save waits for the next step, and for a save of its own
                stop = self.signal is not None
                if improved or stop or step == total or self._save_due(step) or self.validations.stand_still():
                    self._save()
                progress.advance(images, **shown)
                if stop:
                    self._stop()
            self._wait_for_save()
        if start == total and self.validations.lacks(total):
            # an interrupted training that `--continue` shortened to what is done
            self.validations.validate(total)
            self._save()
            self._wait_for_save()
        if self.signal is not None:  # it came during the last save
            self._stop()
        if self.validations.stand_still() and self.state.step < total:
            assert self.config.stop is not None
            self.context.console.say(
                f"stopped early at step {self.state.step:,} of {total:,}: {self.config.stop.metric} has not improved "
                f"for {self.config.stop.patience} validations"
            )
        if self.state.step > start:
            self._report_speed(self.state.step - start, (self.state.step - start) * images)

    def _group(self, batches: Iterator[Batch]) -> list[Batch]:
        """The batches of a step, fewer where a signal came while they were waited for. Errors: as `run`."""
        group: list[Batch] = []
        error: Exception | None = None
        try:
            self.saver.look()
            group = list(islice(batches, self.config.accumulate))
        except Exception as failure:
            error = failure
        if self.world.shared:
            if self._agree(error is not None) and error is None:
                error = LostError("another process of this training has failed, and says why")
            if self.signal is not None:
                group = []
        if error is not None:
            self._keep_what_was_learned()
            raise error
        return group

    def _keep_what_was_learned(self) -> None:
        """Saves before an error ends the training between two steps, where the state is whole."""
        try:
            if self.state.step > self._saved:
                self._save()
            self._wait_for_save()
        except StageError as failure:
            self.context.console.warn(str(failure))
            return
        if self.state.step:
            self.context.console.say(f"saved at step {self.state.step}, from which the same command goes on")

    def _agree(self, failed: bool) -> bool:
        """Between two steps: whether any process has failed; a signal that any has heard, and a save that rank 0's
        clock asks for, become those of all."""
        due = self.world.leads and self._minutes_passed()
        heard, failures, saves = self.world.largest(self.heard or 0, failed, due)
        self.signal, self._due = heard or None, saves > 0
        return failures > 0

    def _step(self, group: Sequence[Batch]) -> None:
        """One optimizer step of each player on `accumulate` batches."""
        names: list[str] = []
        for batch in group:
            for keys in batch.keys.values():
                names += keys
        self._files[self.state.step] = ", ".join(names)
        with self.clock.part("transfer"):
            images = [self._to_device(batch) for batch in group]
        with self.clock.part("trial"):
            self.tuner.choose(images, group[0].epoch)
        with self.speed.counted(self.state, images, group[0].epoch), self.health.watching():
            self.engine.step(images, group[0].epoch)
        # once a step, after all players have moved, however often one of them moves in it
        self.state.averages.update()
        check_met(type(self.method).name, self.engine.extra)
        self.memory.look()

    def _to_device(self, batch: Batch) -> Mapping[str, Tensor]:
        images = to_device(batch, self.engine.device, self.engine.method.spec.sides)
        if self.device_augment:
            # by the batch's own number, so that a restart, or another number of workers, draws the same
            number = batch.step * self.world.size + self.world.rank
            seed = derive(self.context.seed, "device_augment", number)
            images = augmented(images, self.loader.samples.groups, self.device_augment, seed)
        return images

    def _save_due(self, step: int) -> bool:
        """Tells whether `checkpoint` asks for a save."""
        every = self.config.checkpoint.steps
        if (every is not None and step % every == 0) or self.length.keeps(step):
            return True
        return self._due if self.world.shared else self._minutes_passed()

    def _minutes_passed(self) -> bool:
        return time.monotonic() - self._saved_at > 60 * self.config.checkpoint.minutes

    def _stop(self) -> None:
        """Ends a training that was asked to stop, once it is saved. Errors: Stopped."""
        self._wait_for_save()
        step, total = self.state.step, self.length.total
        self.context.console.say(f"stopped at step {step} of {total}, saved; the same command goes on from here")
        assert self.signal is not None
        raise Stopped(exit_code_when_saved(self.signal), told=True, signal=self.signal)

    # ------------------------------------------------------------------------------------------- what is written

    def _log(self, step: int) -> dict[str, float]:
        """Sends the means since the last log to the tracker; returns those of the losses, for the progress bar."""
        self.engine.check_finite(self._files)
        self._files.clear()
        if note := self.engine.note():
            self.context.console.say(note)
        values = self.engine.read_meters()
        self.clock.read()
        values |= self.health.logged(step, values)
        self.context.tracker.metrics(values, step)
        self.context.emit("step_finished", step=step, metrics=values)
        return {name: value for name, value in values.items() if "/" not in name}

    def _save(self) -> None:
        with self.clock.part("saving"):
            # a term that was not finite since the last log step must not reach a checkpoint: this waits for the device
            self.engine.check_finite(self._files)
            # curves first: a checkpoint never is ahead of what the tracker has on disk
            self.context.tracker.flush()
            self.saver.save()
        self._saved, self._saved_at = self.state.step, time.monotonic()

    def _tell_saved(self, step: int, folder: Path) -> None:
        self.context.emit("checkpoint_saved", step=step, folder=folder)

    def _wait_for_save(self) -> None:
        """Returns when what was saved is on disk, in all processes. Errors: StageError where it cannot be written."""
        with self.clock.part("saving"):
            self.world.decided(self.saver.wait)

    def _end_save(self) -> None:
        """Waits for a write while another error ends the training, and tells of its own error beside that one."""
        try:
            self.saver.wait()
        except StageError as error:
            self.context.console.warn(str(error))

    def _report_speed(self, steps: int, images: int) -> None:
        lines, numbers = self.speed.report(steps, images, self.engine.precision)
        for line in lines:
            self.context.console.say(line)
        self.context.tracker.metrics(numbers, self.state.step)

    # ---------------------------------------------------------------------------------------------- the result

    def further(self) -> list[str]:
        """The networks of players, and fixed ones, that no direction uses."""
        members = {*self.method.fixed}.union(*self.method.players.values())
        return sorted((members & {*self.engine.nets}) - {*self.state.averages.names})

    def facts(self, trained: Trained) -> dict[str, Any]:
        """What tells this training from others of the same pipeline: its planned length in `steps` and `images`, and
        the `score` of its model by the metric that chooses weights, else by the first of the validation."""
        images = self.config.batch_size * self.config.accumulate * self.world.size
        score = self.validations.score(trained.metrics)
        length = {"steps": self.length.total, "images": self.length.total * images}
        return {**length, "score": score} if score else length

    def result(self) -> Trained:
        """The networks for the bundle: those of the best checkpoint where one is watched for, else the last state,
        which also stands in for a best checkpoint that is damaged."""
        step, weights, history = self.state.step, "last", self.state.history
        if history.best and history.best["step"] != step:
            try:
                checkpoint.restore(self.folder / checkpoint.name_of(history.best["step"]), self.state, NETWORKS)
                step, weights = history.best["step"], "best"
            except DamagedCheckpointError as error:
                self.context.console.warn(f"the best {error}; the model has the last weights instead, of step {step:,}")
        averaged = bool(self.state.averages.nets)
        return Trained(self.state.averages.all(), weights, step, averaged, history.scores_at(step))


@contextmanager
def _signals(trainer: Trainer) -> Iterator[None]:
    """The first signal to end asks for a save at the end of the step; a second Ctrl-C interrupts at once."""

    def ask(number: int, _: FrameType | None) -> None:
        if trainer.heard and number == signal.SIGINT:
            raise KeyboardInterrupt
        trainer.heard = number
        if trainer.world.shared:  # all stop after the same step, and it may have come since another process ended
            return
        trainer.signal = number
        with suppress(RuntimeError):  # it interrupts a line that is being printed
            trainer.context.console.say("stopping after this step; Ctrl-C again stops at once")

    with heard(ask, [*ending(), signal.SIGINT]):
        yield
