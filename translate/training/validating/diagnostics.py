"""Measures trouble in the game: gradients that vanish, explode or drown each other, and outputs that collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.contracts import Console

VANISHED, EXPLODED = 1e-6, 1e4
COLLAPSED = 0.2
"""Outputs less than this fraction as different from each other as real images are: the usual alarm for collapse."""


def diversity(images: Sequence[Tensor], side: int = 16) -> float:
    """Mean distance between two images of a set, C x H x W each, seen at `side` x `side` pixels."""
    small = torch.stack([F.adaptive_avg_pool2d(image[None].float(), side).flatten() for image in images])
    count = len(small)
    return float(torch.cdist(small, small).sum()) / max(1, count * (count - 1))


class Diagnostics:
    """Adds what it measures to the curves, and warns once per kind of trouble, in words."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.warned: set[str] = set()
        self.alike: set[str] = set()

    def gradients(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """The ratio of the largest to the smallest mean gradient norm of the players (`grad_norm/PLAYER`)."""
        norms = {k.removeprefix("grad_norm/"): v for k, v in values.items() if k.startswith("grad_norm/")}
        for player, norm in norms.items():
            if norm < VANISHED:
                self._warn(
                    f"step {step}: the gradient of player {player} is nearly zero ({norm:.1e}): it no longer learns",
                    player,
                )
            elif norm > EXPLODED:
                self._warn(f"step {step}: the gradient of player {player} is huge ({norm:.1e}); try `clip: 1`", player)
        if len(norms) < 2:
            return {}
        return {"health/gradient_ratio": max(norms.values()) / max(min(norms.values()), 1e-12)}

    def outputs(self, step: int, direction: str, outputs: Sequence[Tensor], real: Sequence[Tensor]) -> dict[str, float]:
        """How different the outputs are from each other, as a fraction of what real images are; not for label maps."""
        if min(len(outputs), len(real)) < 2 or outputs[0].ndim == 2:
            return {}
        ratio = diversity(outputs) / max(diversity(real), 1e-12)
        if ratio >= COLLAPSED:
            self.alike.discard(direction)
        elif direction in self.alike:
            share = f"{ratio:.0%} of the variety of real ones"
            self._warn(f"step {step}: the outputs of {direction} stay nearly alike ({share}): collapse?", direction)
        else:
            self.alike.add(direction)  # once may be the start of a training
        return {f"health/diversity/{direction}": ratio}

    def _warn(self, text: str, subject: str) -> None:
        kind = text.partition(": ")[2].split("(")[0] + subject
        if kind not in self.warned:
            self.warned.add(kind)
            self.console.warn(text)
