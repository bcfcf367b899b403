"""The spaces that metrics of sets compare in: Inception's features, random convolutions, pixels."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import EvaluationContext
from translate.errors import DataError
from translate.metrics.bootstrap import Drawn
from translate.metrics.features.inception import Inception
from translate.networks.pretrained import published
from translate.networks.pretrained.features import RandomFeatures, RandomFeaturesConfig
from translate.storage.untrusted import read_tensors

BATCH = 16
"""Images that go through a network together, at most; those of several sizes go in smaller groups."""


SEEN = 64
"""The side in pixels of what random convolutions look at."""


class Space(ABC):
    """Turns images C x H x W in [0, 1] into vectors. Sets that stay alive keep theirs, so that several metrics of one
    evaluation compute them once."""

    name: ClassVar[str]
    """What the space is called in tables and notes."""
    sees: ClassVar[str]
    """The features, and the size, the cut and the range of what they are computed of, in words."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Sequence[Tensor], Tensor] = weakref.WeakKeyDictionary()

    @abstractmethod
    def batch(self, images: Tensor) -> Tensor:
        """N x C x H x W in [0, 1] to N x D."""

    @abstractmethod
    def to(self, device: str) -> None:
        """Moves what computes to a device."""

    def fetch(self) -> None:  # noqa: B027
        """Brings what the space cannot compute without; nothing by default. Errors: ConfigError, DataError."""

    def vectors(self, images: Sequence[Tensor]) -> Tensor:
        """The vectors of a set, N x D, float32 on the CPU. Errors: DataError for an empty set."""
        if isinstance(images, Drawn):
            # a set that was drawn from another one has the vectors of that one, some of them several times
            return self.vectors(images.items)[torch.tensor(images.places)]
        if not len(images):
            raise DataError("there are no images to compare")
        try:
            known = self._known.get(images)
        except TypeError:  # lists cannot be kept by what they are
            return self._computed(images)
        if known is None or len(known) != len(images):
            known = self._computed(images)
            self._known[images] = known
        return known

    def of_both(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> tuple[Tensor, Tensor]:
        """The vectors of outputs and references, on the device that the context names."""
        if context is not None:
            self.to(context.device)
        return self.vectors(outputs), self.vectors(references)

    def _computed(self, images: Sequence[Tensor]) -> Tensor:
        rows: list[Tensor] = []
        waiting: list[Tensor] = []
        with torch.no_grad():
            for place in range(len(images)):
                image = images[place]
                if waiting and (image.shape != waiting[0].shape or len(waiting) == BATCH):
                    rows.append(self.batch(torch.stack(waiting)).float().cpu())
                    waiting = []
                waiting.append(image)
            rows.append(self.batch(torch.stack(waiting)).float().cpu())
        return torch.cat(rows)


@cache
def shared(kind: type[Space], *arguments: Any) -> Space:
    """The one space of a kind for all metrics that ask for the same, so that they share the vectors of a set."""
    return kind(*arguments)


def standardised(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors of two sets, each number in parts of its deviation over both together, so that all of them count."""
    both = torch.cat([a, b]).double()
    scaled = (both - both.mean(0)) / both.std(0).clamp(min=1e-9)
    return scaled[: len(a)], scaled[len(a) :]


def in_colour(images: Tensor) -> Tensor:
    """N x 1 or 3 x H x W with three channels. Errors: DataError for other numbers of them."""
    if images.shape[1] not in (1, 3):
        raise DataError(f"this metric looks at grey or colour images, not at {images.shape[1]} channels")
    return images.expand(-1, 3, -1, -1)


class Pixels(Space):
    """The pixels themselves, of the image averaged to `side` x `side`."""

    name = "pixels"
    sees = "the pixels of the whole image averaged to a small square, 16 x 16 by default, values in [0, 1]"

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        self.side = side

    def to(self, device: str) -> None:
        """Stays on the CPU, where the images are."""

    def batch(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, self.side).flatten(1)


class RandomConvolutions(Space):
    """The mean and the deviation of each channel of `random-features`: 896 numbers that know colours, textures and
    sharpness, and no objects. They see the image averaged to 64 x 64 pixels, and the 64 x 64 pixels in its middle."""

    name = "random convolutions"
    sees = (
        f"random convolutions, 896 numbers, of the whole image averaged to {SEEN} x {SEEN} pixels and of the "
        f"{SEEN} x {SEEN} in its middle, values in [-1, 1]"
    )

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.net = RandomFeatures(RandomFeaturesConfig(seed=seed), in_channels=3)
        self.device = "cpu"

    def to(self, device: str) -> None:
        self.device = device
        self.net.to(device)

    def batch(self, images: Tensor) -> Tensor:
        coloured = in_colour(images)
        height, width = images.shape[-2:]
        top, left = max(0, (height - SEEN) // 2), max(0, (width - SEEN) // 2)
        middle = coloured[..., top : top + SEEN, left : left + SEEN]
        numbers: list[Tensor] = []
        for seen in (F.adaptive_avg_pool2d(coloured, SEEN), middle):
            for features in self.net(seen.to(self.device) * 2 - 1):
                numbers += [features.mean((2, 3)), features.std((2, 3), correction=0)]
        return torch.cat(numbers, 1)


class InceptionSpace(Space):
    """The last features of Inception, 2048 numbers, of images rounded to 8 bits.

    `weights` is the published file; without it, it is downloaded at the first use, 91 MB. Errors at the first use:
    ConfigError (no such file), DataError (another file, no network).
    """

    name = "Inception"
    sees = (
        "the last pooling of Inception, 2048 numbers, of the whole image in 8 bits, brought to 299 x 299 pixels as "
        "TensorFlow 1 did"
    )

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.weights = weights
        self.device = "cpu"

    def to(self, device: str) -> None:
        self.device = device

    @cached_property
    def net(self) -> nn.Module:
        """The network with its weights, read when it is first asked for."""
        path = published.INCEPTION.path(self.weights)
        net = Inception().eval().requires_grad_(False)
        try:
            net.load_state_dict(read_tensors(path), strict=True)
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise DataError(f"{path}: not the weights of Inception that FID is defined by: {reason}") from None
        return net

    def fetch(self) -> None:
        _ = self.net

    def batch(self, images: Tensor) -> Tensor:
        net = self.net.to(self.device)
        whole = in_colour(images).mul(255).round().clamp(0, 255)
        vectors: Tensor = net(whole.to(self.device))
        return vectors
