"""A small classifier of kinds of images, trained on the spot: it judges outputs where no rule can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import DataError
from translate.seeding import derive

SIDE, BATCH, RATE = 64, 64, 4e-3
"""Images are seen at this many pixels a side at most; the optimizer is Adam with a cosine schedule."""
LEAST_SIDE = 16
"""Pixels of a side that can be halved four times."""


class Classifier:
    """Four times a convolution, batch norm, and the largest of each 2 x 2; then the largest of all places, since an
    attribute may lie anywhere. Classes are numbers of the lists that it was trained on."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        widths = [channels, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
        head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1], classes)]
        self.net = nn.Sequential(*layers, *head)

    def classify(self, images: Sequence[Tensor]) -> list[int]:
        """The class of each image, C x H x W in [0, 1]."""
        classes: list[int] = self.logits(images).argmax(1).tolist()
        return classes

    def logits(self, images: Sequence[Tensor]) -> Tensor:
        """How much speaks for each class of each image, C x H x W in [0, 1]: images x classes."""
        self.net.eval()
        parts: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                batch = [seen(images[n]) for n in range(start, min(start + BATCH, len(images)))]
                alike = len({image.shape for image in batch}) == 1
                parts += [self.net(torch.stack(batch))] if alike else [self.net(image[None]) for image in batch]
        return torch.cat(parts)


def seen(image: Tensor) -> Tensor:
    """C x H x W in [0, 1] to what the classifier looks at: [-1, 1], a square of `SIDE` pixels where it is larger."""
    if image.shape[-2:] != (SIDE, SIDE) and max(image.shape[-2:]) > SIDE:
        image = _square(image)
    return image * 2 - 1


def _stacks(kinds: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """What the classifier looks at of each kind, N x C x H x W; of images of several sizes squares of `SIDE` pixels.

    Errors: DataError for images that it cannot look at.
    """
    rows = [list(map(seen, kind)) for kind in kinds]
    shapes = [tuple(image.shape) for image in chain(*rows)]
    channels, heights, widths = (sorted(set(sizes)) for sizes in zip(*shapes, strict=True))
    if len(channels) > 1:
        raise DataError(f"a classifier cannot compare images of {channels[0]} and {channels[1]} channels")
    if (least := min(heights[0], widths[0])) < LEAST_SIDE:
        raise DataError(f"a classifier needs images of {LEAST_SIDE} pixels a side, and one has {least}")
    if len(heights) > 1 or len(widths) > 1:
        rows = [list(map(_square, kind)) for kind in rows]
    return [torch.stack(kind) for kind in rows]


def _square(image: Tensor) -> Tensor:
    return F.interpolate(image[None], (SIDE, SIDE), mode="area")[0]


@dataclass(frozen=True)
class Tried:
    """A classifier, and for each kind the logits of the images that were held out: images x kinds."""

    classifier: Classifier
    logits: tuple[Tensor, ...]

    @property
    def accuracy(self) -> float:
        """The share of the images that were held out whose kind it told."""
        right = sum(int((logits.argmax(1) == kind).sum()) for kind, logits in enumerate(self.logits))
        return right / sum(map(len, self.logits))


def train_classifier(
    kinds: Sequence[Sequence[Tensor]], *, width: int, epochs: int, seed: int, held_out: float, least: int = 4
) -> tuple[Classifier, float]:
    """A classifier of kinds of images, each C x H x W in [0, 1], and its accuracy on those that were held out: see
    `tried_classifier`."""
    tried = tried_classifier(kinds, width=width, epochs=epochs, seed=seed, held_out=held_out, least=least)
    return tried.classifier, tried.accuracy


def tried_classifier(
    kinds: Sequence[Sequence[Tensor]], *, width: int, epochs: int, seed: int, held_out: float, least: int = 4
) -> Tried:
    """A classifier of kinds of images, each C x H x W in [0, 1], tried on those that were held out.

    `held_out` is the share of each kind that it is not trained on, one image at least. Images of a batch are mirrored
    at random. The global random state is left as it was. Errors: DataError for fewer than `least` images of a kind,
    for images of fewer than 16 pixels a side, and of several numbers of channels.
    """
    if min(len(kind) for kind in kinds) < least:
        raise DataError(f"a classifier needs at least {least} training images of each side")
    images = _stacks(kinds)
    orders = [np.random.default_rng(derive(seed, "held out", n)).permutation(len(x)) for n, x in enumerate(images)]
    cuts = [max(1, round(held_out * len(x))) for x in images]
    training = torch.cat([x[order[cut:]] for x, order, cut in zip(images, orders, cuts, strict=True)])
    counts = [len(x) - cut for x, cut in zip(images, cuts, strict=True)]
    labels = torch.cat([torch.full((count,), n) for n, count in enumerate(counts)])
    with torch.random.fork_rng([]):
        torch.manual_seed(derive(seed, "classifier"))
        classifier = Classifier(training.shape[1], width, len(kinds))
        _fit(classifier.net, training, labels, epochs, np.random.default_rng(derive(seed, "batches")))
    logits: list[Tensor] = []
    for x, order, cut in zip(images, orders, cuts, strict=True):
        logits.append(classifier.logits([image.add(1).div(2) for image in x[order[:cut]]]))
    return Tried(classifier, tuple(logits))


def _fit(net: nn.Module, images: Tensor, labels: Tensor, epochs: int, rng: np.random.Generator) -> None:
    size = min(BATCH, max(8, len(images) // 16))  # enough steps for the running averages
    steps = -(-len(images) // size)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    net.train()
    for chosen in _batches(len(images), size, epochs, rng):
        batch = images[chosen]
        mirrored = torch.from_numpy(rng.random(len(chosen)) < 0.5)
        batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        loss = F.cross_entropy(net(batch), labels[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()


def _batches(count: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[Tensor]:
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(count))
        yield from torch.split(order, size)
