"""Augmentation of all that critics see, real and fake alike: fixed (Zhao et al. 2020), or as strong as a critic needs
it (Karras et al. 2020, Training Generative Adversarial Networks with Limited Data).

Each critic has a hook in front of it, which changes images during a training step and does nothing at other times. The
draws of a step belong to its images, by their places in the batch: a real image, the fake in its place, and the
condition beside them are changed alike in every call of the step. So features of real and fake images stay comparable,
and a call with two batches joined equals two calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import DataSpec, Frames, Image, Labels, Method
from translate.device import wide_type
from translate.distributed.world import World
from translate.errors import ConfigError, ContractError
from translate.objectives.adversarial import AdversarialLoss
from translate.objectives.objective import watched_scores
from translate.seeding import derive
from translate.training.config import CriticAugmentConfig
from translate.training.critics.library import LibraryChange
from translate.training.critics.players import critic_players
from translate.training.critics.policy import NUMBERS, augment


class CriticAugment:
    """The hooks in front of critics, the draws of the step, and the share `p` of images that each change is made in.

    Its state (`state`, `restore`) is `p`, and with `adapt` the sum and the number of the signs since `p` was last
    moved, three numbers on the device; beside them which critics have been called, and whether any scores were told.
    Draws follow from the seed and the step.
    """

    def __init__(
        self,
        config: CriticAugmentConfig,
        method: Method[Any],
        nets: Mapping[str, nn.Module],
        device: torch.device | str,
        seed: int,
        world: World | None = None,
        transforms: Sequence[LibraryChange] = (),
    ) -> None:
        self.config, self.device, self.seed, self.spec = config, torch.device(device), seed, method.spec
        self.transforms = list(transforms)
        self.world = world or World()
        self.title = f"method {type(method).name}"
        self.players = critic_players(method)
        self.p, self.signs, self.count = (
            torch.full((), value, dtype=wide_type(self.device), device=self.device)
            for value in (config.share(), 0.0, 0.0)
        )
        self._numbers: list[Tensor] = []
        self._seeds: list[list[int]] = []
        self._turn: Tensor | None = None
        self._turn_seeds: list[int] = []
        self.called: set[str] = set()
        self._heard = False
        for player in self.players.values():
            for name in player:
                nets[name].register_forward_pre_hook(_hook(self, name), with_kwargs=True)

    @property
    def active(self) -> bool:
        """Whether a method is taking a step now."""
        return self._turn is not None

    # --------------------------------------------------------------------------------------------------- a step

    def begin(self, index: int, sizes: Sequence[int]) -> None:
        """Draws for step `index`, whose batches have so many images each."""
        # a generator of its own: the draws of the method stay what they are without augmentation
        rng = torch.Generator(self.device).manual_seed(derive(self.seed, "critic_augment", index, 0))
        # of all processes together, each of which has its part of every batch
        joined, place = [size * self.world.size for size in sizes], self.world.rank
        numbers = torch.rand((sum(joined), NUMBERS + len(self.transforms)), generator=rng, device=self.device)
        batches = zip(torch.split(numbers, joined), sizes, strict=True)
        self._numbers = [rows[place * size :][:size] for rows, size in batches]
        starts = [sum(joined[:number]) + place * size for number, size in enumerate(sizes)]
        self._seeds = [
            [derive(self.seed, "critic_augment", index, 1 + start + row) for row in range(size)]
            for start, size in zip(starts, sizes, strict=True)
        ]

    @contextmanager
    def turn(self, batch: int) -> Iterator[None]:
        """While it is open critics see images of this batch of the step changed, and scores are counted."""
        self._turn, self._turn_seeds = self._numbers[batch], self._seeds[batch]
        try:
            with watched_scores(self._count):
                yield
        finally:
            self._turn, self._turn_seeds = None, []

    def end(self, index: int, moved: Sequence[str]) -> None:
        """Ends a step in which these players moved; moves `p` where that is due.

        Errors: ContractError for a critic that was judged with and never called, ConfigError where `adapt` has no
        scores to go by.
        """
        images = sum(map(len, self._numbers)) * self.world.size
        self._numbers, self._seeds = [], []
        judges = [name for name in moved if name in self.players]
        for name in judges:
            if self.called.isdisjoint(self.players[name]):
                raise ContractError(
                    f"critic_augment: {self.title} judges with parts of network {self.players[name][0]!r}, and never "
                    f"calls it as a whole: call nets.{self.players[name][0]}(images), so that the engine sees it"
                )
        adapt = self.config.adapt
        if adapt is None or not judges:
            return
        if not self._heard:
            raise ConfigError(
                f"critic_augment.adapt goes by the scores of real images, and {self.title} has no `objective` that "
                "tells them: set a fixed `p` instead"
            )
        if (index + 1) % adapt.every == 0:
            if self.world.shared:
                self.world.add([self.signs, self.count])
            # r = E sign D(x): 1 where the critic is certain of every real image, 0 where it guesses (equation 1)
            r = self.signs / self.count.clamp(min=1)
            step = adapt.every * images / adapt.images
            self.p.add_(torch.sign(r - adapt.target) * step * (self.count > 0)).clamp_(0, 1)
            self.signs.zero_()
            self.count.zero_()

    def _count(self, losses: AdversarialLoss[Any], real: Tensor, fake: Tensor, loss: Tensor) -> None:
        """Counts on which side of the critic's boundary the scores of real images lie."""
        if self.config.adapt is None:
            return
        boundary = losses.boundary()
        if boundary is None:
            raise ConfigError(
                f"critic_augment.adapt: scores of the objective {losses.name!r} have no boundary between real and "
                "fake; set a fixed `p`, or take another objective"
            )
        self._heard = True
        self.signs.add_(torch.sign(real.detach() - boundary).to(self.signs.dtype).mean())
        self.count.add_(1)

    # ---------------------------------------------------------------------------------------------------- images

    def changed(self, name: str, value: Any) -> Any:
        """The images changed where a value is some, N x C x H x W or frames N x F x C x H x W; else the value."""
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim not in (4, 5):
            return value
        assert self._turn is not None
        flat = value.flatten(1, 2) if value.ndim == 5 else value
        # the images of the batch, again from the first one where two batches are joined
        rows = self._turn[torch.arange(len(flat), device=self.device) % len(self._turn)]
        colours = "colour" in self.config.policy or not all(change.moves for change in self.transforms)
        parts = self._parts(name, flat.shape[1]) if colours else [flat.shape[1]]
        # no autocast: the means of colours are taken in float32
        with torch.autocast(self.device.type, enabled=False):
            images = augment(flat, rows[:, :NUMBERS], self.p, self.config.policy, parts)
            return self._transformed(images, rows[:, NUMBERS:], parts).reshape(value.shape)

    def _transformed(self, images: Tensor, numbers: Tensor, parts: Sequence[int]) -> Tensor:
        """The images with each of `transforms` made where its number is below the share."""
        for place, change in enumerate(self.transforms):
            seeds = [self._turn_seeds[number % len(self._turn_seeds)] + place for number in range(len(images))]
            makes = (numbers[:, place] < self.p)[:, None, None, None]
            changed = change(images.float(), seeds, parts)
            # chosen, not mixed: an image that is left alone keeps its bits
            images = torch.where(makes, changed.to(images.dtype), images)
        return images

    def _parts(self, name: str, channels: int) -> list[int]:
        """The channels of each picture that a critic sees. Errors: ConfigError where they are no pictures alone."""
        parts = pictures(self.spec, channels)
        if parts is None:
            kinds = ", ".join(f"{count}" for count in dict.fromkeys(_channels(self.spec)))
            raise ConfigError(
                f"critic_augment: network {name} of {self.title} sees {channels} channels, which are not pictures of "
                f"{kinds} channels alone, and colour belongs to pictures: set `policy: [translation, cutout]`, "
                "and take no `transforms` that change colours"
            )
        return parts

    # ----------------------------------------------------------------------------------------------------- state

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors, and values for JSON."""
        calls = {"called": sorted(self.called), "heard": self._heard}
        return {"p": self.p, "signs": self.signs, "count": self.count, **calls}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over what a checkpoint kept, or a part of it. A `p` that is fixed is that of the options."""
        self.called.update(state.get("called", ()))
        self._heard = state.get("heard", self._heard)
        if self.config.adapt is not None:
            for name, mine in (("p", self.p), ("signs", self.signs), ("count", self.count)):
                if name in state:
                    mine.copy_(state[name])


def pictures(spec: DataSpec, channels: int) -> list[int] | None:
    """The pictures that lie behind each other in so many channels; None where that cannot be told."""
    each = _channels(spec)
    if channels in each:
        return [channels]
    if channels == sum(each):
        return each
    labels = any(isinstance(side, Labels) for side in spec.sides.values())
    if len(set(each)) == 1 and channels % each[0] == 0 and not labels:
        return [each[0]] * (channels // each[0])
    return None


def _channels(spec: DataSpec) -> list[int]:
    """The channels of each side that is an image."""
    sides = [side for side in spec.sides.values() if isinstance(side, Image | Frames)]
    return [side.channels for side in sides if side.channels is not None]


def _hook(critics: CriticAugment, name: str) -> Any:
    """A plain function, since copies of a network share it and copy bound methods with all that they hold."""

    def hook(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not critics.active:
            return args, kwargs
        critics.called.add(name)
        positional = tuple(critics.changed(name, value) for value in args)
        return positional, {key: critics.changed(name, value) for key, value in kwargs.items()}

    return hook
