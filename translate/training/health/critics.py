"""How well a critic tells real from fake, from the scores that its objective computes anyway."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from translate.contracts import Method
from translate.objectives.adversarial import AdversarialLoss
from translate.training.critics.players import critic_players
from translate.training.meters import Meters

ACCURACY, SATURATION, LOSS = "health/critic_accuracy", "health/critic_saturation", "health/critic_loss"
SEPARATION, GAP = "health/critic_separation", "health/critic_gap"
_COMPARED = 256
"""Scores of real and of fake images that are compared, evenly spread where there are more."""


class Scores:
    """Meters each critic's scores on the device; nothing is read from it.

    The accuracy is the mean share of real and of fake images on the right side of the objective's boundary; where it
    has none, as wgan, there is no accuracy. The separation is the share of pairs of a real and a fake score in which
    the real one is on its side of the fake one (the area under the ROC curve): 0.5 for a guess, 1 where a threshold
    tells them all apart. The saturation is 1 - L / L0, L the critic's loss without penalties and L0 that of a critic
    that guesses: 0 for a guess, 1 where nothing is left to learn. Losses without a positive L0, as that of wgan, have
    none, but a gap: the difference between the mean scores of real and of fake images.

    `answered` is whether a generator has had a loss of a critic's scores; others learn by other means.
    """

    def __init__(self, meters: Meters, method: Method[Any]) -> None:
        self.meters = meters
        self.critics = tuple(critic_players(method))
        self.answered = False
        self._guesses: dict[str, float] = {}
        self._signs: dict[str, float] = {}

    def note(self, losses: AdversarialLoss[Any], real: Tensor, fake: Tensor, loss: Tensor) -> None:
        """Takes the raw scores of a critic's images and its loss, as `watched_scores` tells them."""
        with torch.no_grad():
            boundary = losses.boundary()
            if boundary is not None:
                right = (real.detach() > boundary).float().mean() + (fake.detach() < boundary).float().mean()
                self.meters.add(ACCURACY, right / 2)
            guess, sign = self._guess(losses), self._sign(losses)
            above = _compared(sign * real.detach())[:, None] - _compared(sign * fake.detach())
            self.meters.add(SEPARATION, (above.sign().mean() + 1) / 2)
            if guess > 0:
                self.meters.add(SATURATION, 1 - loss.detach() / guess)
            else:
                self.meters.add(GAP, sign * (real.detach().mean() - fake.detach().mean()))

    def answer(self) -> None:
        """Takes note of a generator's loss, as `watched_answers` tells it."""
        self.answered = True

    def lost(self, player: str, total: Tensor) -> None:
        """Takes the weighted sum of a player's losses; that of a critic is metered."""
        if player in self.critics:
            self.meters.add(f"{LOSS}/{player}", total)

    @property
    def told(self) -> bool:
        """Whether an objective has told scores."""
        return bool(self._guesses)

    def _guess(self, losses: AdversarialLoss[Any]) -> float:
        """The loss of a critic that gives all images the score of the boundary; 0 where it cannot be told."""
        key = f"{losses.name} {losses.config!r}"
        if key not in self._guesses:
            scores = torch.full((2, 1), losses.boundary() or 0.0, device="cpu")
            try:
                self._guesses[key] = float(losses.critic(scores, scores))
            except (RuntimeError, ValueError, IndexError):  # scores of another shape
                self._guesses[key] = 0.0
        return self._guesses[key]

    def _sign(self, losses: AdversarialLoss[Any]) -> float:
        """1 where scores of real images are meant to be higher than those of fakes, -1 where they are to be lower: the
        generator's loss falls towards the side of the real ones."""
        key = f"{losses.name} {losses.config!r}"
        if key not in self._signs:
            level = torch.full((2, 1), losses.boundary() or 0.0, device="cpu")
            try:
                low, high = (float(losses.generator(level, level + step)) for step in (-0.1, 0.1))
            except (RuntimeError, ValueError, IndexError):  # scores of another shape
                low, high = 1.0, 0.0
            self._signs[key] = -1.0 if high > low else 1.0
        return self._signs[key]


def _compared(scores: Tensor) -> Tensor:
    flat = scores.float().flatten()
    return flat[:: max(1, len(flat) // _COMPARED)][:_COMPARED]
