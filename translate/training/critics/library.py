"""Kornia's augmentations as changes of what critics see: differentiable, on the device, drawn for each image.

An image is changed by itself, with draws that follow from its seed: so the fake in the place of a real image, and a
picture behind another one, are changed alike, however many images a call has.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from translate.contracts import Components, DeviceTransformUse
from translate.data.kornia_adapter import Kornia, drawing
from translate.errors import ConfigError
from translate.networks.kornia_functions import augmentations

_TRIED = (64, 96)
"""Height and width of the image that a change is tried with where those of the data are not known."""
_DRAWS = 4
"""Draws that are tried: some change nothing now and then."""
_ROUNDING = 1e-3
"""By how much a sum of two changed images may differ from the changed sum."""


class LibraryChange:
    """An augmentation of kornia that is made in every image that it gets; who gets it is decided outside.

    What moves pixels (`moves`) takes images of any channels in [-1, 1], and zeros, which are grey, come in. What
    changes colours takes each picture of an image by itself, in [0, 1].
    """

    def __init__(self, transform: Kornia, name: str) -> None:
        self.name = name
        self.module = copy.deepcopy(transform.module)
        self.module.p = self.module.p_batch = 1.0
        self.moves = isinstance(self.module, augmentations().GeometricAugmentationBase2D)
        self.affine = self.moves and self._is_affine()

    def __call__(self, images: Tensor, seeds: Sequence[int], parts: Sequence[int]) -> Tensor:
        """Images N x C x H x W, float32, each changed with the draws of its seed; `parts` are the channels of the
        pictures that lie behind each other. Errors: ConfigError where the library cannot take them."""
        return torch.cat([self._one(image[None], seed, parts) for image, seed in zip(images, seeds, strict=True)])

    def resizes(self, image: Tensor) -> bool:
        """Whether it makes another size of an image."""
        with torch.no_grad():
            return self._drawn(image, 0).shape != image.shape

    def _one(self, image: Tensor, seed: int, parts: Sequence[int]) -> Tensor:
        def apply(values: Tensor) -> Tensor:
            return self._drawn(values, seed)

        if self.affine:
            changed: Tensor = _Affine.apply(image, apply)  # type: ignore[no-untyped-call]
        elif self.moves:
            changed = apply(image)
        else:
            pictures = torch.split((image + 1) / 2, list(parts), 1)
            changed = torch.cat([apply(picture) for picture in pictures], 1) * 2 - 1
        if changed.shape != image.shape:
            raise ConfigError(
                f"critic_augment: {self.name} makes {_size(changed)} pixels of {_size(image)}, and critics see images "
                "of one size: set its size to that of the images, or leave it out"
            )
        return changed

    def _drawn(self, values: Tensor, seed: int) -> Tensor:
        """One image with the draws of a seed."""
        try:
            with drawing(seed):
                params = self.module.forward_parameters(values.shape)
            changed: Tensor = self.module(values, params=params)
        except Exception as error:  # the library checks with assertions and exceptions of its own
            what = f"an image of {values.shape[1]} channels and {_size(values)} pixels"
            raise ConfigError(f"critic_augment: {self.name} cannot take {what}: {error}") from None
        return changed

    def _is_affine(self) -> bool:
        """Whether pixels of the output are sums of those of the input, and of a constant."""
        rng = torch.Generator().manual_seed(0)
        a, b = (torch.rand((1, 3, *_TRIED), generator=rng) for _ in range(2))
        try:
            of_sum, of_a, of_b, of_none = (self._drawn(x, 0) for x in (a + b, a, b, torch.zeros_like(a)))
        except ConfigError:
            return False
        return bool((of_sum + of_none - of_a - of_b).abs().max() < _ROUNDING)


class _Affine(torch.autograd.Function):
    """A change that moves pixels, with derivatives of any order, which penalties of the critic's slope need: torch has
    the first one of its sampling of grids alone. The derivative is the transpose, and that of it the change again."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.change, ctx.shape = apply, image.shape
        return apply(image)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        moved: Tensor = _Transpose.apply(slopes[0], ctx.change, ctx.shape)  # type: ignore[no-untyped-call]
        return moved, None


class _Transpose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, slope: Tensor, apply: Callable[[Tensor], Tensor], shape: torch.Size) -> Tensor:
        ctx.change, ctx.shape = apply, shape
        with torch.enable_grad():
            image = slope.new_zeros(shape).requires_grad_()
            (moved,) = torch.autograd.grad(apply(image), image, slope)
        return moved

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        changed: Tensor = _Affine.apply(slopes[0], ctx.change)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            constant = ctx.change(slopes[0].new_zeros(ctx.shape))
        return changed - constant, None, None


def library_change(
    use: DeviceTransformUse, registry: Components, size: tuple[int, int] | None = None, channels: int = 3
) -> LibraryChange:
    """The change that a pipeline names, tried on an image of the `size` of the data, where that is known.

    Errors: ConfigError for what is not of kornia, has a `p` of its own, is not differentiable twice, or changes the
    size.
    """
    transform = registry.build(use)
    if not isinstance(transform, Kornia):
        raise ConfigError(f"critic_augment: {use.uses} is none of kornia's augmentations, whose gradient is known")
    if "p" in use.options:
        raise ConfigError(f"critic_augment: `p` of {use.uses} is not set: the share is the `p` of critic_augment")
    change = LibraryChange(transform, use.uses)
    image = torch.rand((1, channels, *(size or _TRIED)), generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    if size is None and change.resizes(image):
        return change  # it asks for a size, of which more can be said when that of the images is known
    if not any(_slope(change, image, seed) for seed in range(_DRAWS)):
        raise ConfigError(
            f"critic_augment: {use.uses} has no gradient, so that a generator would learn nothing from it: leave it out"
        )
    return change


def _slope(change: LibraryChange, image: Tensor, seed: int) -> bool:
    """Whether a changed image has a slope by the image that is some and finite, and a slope of that can be had."""
    x = image.clone().requires_grad_()
    changed = change(x, [seed], [x.shape[1]])
    if not changed.requires_grad:
        return False
    try:
        (slope,) = torch.autograd.grad(changed.square().sum(), x, create_graph=True, allow_unused=True)
        if slope is None or not slope.isfinite().all() or not slope.any():
            return False
        torch.autograd.grad(slope.square().sum(), x, allow_unused=True)
    except RuntimeError:
        return False
    return True


def _size(images: Tensor) -> str:
    return f"{images.shape[-2]} x {images.shape[-1]}"
