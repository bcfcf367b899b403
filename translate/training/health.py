"""The health of the game, measured: gradients that vanish or explode."""

from __future__ import annotations

from collections.abc import Mapping

from translate.contracts import Console

VANISHED = 1e-6
EXPLODED = 1e4


class Health:
    """Warns once per kind of trouble, in words."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.warned: set[str] = set()

    def gradients(self, step: int, values: Mapping[str, float]) -> None:
        """Looks at the mean gradient norms of the last log interval (`grad_norm/PLAYER`)."""
        for name, norm in values.items():
            if not name.startswith("grad_norm/"):
                continue
            player = name.removeprefix("grad_norm/")
            if norm < VANISHED:
                self._warn(
                    f"vanished/{player}",
                    f"step {step}: the gradient of player {player} is nearly zero ({norm:.1e}): it no longer learns",
                )
            elif norm > EXPLODED:
                self._warn(
                    f"exploded/{player}",
                    f"step {step}: the gradient of player {player} is huge ({norm:.1e}); consider `clip: 1`",
                )

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self.warned:
            self.warned.add(kind)
            self.console.warn(text)
