"""The training loop: batches in, updates applied, numbers logged, samples looked at, state saved."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from translate.contracts import Method, StageContext
from translate.data.loader import Batch, Loader, to_device
from translate.errors import Stopped
from translate.metrics import evaluate_sets
from translate.metrics.scores import named
from translate.training import checkpoint
from translate.training.config import TrainConfig
from translate.training.diagnostics import Health
from translate.training.engine import Engine
from translate.training.extra_losses import check_met
from translate.training.validation import Validator, save_picture


@dataclass
class History:
    """What the trainer itself has to remember across a restart."""

    validations: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None


class Trainer:
    """Runs `engine` over `loader` until the last step; everything that it leaves lies in `context.folder`."""

    def __init__(
        self,
        context: StageContext,
        config: TrainConfig,
        method: Method[Any],
        engine: Engine,
        loader: Loader,
        validator: Validator | None,
        total: int,
        better: str | None,
        channels_last: bool = False,
    ) -> None:
        """`total` counts steps; `better` is the good end of the metric that `keep.best` names."""
        self.context, self.config, self.method, self.engine = context, config, method, engine
        self.loader, self.validator, self.total, self.better = loader, validator, total, better
        self.channels_last = channels_last
        self.folder = context.folder / "checkpoints"
        self.history = History()
        self.health = Health(context.console)
        self.log_every = 1 if context.debug else config.log_every
        self.best = self._best_curves()
        self.watched = {n for d in method.directions.values() for n in d.nets}
        self.ema: dict[str, AveragedModel] = self._averaged() if config.ema else {}
        self.counted: dict[str, int] = {}
        self.signal: int | None = None

    # ------------------------------------------------------------------------------------------------- the loop

    def resume(self) -> int:
        """Restores the newest complete checkpoint of this folder, if there is one; returns the step to go on from."""
        known = checkpoint.steps(self.folder)
        if known:
            self.restore(self.folder / checkpoint.name_of(known[-1]))
        return self.engine.index

    def restore(self, folder: Path) -> None:
        """Takes over the whole state of a checkpoint directory."""
        self.history = History(**checkpoint.restore(folder, self.engine, self.ema))
        self.counted = {name: self._moves(name) for name in self.ema}

    def run(self) -> None:
        """Trains up to `total` steps. Raises SystemExit(75) after a save when a signal asked to stop."""
        say, device = self.context.console.say, str(self.engine.device)
        start = self.engine.index
        waited, began, saved = 0.0, time.perf_counter(), time.monotonic()
        files: dict[int, str] = {}
        every = max(1, round(self.config.validation.every * self.loader.steps_per_epoch / self.config.accumulate))
        batches = iter(self.loader)
        images = self.config.batch_size * self.config.accumulate
        bar = self.context.console.progress(self.context.stage, self.total * images, start * images, "images")
        shown: dict[str, Any] = {}
        if start == 0 and self.validator is not None:  # what the training started from
            self.validator.load({n: self.engine.nets[n] for n in self.watched})
            for direction in self.method.directions:
                self._picture(direction, 0)
        with _signals(self), torch.autograd.set_detect_anomaly(self.context.debug), bar as progress:
            while self.engine.index < self.total:
                mark = time.perf_counter()
                group = [next(batches) for _ in range(self.config.accumulate)]
                waited += time.perf_counter() - mark
                files[self.engine.index] = ", ".join(k for b in group for keys in b.keys.values() for k in keys)
                ready = [self._to_device(b, device) for b in group]
                self.engine.step(ready, group[0].epoch)
                self._average()
                step = self.engine.index
                last = step == self.total
                check_met(type(self.method).name, self.engine.extra)
                if step % self.log_every == 0 or last:
                    shown = {"step": f"{step}/{self.total}", **self._log(step, files)}
                    files.clear()
                improved = self._validate(step) if step % every == 0 or last else False
                due = self.config.checkpoint.steps and step % self.config.checkpoint.steps == 0
                late = time.monotonic() - saved > 60 * self.config.checkpoint.minutes
                if improved or due or late or last or self.signal:
                    self._save(files)
                    saved = time.monotonic()
                progress.advance(images, **shown)
                if self.signal:
                    say(f"stopped at step {step} of {self.total}, saved; the same command goes on from here")
                    self.loader.close()
                    raise Stopped(75 if self.signal == signal.SIGTERM else 130)
        self.loader.close()
        seconds = time.perf_counter() - began
        done = self.total - start
        if done:
            say(
                f"{done} steps in {seconds:.0f} s, {done * images / seconds:.1f} images/s, "
                f"waiting for data {100 * waited / seconds:.1f} % of the time"
            )
            self.context.tracker.metrics(
                {"images_per_second": done * images / seconds, "data_wait": waited / seconds}, self.total
            )

    def _to_device(self, batch: Batch, device: str) -> Mapping[str, torch.Tensor]:
        ready = to_device(batch, device)
        if self.channels_last:
            ready = {k: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in ready.items()}
        return ready

    # ------------------------------------------------------------------------------------------- what is written

    def _log(self, step: int, files: Mapping[int, str]) -> dict[str, float]:
        self.engine.check_finite(files)
        values = self.engine.read_meters()
        values |= self.health.gradients(step, values)
        self.context.tracker.metrics(values, step)
        self.context.emit("step_finished", step=step, metrics=values)
        return {k: v for k, v in values.items() if "/" not in k}

    def _validate(self, step: int) -> bool:
        """Metrics and grids; True when the watched metric is the best so far."""
        if self.validator is None:
            return False
        self.validator.load({n: self.averaged(n) for n in self.watched})
        scores: dict[str, float] = {}
        for direction in self.method.directions:
            self._picture(direction, step)
            if direction not in self._scored():
                continue
            outputs, real = self.validator.translate(direction)
            self.context.tracker.metrics(self.health.outputs(step, direction, outputs, real), step)
            context = self.validator.context(direction)
            found = evaluate_sets(self.validator.metrics, outputs, real, context) if real else {}
            scores.update({self._curve(direction, k): v for k, v in found.items()})
        self.context.tracker.metrics(scores, step)
        if scores:
            shown = ", ".join(f"{k} {v:.4g}" for k, v in scores.items())
            self.context.console.say(f"step {step}: {shown}")
        # JSON has no infinity, the PSNR of equal images
        told = {k: v if math.isfinite(v) else str(v) for k, v in scores.items()}
        self.history.validations.append({"step": step, **told})
        return self._improved(step, scores)

    def _picture(self, direction: str, step: int) -> None:
        assert self.validator is not None
        picture = self.validator.grid(direction)
        save_picture(self.context.folder / "samples" / direction / f"{step:09d}.png", picture)
        self.context.tracker.image(f"samples/{direction}", picture, step)

    def _scored(self) -> tuple[str, ...]:
        return self.config.validation.directions or tuple(self.method.directions)[:1]

    def _curve(self, direction: str, metric: str) -> str:
        return f"val/{metric}" if direction == next(iter(self.method.directions)) else f"val/{direction}/{metric}"

    def _best_curves(self) -> list[str]:
        """The curves that `keep.best` means: the metric of that name in each direction that is scored."""
        if self.validator is None or self.config.keep.best is None:
            return []
        place = [use.uses for use in self.config.validation.metrics].index(self.config.keep.best)
        name = list(named(self.validator.metrics))[place]
        return [self._curve(direction, name) for direction in self._scored()]

    def _improved(self, step: int, scores: Mapping[str, float]) -> bool:
        found, best = [scores[curve] for curve in self.best if curve in scores], self.history.best
        if not found or any(map(math.isnan, found)):
            return False
        value = min(found) if self.better == "higher" else max(found)  # as good as its worst direction
        known = float(best["value"]) if best else math.nan
        better = best is None or (value > known if self.better == "higher" else value < known)
        if better:
            told = value if math.isfinite(value) else str(value)
            self.history.best = {"metric": self.config.keep.best, "value": told, "step": step}
        return better

    def _save(self, files: Mapping[int, str]) -> None:
        self.engine.check_finite(files)
        self.context.tracker.flush()
        folder = checkpoint.save(self.folder, self.engine, self.ema, vars(self.history))
        kept = checkpoint.steps(self.folder)[-self.config.keep.last :]
        checkpoint.prune(self.folder, [*kept, *([self.history.best["step"]] if self.history.best else [])])
        self.context.emit("checkpoint_saved", step=self.engine.index, folder=folder)

    # ---------------------------------------------------------------------------------------------- the weights

    def _average(self) -> None:
        """Moves the averages of the networks whose player has moved in this step."""
        for name, average in self.ema.items():
            if self._moves(name) != self.counted.get(name, 0):
                self.counted[name] = self._moves(name)
                average.update_parameters(self.engine.nets[name])

    def _moves(self, name: str) -> int:
        """How often the player of a network has moved."""
        return sum(self.engine.players[p].done for p, members in self.method.players.items() if name in members)

    def _averaged(self) -> dict[str, AveragedModel]:
        """Exponential moving averages of the networks that directions name; buffers are copied."""
        average = get_ema_multi_avg_fn(self.config.ema or 0.0)  # type: ignore[no-untyped-call]
        return {n: AveragedModel(self.engine.nets[n], multi_avg_fn=average) for n in sorted(self.watched)}

    def averaged(self, name: str) -> nn.Module:
        """The network that validation and the bundle use: the average where there is one, else the live one."""
        if name in self.ema:
            module = self.ema[name].module
            assert isinstance(module, nn.Module)
            return module
        return self.engine.nets[name]

    def final(self) -> tuple[dict[str, nn.Module], dict[str, Any]]:
        """The networks for the bundle and where they come from: the best checkpoint, else the last state."""
        step, which = self.engine.index, "last"
        if self.history.best and self.history.best["step"] != step:
            step, which = self.history.best["step"], "best"
            checkpoint.restore(self.folder / checkpoint.name_of(step), self.engine, self.ema)
        scores = next((v for v in self.history.validations if v["step"] == step), {})
        info = {
            "weights": which,
            "step": step,
            "ema": bool(self.ema),
            "metrics": {k: float(v) for k, v in scores.items() if k != "step"},
        }
        return {n: self.averaged(n) for n in self.watched}, info


@contextmanager
def _signals(trainer: Trainer) -> Iterator[None]:
    """The first SIGTERM or Ctrl-C asks for a save at the end of the step; a second Ctrl-C interrupts at once."""

    def ask(number: int, _: FrameType | None) -> None:
        if trainer.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        trainer.signal = number
        trainer.context.console.say("stopping after this step; Ctrl-C again stops at once")

    try:
        before: Sequence[Any] = [signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)]
    except ValueError:  # not the main thread: signals belong to somebody else
        yield
        return
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
