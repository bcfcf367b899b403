"""The noise of a call: for each image from its own generators, whatever it is batched with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from translate.errors import ContractError
from translate.seeding import derive


def image_key(image: Tensor) -> str:
    """What stands for an image when its noise is drawn: a hash of its values, so that its name and place do not matter.

    Two equal images get equal noise.
    """
    values = image.detach().cpu()
    if values.is_floating_point():
        # On steps of 16 bits, so that the last bits of the arithmetic that made the tensor do not count.
        values = values.float().add(1).mul(32767.5).round().to(torch.int32)
    values = values.contiguous()
    return hashlib.blake2b(values.numpy().tobytes(), digest_size=16).hexdigest()


class SeededDraw:
    """Noise for images of these `seeds`, on a device; see `translate.Draw`."""

    def __init__(self, seeds: Sequence[int], size: tuple[int, int], device: torch.device) -> None:
        self.size, self.device = size, device
        # Generators of the CPU: those of GPUs differ from kind to kind.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self._generators)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise."""
        return self._rows(lambda rng: torch.randn(shape, generator=rng))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers in [low, high)."""
        return self._rows(lambda rng: torch.rand(shape, generator=rng) * (high - low) + low)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to high - 1."""
        return self._rows(lambda rng: torch.randint(high, shape, generator=rng))

    def _rows(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([one(generator) for generator in self._generators]).to(self.device)


class MixedDraw:
    """Noise that mixes the noise of other calls: `mixtures` has the (seed, weight) of what each image is made of.

    Normal noise is summed by weights and brought back to variance 1: with the weights cos t and sin t it goes along the
    arc from one noise to the other, with 1, -1, 1 it is the arithmetic of Radford et al. (ICLR 2016, section 6.3).
    Uniform noise takes the same way through the normal distribution; whole numbers are those of the largest weight.
    """

    def __init__(
        self, mixtures: Sequence[Sequence[tuple[int, float]]], size: tuple[int, int], device: torch.device
    ) -> None:
        self.size, self.device = size, device
        self._parts = [[(SeededDraw([seed], size, device), weight) for seed, weight in parts] for parts in mixtures]

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self._parts)

    def normal(self, *shape: int) -> Tensor:
        """Mixed standard normal noise."""
        return torch.cat([_mixed([(draw.normal(*shape), weight) for draw, weight in parts]) for parts in self._parts])

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Mixed numbers in [low, high)."""
        rows = []
        for parts in self._parts:
            normal = [(torch.special.ndtri(draw.uniform(*shape).clamp(1e-6, 1 - 1e-6)), w) for draw, w in parts]
            rows.append(torch.special.ndtr(_mixed(normal)) * (high - low) + low)
        return torch.cat(rows)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers of the largest weight."""
        rows = []
        for parts in self._parts:
            drawn = [draw.integers(high, *shape) for draw, _ in parts]
            rows.append(drawn[max(range(len(parts)), key=lambda place: abs(parts[place][1]))])
        return torch.cat(rows)


def _mixed(parts: Sequence[tuple[Tensor, float]]) -> Tensor:
    """The weighted sum of independent noise of variance 1, divided so that its variance is 1 again."""
    total = sum(weight**2 for _, weight in parts) ** 0.5
    return torch.stack([noise * (weight / total) for noise, weight in parts]).sum(0)


class NoDraw:
    """Stands in the place of noise for a direction that says it draws none. Errors: ContractError when it draws."""

    def __init__(self, direction: str, count: int, size: tuple[int, int]) -> None:
        self.direction, self.count, self.size = direction, count, size

    def normal(self, *shape: int) -> Tensor:
        """Refuses."""
        raise self._refused()

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Refuses."""
        raise self._refused()

    def integers(self, high: int, *shape: int) -> Tensor:
        """Refuses."""
        raise self._refused()

    def _refused(self) -> ContractError:
        return ContractError(f"direction {self.direction!r} draws noise; say so in its Direction: `draws=True`")


class ZeroDraw:
    """Noise that is zero, with which the cost of a direction is measured."""

    def __init__(self, count: int, size: tuple[int, int], device: torch.device) -> None:
        self.count, self.size, self.device = count, size, device

    def normal(self, *shape: int) -> Tensor:
        """Zeros."""
        return torch.zeros(self.count, *shape, device=self.device)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """The lower end."""
        return torch.full((self.count, *shape), low, device=self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Zeros."""
        return torch.zeros(self.count, *shape, dtype=torch.long, device=self.device)


def seed_of(seed: int, key: str, sample: int) -> int:
    """The seed of an image's noise."""
    return derive(seed, "draw", key, sample)
