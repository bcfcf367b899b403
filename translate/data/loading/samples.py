"""Batches for training by step: any of them is a function of (seed, step) alone.

Each side is a stream of draws 0, 1, 2, ...: draw g is image `permutation(seed, side, g // n)[g % n]` of its n images,
so that each image is used equally often on both sides, however unequal they are and whatever the batch size; step s
holds draws s*B to s*B + B - 1. Sides that belong together share one stream and one augmentation; unpaired sides have a
stream and augmentations of their own. An epoch is as many full batches as the larger side fills.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from translate.contracts import IGNORE, Class, DeviceTransform, Image, Labels, Side, Sides, Transform, Vector
from translate.data.dataset import Dataset, normalise, to_tensor
from translate.data.frames import joined_frames, split_frames
from translate.data.loading.resolution import reduced, reduced_by, repeated
from translate.data.transforms import apply
from translate.errors import DataError
from translate.seeding import derive

Array = np.ndarray[Any, Any]

NO_SIDES: Mapping[str, Side] = {}

ORDERS = 8
"""Permutations that are kept for all sides together: the present ones, and some for steps that are asked for out of
order."""


@dataclass(frozen=True)
class Batch:
    """The images of one step, by side of the data, on the CPU.

    They are N x C x H x W, uint8 (8 bits), int32 (16 bits) or float32; frames have a further axis behind N; labels are
    N x H x W, long; classes N, long; vectors N x n, float32. `keys` has the N names of the images of each side.
    """

    step: int
    epoch: int
    images: dict[str, Tensor]
    keys: dict[str, list[str]]

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which a copy to a GPU does not wait."""
        return Batch(self.step, self.epoch, {s: i.pin_memory() for s, i in self.images.items()}, self.keys)


def to_device(batch: Batch, device: str | torch.device, sides: Mapping[str, Side] = NO_SIDES) -> dict[str, Tensor]:
    """The batch on the device as a method gets it: images float32 in [-1, 1], by the range that `sides` state.

    What travels is the narrow integers.
    """
    # A copy from page-locked memory runs beside the device's work; float32 would be four times as much to copy.
    moved = {side: images.to(device, non_blocking=True) for side, images in batch.images.items()}
    return {side: _as_batch(images, sides.get(side, Image())) for side, images in moved.items()}


def _as_batch(values: Tensor, side: Side) -> Tensor:
    """Images in [-1, 1]; label maps (long), classes (long) and vectors as they are."""
    if values.dtype == torch.int64 or isinstance(side, Vector):
        return values
    return normalise(values, side)


def augmented(
    batch: Mapping[str, Tensor], groups: Sequence[Sequence[str]], chain: Sequence[DeviceTransform[Any]], seed: int
) -> dict[str, Tensor]:
    """A batch on the device after all transforms of `chain`; sides of one group share what they draw."""
    done = dict(batch)
    for group in groups:
        for position, transform in enumerate(chain):
            part = {side: done[side] for side in group if side in done}
            done |= transform(part, derive(seed, position, group[0]))
    return done


