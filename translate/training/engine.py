"""One training step: runs a method's generator of Updates and applies each of them to its player.

The rules are those of the contract: autocast around each `next()` and never across an update, terms summed in float32,
`backward(inputs=)` of the player alone, a non-finite total never reaches the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Method, Nets, Step, Update
from translate.device import Precision
from translate.errors import ContractError, StageError
from translate.networks import separate_calls
from translate.seeding import derive
from translate.training.extra_losses import BoundLoss
from translate.training.players import Player

_REUSED_GRAPH = ("modified by an inplace operation", "backward through the graph a second time")


class Engine:
    """The networks, the players and the counters of one training.

    All state is in `nets`, the players' optimizers, `meters` and the counters `index` and `Player.done`. `merge` lets
    `batched` join two calls.
    """

    def __init__(
        self,
        method: Method[Any],
        nets: Mapping[str, nn.Module],
        players: Mapping[str, Player],
        *,
        device: str,
        precision: Precision,
        seed: int,
        extra: Sequence[BoundLoss] = (),
        merge: bool = True,
    ) -> None:
        self.method = method
        self.title = f"method {type(method).name}"
        self.nets = Nets(nets)
        self.players = dict(players)
        self.extra = list(extra)
        self.device = torch.device(device)
        self.precision = precision
        self.seed = seed
        self.merge = merge
        self.index = 0
        self.rng = torch.Generator(self.device)
        self.meters: dict[str, Tensor] = {}
        self.bad: dict[str, Tensor] = {}

    def step(self, batches: Sequence[Mapping[str, Tensor]], epoch: int) -> None:
        """One step on one batch, or on k batches in lock-step, which equals their joined batch (gradient accumulation).

        Errors: ContractError where the method breaks the contract.
        """
        torch.manual_seed(derive(self.seed, "step", self.index, 0))
        self.rng.manual_seed(derive(self.seed, "rng", self.index, 0))
        step = Step(self.index, epoch, {name: p.done for name, p in self.players.items()}, self.rng)
        games = [iter(self.method.step(self.nets, batch, step)) for batch in batches]
        try:
            while found := self._gradients(games):
                self._update(*found, epoch)
        finally:
            for game in games:
                getattr(game, "close", lambda: None)()
            torch.set_grad_enabled(True)
        self.index += 1

    # ---------------------------------------------------------------------------------------------- one update

    def _next(self, game: Iterator[Update]) -> Update | None:
        """Runs the method up to its next Update, in autocast, and checks what it left behind."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with autocast, nullcontext() if self.merge else separate_calls():
            before = self._modes()
            try:
                update = next(game, None)
            except RuntimeError as error:
                self._explain_reuse(error)
                raise
            if self._modes() != before:
                raise ContractError(
                    f"{self.title}: step() yields inside no_grad, inference_mode, autocast or another context; "
                    "close the context before the yield"
                )
        if update is not None and not isinstance(update, Update):
            raise ContractError(
                f"{self.title}: step() yields {type(update).__name__}; it has to yield Update(player, losses)"
            )
        return update

    def _modes(self) -> tuple[Any, ...]:
        kind = self.device.type
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled(kind),
            torch.get_autocast_dtype(kind),
            torch.is_anomaly_enabled(),
        )

    def _gradients(self, games: Sequence[Iterator[Update]]) -> tuple[Player, Tensor] | None:
        """Zero gradients, weigh, sum, backward: the player of the games' next Update and whether its losses are finite.
        None at the end.

        Each game is differentiated before the next one moves, so that one graph is alive at a time.
        """
        names: set[str | None] = set()
        player = None
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for game in games:
            update = self._next(game)
            names.add(update.player if update else None)
            if len(names) > 1:
                raise ContractError(f"{self.title}: step() plays different players on different batches of one step")
            if update is None:
                continue
            if player is None:
                player = self._player(update)
                for param in player.params:
                    param.grad = None
            total = self._total(player, update)
            finite &= total.detach().isfinite()
            self._backward(player, total / len(games) if len(games) > 1 else total)
        return None if player is None else (player, finite)

    def _update(self, player: Player, finite: Tensor, epoch: int) -> None:
        """Clip, finite check, optimizer step."""
        grads = [p.grad for p in player.params if p.grad is not None]
        if not grads:
            raise self._idle(player)
        norm = torch.nn.utils.get_total_norm(grads)
        if player.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(player.params, player.clip, norm)
        self._meter(f"grad_norm/{player.name}", norm)
        self._mark(f"the gradient of player {player.name}", norm)
        rate = player.set_rate(epoch)
        # filled, not copied: a copy of a number from the CPU waits for the GPU
        self._meter(f"lr/{player.name}", torch.full((), rate, dtype=torch.float64, device=self.device))
        self._optimize(player, finite & norm.isfinite())
        player.done += 1

    def _player(self, update: Update) -> Player:
        if update.player not in self.players:
            raise ContractError(
                f"{self.title}: Update names player {update.player!r}; its players are {', '.join(self.players)}"
            )
        if not update.losses:
            raise ContractError(f"{self.title}: an Update of player {update.player} has no losses")
        return self.players[update.player]

    def _total(self, player: Player, update: Update) -> Tensor:
        """The weighted sum of the terms, in float32. A term of weight zero is left out."""
        total: Tensor | None = None
        for name, value in update.losses.items():
            if name not in self.method.weights:
                known = ", ".join(self.method.weights)
                raise ContractError(
                    f"{self.title}: loss {name!r} is not in its vocabulary ({known}); add it to `losses`"
                )
            if not isinstance(value, Tensor) or value.ndim:
                found = f"has shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is {value!r}"
                raise ContractError(f"{self.title}: loss {name!r} {found}; a loss is a scalar tensor")
            total = self._add(total, name, self.method.weights[name], value)
        for bound in self.extra:
            if bound.player == player.name and bound.published(update.views):
                with torch.autocast(self.device.type, enabled=False):
                    total = self._add(total, bound.name, bound.weight, bound(update.views))
        if total is None or not total.requires_grad:
            raise self._idle(player)
        return total

    def _idle(self, player: Player) -> ContractError:
        nets = ", ".join(self.method.players[player.name])
        return ContractError(f"{self.title}: the losses of player {player.name} do not depend on its networks ({nets})")

    def _add(self, total: Tensor | None, name: str, weight: float, value: Tensor) -> Tensor | None:
        value = value.float()
        self._meter(name, value)
        if weight == 0:
            return total
        self._mark(f"loss {name!r}", value)
        term = value if weight == 1 else weight * value
        return term if total is None else total + term

    def _backward(self, player: Player, total: Tensor) -> None:
        try:
            torch.autograd.backward(total, inputs=player.params)
        except RuntimeError as error:
            self._explain_reuse(error)
            raise

    def _explain_reuse(self, error: RuntimeError) -> None:
        if any(sign in str(error) for sign in _REUSED_GRAPH):
            raise ContractError(
                f"{self.title}: a loss uses a graph from before another player's update. "
                "Recompute after the update what depends on the updated networks, and detach before it what must not"
            ) from error

    def _optimize(self, player: Player, finite: Tensor) -> None:
        if self.device.type == "cuda" and getattr(player.optimizer, "_step_supports_amp_scaling", False):
            # torch's own switch of its fused optimizers: skips the step on the device, without a sync
            player.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
            player.optimizer.grad_scale = None  # type: ignore[attr-defined]
            player.optimizer.step()
        elif finite:
            player.optimizer.step()

    # --------------------------------------------------------------------------------------------- observation

    def _meter(self, name: str, value: Tensor) -> None:
        """Sums and counts on the device; fetched at log steps only."""
        value = value.detach().to(self.device, torch.float64)
        if name not in self.meters:
            self.meters[name] = torch.zeros(2, dtype=torch.float64, device=self.device)
        self.meters[name] += torch.stack((value, torch.ones_like(value)))

    def _mark(self, name: str, value: Tensor) -> None:
        """Remembers, on the device, the first step at which `value` was not finite."""
        if name not in self.bad:
            self.bad[name] = torch.full((), -1, dtype=torch.long, device=self.device)
        first = (self.bad[name] < 0) & ~value.detach().isfinite()
        self.bad[name].masked_fill_(first, self.index)  # torch.where would copy the number, and wait for the GPU

    def read_meters(self) -> dict[str, float]:
        """The mean of every loss, gradient norm and rate since the last call: one transfer for all of them."""
        if not self.meters:
            return {}
        values = torch.stack(list(self.meters.values())).tolist()
        names = list(self.meters)
        self.meters = {}
        return {name: total / count for name, (total, count) in zip(names, values, strict=True)}

    def check_finite(self, files: Mapping[int, str]) -> None:
        """Errors: StageError naming the first term that was not finite, its step and the images of that step."""
        if not self.bad:
            return
        steps = torch.stack(list(self.bad.values())).tolist()
        found = [
            (step, order, name) for order, (name, step) in enumerate(zip(self.bad, steps, strict=True)) if step >= 0
        ]
        if found:
            step, _, name = min(found)
            where = f" on {files[step]}" if step in files else ""
            raise StageError(
                f"{name} of {self.title} is not finite at step {step}{where}; the weights were not touched by it. "
                "Lower the learning rate, clip gradients (`clip: 1`) or use `precision: fp32`, and look at these images"
            )
