"""The one knob of every adversarial method: which game the two players play."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from translate.contracts import Step, Use
from translate.errors import ConfigError, ContractError
from translate.objectives.adversarial import AdversarialLoss, ObjectiveConfig
from translate.objectives.forms import OBJECTIVES
from translate.objectives.penalties import Critic, precise, zero_centred_penalty

_KNOWN_AS = {
    "vanilla": "non-saturating",
    "gan": "non-saturating",
    "rsgan": "relativistic",
    "ragan": "relativistic-average",
}

Note = Callable[[AdversarialLoss[Any], Tensor, Tensor, Tensor], None]
_watch: ContextVar[Note | None] = ContextVar("watch", default=None)
_answered: ContextVar[Callable[[], None] | None] = ContextVar("answered", default=None)


@contextmanager
def watched_scores(note: Note) -> Iterator[None]:
    """Within it `note` is called whenever a critic's loss is computed, beside those that are told already: with the
    losses, the scores of real and of fake images, and the loss without penalties."""
    outer = _watch.get()

    def both(losses: AdversarialLoss[Any], real: Tensor, fake: Tensor, loss: Tensor) -> None:
        if outer is not None:
            outer(losses, real, fake, loss)
        note(losses, real, fake, loss)

    token = _watch.set(both)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def watched_answers(answered: Callable[[], None]) -> Iterator[None]:
    """Within it `answered` is called whenever a generator's loss is computed from a critic's scores."""
    token = _answered.set(answered)
    try:
        yield
    finally:
        _answered.reset(token)


class Objective(Use):
    """An adversarial objective: `objective: lsgan`, or `objective: {uses: wgan-gp, penalty: 10}`.

    `D` is any function from images, N x C x H x W in [-1, 1], to raw scores of any shape that starts with N: a network,
    or a closure that joins the image with a condition. `uses` names a built-in objective or one of a plugin
    (`acme/softer`); its options, and what they mean, are those of its own Config.
    """

    kind = "objectives"
    default = "lsgan"
    _loss: AdversarialLoss[Any] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _known_as(cls, value: Any) -> Any:
        name = value.get("uses") if isinstance(value, dict) else value
        if isinstance(name, str) and name.lower() in _KNOWN_AS:
            raise PydanticCustomError(
                "objective",
                "there is no objective '{name}'; did you mean '{near}'?",
                {"name": name, "near": _KNOWN_AS[name.lower()]},
            )
        return value

    def ready(self, build: Callable[[Use], Any]) -> Objective:
        """The same with its losses, which may be a plugin's."""
        objective = Objective(uses=self.uses, options=self.options)
        objective._loss = build(self)
        return objective

    @property
    def loss(self) -> AdversarialLoss[Any]:
        """The losses of both players. Errors: ConfigError for options that they do not have, and for a plugin's
        objective in a method that was not built by the engine."""
        if self._loss is not None:
            return self._loss
        if self.uses not in OBJECTIVES:
            raise ConfigError(f"objective {self.uses!r} is no built-in one; a method that uses it is built by `train`")
        kind = OBJECTIVES[self.uses]
        try:
            return kind(kind.Config.model_validate(self.options))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigError(f"objective {self.uses}: {wrong}") from None

    def critic(self, D: Critic, real: Tensor, fake: Tensor, step: Step) -> Tensor:
        """Returns the loss that the critic's side minimises, penalties included; a scalar, float32.

        `real` and `fake` are images, N x C x H x W in [-1, 1]; `fake` is detached here. D is called on the real images
        first, then on the fakes, in two batches. Errors: ContractError where the objective compares images one to
        one and their shapes differ.
        """
        losses = self.loss
        options = losses.config
        fake = fake.detach()
        if losses.paired and real.shape != fake.shape:
            raise ContractError(
                f"{self.uses} compares real and fake images one to one: "
                f"there are {tuple(real.shape)} real and {tuple(fake.shape)} fake ones"
            )
        x, y = self._noisy(real, step), self._noisy(fake, step)
        a, b = precise(D(x)), precise(D(y))
        loss: Tensor = losses.critic(a, b)
        if note := _watch.get():
            note(losses, a, b, loss)
        penalty = losses.penalty(D, x, y, (a, b), step.rng)
        if penalty is not None:
            loss = loss + penalty
        # the number of the step is asked for only where it counts: a step that asks for it cannot be recorded
        if options.lazy == 1 or step.index % options.lazy == 0:
            for weight, images in ((options.r1, x), (options.r2, y)):
                if weight:
                    loss = loss + options.lazy * weight * zero_centred_penalty(D, images)
        return loss

    def generator(self, D: Critic, fake: Tensor, real: Tensor, step: Step) -> Tensor:
        """Returns the loss that the generator's side minimises; a scalar, float32.

        The arguments are those of `critic`, but gradients flow through `fake`. Relativistic objectives alone look at
        `real`. Errors: ContractError where they compare scores one to one and their shapes differ.
        """
        losses = self.loss
        # Not under no_grad, whose casts of D's weights autocast would keep for the fakes; the graph goes with detach().
        a = precise(D(self._noisy(real, step))).detach() if losses.relative else None
        b = precise(D(self._noisy(fake, step)))
        if a is not None and losses.paired and a.shape != b.shape:
            raise ContractError(f"{self.uses} compares scores one to one: {tuple(a.shape)} real, {tuple(b.shape)} fake")
        if answered := _answered.get():
            answered()
        loss: Tensor = losses.generator(b.new_empty(0) if a is None else a, b)
        return loss

    def constrain(self, *critics: nn.Module) -> None:
        """After a critic's update: wgan clips its parameters, all of them, to [-clip, clip]; most do nothing."""
        with torch.no_grad():
            self.loss.constrain(critics)

    def _noisy(self, images: Tensor, step: Step) -> Tensor:
        """Fresh noise at every call (Sonderby et al. 2016; Arjovsky and Bottou 2017)."""
        options: ObjectiveConfig = self.loss.config
        if not options.noise_steps or step.index >= options.noise_steps:
            return images
        sigma = options.noise * (1 - step.index / options.noise_steps)
        draw = torch.randn(images.shape, generator=step.rng, device=images.device, dtype=images.dtype)
        return images + sigma * draw