class Samples:
    """The batches of a dataset by step: `samples[step]`, the same in every process.

    Of processes that train together, each takes `part` (number, of so many): those of a step together are one batch of
    so many times the size, in the same order.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        augment: Sequence[Transform[Any]],
        batch_size: int,
        seed: int,
        sides: Sides | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self.dataset, self.split, self.augment, self.batch_size, self.seed = dataset, split, augment, batch_size, seed
        self.part, self.parts = part
        # A method gets the sides that it asks for; an optional one may not be there.
        wanted = sides or dataset.types
        present = wanted.only([side for side in wanted if side in dataset.sides(split)])
        # A group shares its draws: paired sides show one key and get one geometry, unpaired sides nothing in common.
        # It is led by a side that has all keys.
        self.groups = [sorted(group, key=lambda side: present[side].optional) for group in present.groups]
        self.keys = {group[0]: dataset.keys(split, group[0]) for group in self.groups}
        self._orders: OrderedDict[tuple[str, int], Array] = OrderedDict()
        self._present: dict[str, frozenset[str]] = {}
        if empty := [side for side, keys in self.keys.items() if not keys]:
            raise DataError(f"{dataset.folder}: split {split!r} has no images on side {', '.join(empty)}")

    @property
    def steps_per_epoch(self) -> int:
        """Full batches that the larger side fills, at least one."""
        return max(1, max(len(keys) for keys in self.keys.values()) // (self.batch_size * self.parts))

    def _draws(self, step: int) -> range:
        """The draws of a step: of `parts` batches that lie one behind the other, the one of this part."""
        first = (step * self.parts + self.part) * self.batch_size
        return range(first, first + self.batch_size)

    def __getitem__(self, step: int) -> Batch:
        with self.dataset.seeded(derive(self.seed, "items", step * self.parts + self.part)):
            return self._batch(step)

    def _batch(self, step: int) -> Batch:
        images: dict[str, Tensor] = {}
        keys: dict[str, list[str]] = {}
        for group in self.groups:
            draws = self._draws(step)
            chosen = [self._key(group[0], draw) for draw in draws]
            samples = [self._sample(group, key, draw) for key, draw in zip(chosen, draws, strict=True)]
            for side in group:
                self._check_sizes(side, chosen, [sample[side] for sample in samples])
                images[side] = torch.stack([sample[side] for sample in samples])
                keys[side] = chosen
        return Batch(step, step // self.steps_per_epoch, images, keys)

    def shown_at(self, step: int) -> list[str]:
        """The keys of a step, of each group of sides."""
        draws = self._draws(step)
        keys: list[str] = []
        for group in self.groups:
            keys += [self._key(group[0], draw) for draw in draws]
        return keys

    def first(self, step: int) -> None:
        """Makes the first sample of a step, and forgets it. Errors: DataError."""
        draw = self._draws(step)[0]
        for group in self.groups:
            self._sample(group, self._key(group[0], draw), draw)

    def _key(self, side: str, draw: int) -> str:
        """The key that `side` shows at a draw; sides of one group share their keys."""
        # In cycle c every image of the side is shown once, in an order of its own.
        cycle, place = divmod(draw, len(self.keys[side]))
        if (side, cycle) not in self._orders:
            # Seeded by the cycle, not drawn from a running generator: a worker that starts in the middle agrees.
            rng = np.random.default_rng(derive(self.seed, "order", side, cycle))
            self._orders[side, cycle] = rng.permutation(len(self.keys[side]))
            if len(self._orders) > ORDERS:
                self._orders.popitem(last=False)  # the one that was made first
        return self.keys[side][int(self._orders[side, cycle][place])]

    def _sample(self, group: list[str], key: str, draw: int) -> dict[str, Tensor]:
        """The images of one key of a group, augmented together, and its classes and vectors."""
        types = {side: self.dataset.types[side] for side in group}
        values = {side: self.dataset.value(self.split, side, key) for side in group if is_value(types[side])}
        arrays = {side: self._array(side, key) for side in group if side not in values}
        if not arrays:
            return values
        try:
            # Seeded by the draw, not by the key: the next time the image comes, it is augmented in another way.
            seed = derive(self.seed, "augment", group[0], draw)
            large = {side: repeated(array, reduced_by(types[side])) for side, array in arrays.items()}
            large = joined_frames(apply(self.augment, split_frames(large), seed), types)
            arrays = {side: reduced(array, reduced_by(types[side])) for side, array in large.items()}
        except DataError as error:
            raise DataError(f"{self.dataset.path(self.split, next(iter(arrays)), key)}: {error}") from None
        return {**{side: _sample_tensor(array) for side, array in arrays.items()}, **values}

    def _array(self, side: str, key: str) -> Array:
        """An image, a label map H x W, or frames F x H x W x C."""
        kind = self.dataset.types[side]
        if not isinstance(kind, Labels):
            return self.dataset.array(self.split, side, key)
        if key in self._labelled(side):
            return self.dataset.array(self.split, side, key)[..., 0]
        # Of few labelled images among many: a map of no class, in the size of the image that it belongs to.
        (partner, *_) = [other for other in self.dataset.types.group_of(side) if is_picture(self.dataset.types[other])]
        return np.full(self.dataset.array(self.split, partner, key).shape[:2], IGNORE, np.uint8)

    def _labelled(self, side: str) -> frozenset[str]:
        """The keys of an optional side that has some."""
        if side not in self._present:
            self._present[side] = frozenset(self.dataset.keys(self.split, side))
        return self._present[side]

    def _check_sizes(self, side: str, keys: list[str], tensors: list[Tensor]) -> None:
        """Checks that images can share a batch. Errors: DataError naming two that differ in size."""
        shapes = [tuple(tensor.shape) for tensor in tensors]
        for key, shape in zip(keys, shapes, strict=True):
            if shape != shapes[0]:
                first, other = (self.dataset.path(self.split, side, k) for k in (keys[0], key))
                raise DataError(f"{first} and {other} cannot share a batch: {shapes[0]} and {shape}; add a `resize`")


def is_value(side: Side) -> bool:
    """Whether a key has a value on this side, and no picture."""
    return isinstance(side, Class | Vector)


def is_picture(side: Side) -> bool:
    """Whether a key has one picture of many values on this side."""
    return isinstance(side, Image)


def _sample_tensor(array: Array) -> Tensor:
    """An image C x H x W, frames F x C x H x W, or a label map H x W."""
    return torch.stack([to_tensor(frame) for frame in array]) if array.ndim == 4 else to_tensor(array)
