"""One training step: runs a method's generator of Updates and applies each of them to its player.

For every Update, in this order: the method computes its losses (`_next`), they are weighed, summed and differentiated
(`_gradients`), the gradient is clipped and the player's optimizer steps (`_update`). Then the method goes on, and sees
the new weights. Losses, norms and rates stay on the device until somebody asks for them (`read_meters`). A `game` is
what `Method.step` returns for one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Method, Nets, Step, Update
from translate.device import Precision
from translate.distributed.draws import RankGenerator
from translate.distributed.world import World
from translate.errors import ContractError, StageError
from translate.networks import separate_calls
from translate.objectives.objective import watched_answers, watched_scores
from translate.seeding import derive
from translate.training.critics.augment import CriticAugment
from translate.training.extra_losses import BoundLoss
from translate.training.fast.apply import as_they_lie, keep_memory, laid_out, lay_out, use_threads
from translate.training.fast.choice import Choice
from translate.training.fast.convolution import forget_casts
from translate.training.fast.layers import layers_of
from translate.training.fast.variant import Variant
from translate.training.health.critics import Scores
from translate.training.meters import Meters
from translate.training.numerics.generators import seed_global
from translate.training.numerics.norm import total_norm
from translate.training.numerics.precision import autocast
from translate.training.numerics.scaler import LossScale
from translate.training.numerics.stepping import step_where
from translate.training.players import Player
from translate.training.replay.recording import Recording
from translate.training.replay.stepper import shortfall, stepper_of
from translate.training.speed.clock import Clock

# Parts of torch's messages for a graph whose weights have changed, or whose buffers are freed.
_REUSED_GRAPH = ("modified by an inplace operation", "backward through the graph a second time")


class Engine:
    """The networks, the players and the counters of one training.

    All state is in `nets`, the players' optimizers, `meters`, `critic_augment` (what changes images in front of
    critics), `scales` (of the losses in fp16) and the counters `index` (steps that are done) and `Player.done`
    (updates). `extra` are loss terms that the pipeline adds. `world` are the processes that train together, each on its
    part of a step's images: gradients are averaged over them. `choice` is the way to compute; without one it is the
    plain loop's in `precision`, in which `merge` lets `batched` join two calls of a network into one.
    """

    def __init__(
        self,
        method: Method[Any],
        nets: Mapping[str, nn.Module],
        players: Mapping[str, Player],
        *,
        device: str,
        precision: Precision = "fp32",
        seed: int,
        extra: Sequence[BoundLoss] = (),
        merge: bool = True,
        critic_augment: CriticAugment | None = None,
        world: World | None = None,
        choice: Choice | None = None,
    ) -> None:
        self.method = method
        self.title = f"method {type(method).name}"
        self.nets = Nets(nets)
        self.players = dict(players)
        self.extra = list(extra)
        self.device = torch.device(device)
        self.choice = choice or Choice(Variant(precision, merge=merge))
        self.seed = seed
        self.critic_augment = critic_augment
        self.world = world or World()
        self.index = 0
        self.rng = RankGenerator(self.device) if self.world.shared else torch.Generator(self.device)
        self.scales = {name: LossScale(self.device) for name in players}
        self.meters = Meters(self.device)
        self.scores = Scores(self.meters, method)
        self.clock = Clock(self.device)
        self.recording: Recording | None = None
        """What stands for numbers while a step is recorded."""
        self.apply_choice()

    @property
    def precision(self) -> Precision:
        """Number format of the networks' calculations."""
        return self.choice.variant.precision

    def apply_choice(self) -> None:
        """Brings networks, optimizers and threads into the state that `choice.variant` asks for. No value changes."""
        variant = self.choice.variant
        lay_out(self.nets.values(), [player.optimizer for player in self.players.values()], variant.memory_format)
        use_threads(variant.threads)
        self.stepper = stepper_of(variant.step, self)
        keep_memory(variant.layers == "quick" and self.device.type == "cpu")
        self.layers = layers_of(variant, self.nets.values(), self.device)

    def step(self, batches: Sequence[Mapping[str, Tensor]], epoch: int) -> None:
        """One step on one batch, or on k batches in lock-step, which equals their joined batch (gradient accumulation).

        Errors: ContractError where the method breaks the contract.
        """
        # All generators depend on the step alone: a restart at this step draws the same. Dropout draws from torch's
        # global one, and a plugin perhaps from Python's or numpy's.
        seed_global(derive(self.seed, "step", self.index, self.world.rank), self.device)
        self.rng.manual_seed(derive(self.seed, "rng", self.index, self.world.rank))
        if isinstance(self.rng, RankGenerator):
            self.rng.share(derive(self.seed, "rng", self.index, 0), self.world.place)
        step = Step(self.index, epoch, {name: p.done for name, p in self.players.items()}, self.rng)
        batches = [laid_out(batch, self.choice.variant.memory_format) for batch in batches]
        if self.critic_augment:
            self.critic_augment.begin(self.index, [len(next(iter(batch.values()))) for batch in batches])
        if self.stepper is None or not self.stepper.play(batches, step, epoch):
            self.play(batches, step, epoch)
        if self.critic_augment:
            self.critic_augment.end(self.index, [n for n, p in self.players.items() if p.done > step.updates[n]])
            self.meters.add("critic_augment/p", self.critic_augment.p)
        self.index += 1

    def play(self, batches: Sequence[Mapping[str, Tensor]], step: Step, epoch: int) -> None:
        """The game of a step: all updates of all players, once the generators are set."""
        games = [iter(self.method.step(self.nets, batch, step)) for batch in batches]
        try:
            with self.layers.in_place():
                while turn := self._gradients(games):
                    player, finite = turn
                    with self.clock.part("optimizer"):
                        self._update(player, finite, epoch)
        finally:
            # Closing leaves the contexts in which a failed method stopped, in any order: grad mode is set for certain.
            for game in games:
                getattr(game, "close", lambda: None)()
            torch.set_grad_enabled(True)

    # ---------------------------------------------------------------------------------------------- one update

    def _next(self, game: Iterator[Update]) -> Update | None:
        """Runs the method up to its next Update, in autocast, and checks what it left behind."""
        # Autocast ends before the backward pass, which runs in the types of the forward pass by itself. Its cache of
        # weights in half the bits ends with it, so that no update is computed with the weights from before the last.
        forget_casts()
        with autocast(self.device, self.precision), nullcontext() if self.choice.variant.merge else separate_calls():
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
        """The modes of torch that a method must not leave switched at a yield: the engine works in between."""
        kind = self.device.type
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled(kind),
            torch.get_autocast_dtype(kind),
            torch.is_anomaly_enabled(),
        )

    def _gradients(self, games: Sequence[Iterator[Update]]) -> tuple[Player, Tensor] | None:
        """Zeroes, then accumulates the gradients of the games' next Update.

        Returns its player, and on the device whether all losses were finite; None when the games have ended. Each
        game is differentiated before the next one moves, so that one graph is alive at a time.
        """
        names: set[str | None] = set()
        player = None
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for number, game in enumerate(games):
            with self._turn(number), self.clock.part("forward"):
                update = self._next(game)
            names.add(update.player if update else None)
            if len(names) > 1:
                raise ContractError(f"{self.title}: step() plays different players on different batches of one step")
            if update is None:
                continue
            if player is None:
                player = self._player(update)
                for param in player.params:  # not to zero: Adam leaves alone what no loss reaches
                    param.grad = None
            with self._turn(number), self.clock.part("forward"):  # extra losses call critics, too
                total = self._total(player, update)
            finite &= total.detach().isfinite()
            self.scores.lost(player.name, total)
            # the mean over k batches; for one batch no division, which keeps its bits
            with self.clock.part("backward"):
                self._backward(player, total / len(games) if len(games) > 1 else total)
        if player is not None and self.world.shared:
            with self.clock.part("exchange"):
                finite = self.world.average(player.params, finite)
        return None if player is None else (player, finite)

    @contextmanager
    def _turn(self, batch: int) -> Iterator[None]:
        """While it is open scores are metered, and critics see what `critic_augment` makes of this batch's images."""
        changed = self.critic_augment.turn(batch) if self.critic_augment else nullcontext()
        with watched_scores(self.scores.note), watched_answers(self.scores.answer), changed:
            yield

    def _update(self, player: Player, finite: Tensor, epoch: int) -> None:
        """Clips the gradient, sets the learning rate, and steps, unless a loss or the gradient is not finite."""
        grads = [p.grad for p in player.params if p.grad is not None]
        if not grads:
            raise self._idle(player)
        scale = self._scale(player)
        if scale is not None:
            scale.unscale(grads)
        norm = total_norm(grads)  # of all parameters together, before clipping
        if player.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(player.params, player.clip, norm)
        fine = norm.isfinite()
        # in fp16 one that overflows is left out, and is a fault only where a smaller factor is of no help
        left_out = ~fine & scale.can_fall() if scale is not None else None
        self.meters.add(f"grad_norm/{player.name}", norm, left_out)
        self.meters.mark(f"the gradient of player {player.name}", norm, self._now, left_out)
        if self.recording is not None:
            rate = self.recording.rate(player)
        else:
            # filled, not copied: a copy of a number from the CPU waits for the GPU
            rate = torch.full((), player.set_rate(self.index, epoch), device=self.device, dtype=self.meters.wide)
        self.meters.add(f"lr/{player.name}", rate)
        with as_they_lie(player.optimizer):
            step_where(player.optimizer, finite & fine)
        if scale is not None:
            self.meters.add(f"loss_scale/{player.name}", scale.factor)
            scale.update(finite & fine)
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
                vocabulary = ", ".join(self.method.weights)
                raise ContractError(
                    f"{self.title}: loss {name!r} is not in its vocabulary ({vocabulary}); add it to `losses`"
                )
            if not isinstance(value, Tensor) or value.ndim:
                fault = f"has shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is {value!r}"
                raise ContractError(f"{self.title}: loss {name!r} {fault}; a loss is a scalar tensor")
            total = self._add(total, name, self.method.weights[name], value)
            self.meters.follow(f"{player.name}/{name}", value, self._now)
        for bound in self.extra:
            if bound.player != player.name or not bound.published(update.views) or player.done % bound.every:
                continue
            # terms get float32 views, and compute in float32 whatever the precision, unless they ask for autocast
            with autocast(self.device, self.precision if bound.term.autocast else "fp32"):
                total = self._add(total, bound.name, bound.every * bound.weight, bound(update.views))
        if total is None or not total.requires_grad:
            raise self._idle(player)
        return total

    def _idle(self, player: Player) -> ContractError:
        nets = ", ".join(self.method.players[player.name])
        return ContractError(f"{self.title}: the losses of player {player.name} do not depend on its networks ({nets})")

    def _add(self, total: Tensor | None, name: str, weight: float, value: Tensor) -> Tensor | None:
        """The total with one more term, which is metered without its weight."""
        value = value.float()  # bf16 has 8 bits of mantissa: a sum of large and small terms would lose the small ones
        self.meters.add(name, value)
        if weight == 0:  # left out, not multiplied: 0 * inf is not a number, and its graph would be run for nothing
            return total
        self.meters.mark(f"loss {name!r}", value, self._now)
        term = value if weight == 1 else weight * value
        return term if total is None else total + term

    def _backward(self, player: Player, total: Tensor) -> None:
        """Accumulates the gradient of the player's own parameters."""
        # `inputs=`: the generator's loss passes through the discriminator, and must leave no gradient there. So nothing
        # has to be frozen, and networks of several players may stand in one graph.
        scale = self._scale(player)
        try:
            torch.autograd.backward(scale.scaled(total) if scale is not None else total, inputs=player.params)
        except RuntimeError as error:
            self._explain_reuse(error)
            raise

    def _explain_reuse(self, error: RuntimeError) -> None:
        if any(sign in str(error) for sign in _REUSED_GRAPH):
            raise ContractError(
                f"{self.title}: a loss uses a graph from before another player's update. "
                "Recompute after the update what depends on the updated networks, and detach before it what must not"
            ) from error

    @property
    def _now(self) -> int | Tensor:
        """The number of the step."""
        return self.index if self.recording is None else self.recording.index

    def _scale(self, player: Player) -> LossScale | None:
        """The factor of a player's losses, which fp16 has."""
        return self.scales[player.name] if self.precision == "fp16" else None

    # --------------------------------------------------------------------------------------------- observation

    def note(self) -> str:
        """Once: why steps are computed as they come, where the pipeline asks for another way."""
        return shortfall(self.stepper)

    def read_meters(self) -> dict[str, float]:
        """The mean of every loss, gradient norm and rate since the last call: one transfer for all of them. With other
        processes it is that of all, and all of them have to call it."""
        return self.meters.read(self.world)

    def check_finite(self, files: Mapping[int, str]) -> None:
        """Checks all losses and gradients since the start. `files` are names of images by step, where known.

        Errors: StageError naming the first term that was not finite, its step and the images of that step; with other
        processes the first of all, in each of them.
        """
        fault = self.meters.first_fault(files, self.world)
        if fault:
            step, name, where = fault
            raise StageError(
                f"{name} of {self.title} is not finite at step {step}{where}; the weights were not touched by it. "
                "Lower the learning rate, clip gradients (`clip: 1`) or use `precision: fp32`, and look at these images"
            )
