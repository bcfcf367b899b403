"""Checkerboards: peaks of the spectrum of images at the frequencies of the steps in which networks enlarge.

What an enlarging layer repeats every s pixels lies in the spectrum at the multiples of 1 / s alone (Odena et al.,
Deconvolution and Checkerboard Artifacts, Distill 2016), while edges and textures of images fill the frequencies around
them as much. So a peak is measured by its neighbours, and by the same peak of real images, whose textures or blocks of
a compression may have one. Images are C x H x W in [0, 1]; sets are lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STRIDES = (2, 4, 8, 16)
"""Periods in pixels that are looked for: up to four layers of stride two."""
LEAST_PERIODS = 4
"""Periods along each side of an image below which a pattern cannot be told from its content."""
NEAR, FAR = 2, 6
"""Distance of neighbours from a peak in steps of the spectrum: the window spreads a peak over one, and content changes
over many."""
CLEAR = 4.0
"""How many times as much energy as its neighbours a frequency has whose strength counts."""
_LEAST = 1e-9
"""Energy below which neighbours count as empty; the rounding of 8 bits has more."""


@dataclass(frozen=True)
class Spectrum:
    """What a set of images has at the frequencies (j / s, k / s) of a stride s, all F = s * s - 1 but the mean.

    `energy` are the mean squared amplitudes, `around` those of the neighbours, F each. `common` is the mean of the
    complex amplitudes, C x F: what all images have in the same place.
    """

    stride: int
    energy: Tensor
    around: Tensor
    common: Tensor

    @property
    def ratios(self) -> Tensor:
        """The energy as a multiple of that of the neighbours, F."""
        return self.energy / self.around.clamp(min=_LEAST)

    def period(self, place: int) -> int:
        """The period in pixels of a frequency by its place among the F."""
        first = place + 1  # the mean is left out
        return self.stride // math.gcd(self.stride, first // self.stride, first % self.stride)

    def strength(self, chosen: Tensor) -> float:
        """The root mean square of the pattern that frequencies, chosen by F booleans, have beyond their neighbours."""
        return float((self.energy - self.around).clamp(min=0)[chosen].sum() ** 0.5)


@dataclass(frozen=True)
class Pattern:
    """The pattern of a set: `period` in pixels of its clearest frequency, and what that has in energy as a multiple of
    its neighbours (`ratio`), divided by the same of real images where that is more than 1.

    `strength` is the root mean square of the pattern (1 is from black to white), `usual` that of real images at the
    same frequencies. `shape` are the parts, real and imaginary, of what all images have in common there, by frequency.
    """

    period: int
    ratio: float
    strength: float
    usual: float
    shape: dict[str, list[float]]

    def likeness(self, shape: dict[str, list[float]]) -> float:
        """How much the pattern is one of an earlier look: 1 for the same in the same place, near 0 for another."""
        ours = torch.tensor([*self.shape.values()])
        theirs = torch.tensor([shape.get(key, [0.0] * len(parts)) for key, parts in self.shape.items()])
        return float((ours * theirs).sum() / (ours.norm() * theirs.norm()).clamp(min=1e-12))


def checkerboard(images: Sequence[Tensor], real: Sequence[Tensor]) -> Pattern | None:
    """The pattern of images that real ones do not have; None where an image is too small to tell."""
    ours = spectrum(images)
    if ours is None:
        return None
    theirs = spectrum(real, ours.stride) if real else None
    clear = ours.ratios >= CLEAR
    beyond = ours.ratios if theirs is None else ours.ratios / theirs.ratios.clamp(min=1)
    usual = 0.0 if theirs is None else theirs.strength(clear)
    parts = torch.view_as_real(ours.common).permute(1, 0, 2).flatten(1)
    shape = {str(number): parts[number].tolist() for number in clear.nonzero().flatten().tolist()}
    return Pattern(ours.period(int(beyond.argmax())), float(beyond.max()), ours.strength(clear), usual, shape)


def strides_in(side: int) -> list[int]:
    """The strides of which an image whose shorter side has so many pixels has enough periods."""
    return [stride for stride in STRIDES if side >= LEAST_PERIODS * stride]


def spectrum(images: Sequence[Tensor], stride: int | None = None) -> Spectrum | None:
    """What images, at least one, have at the frequencies of a stride, or of the largest of which each of them has
    enough periods; None where they have not."""
    fitting = strides_in(min(min(image.shape[-2:]) for image in images))
    if stride is None and fitting:
        stride = fitting[-1]
    if stride not in fitting:
        return None
    rows = [_peaks(image.float(), stride) for image in images]
    energy, around, common = (torch.stack(each).mean(0) for each in zip(*rows, strict=True))
    return Spectrum(stride, energy, around, common)


def _peaks(image: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Energy, that of the neighbours, and amplitudes of an image, C x H x W; see `Spectrum`."""
    height, width = (size // stride * stride for size in image.shape[-2:])
    amplitudes = _amplitudes(image[..., :height, :width].flatten(0, -3))
    energy = amplitudes.abs().square().mean(0)
    steps = torch.cartesian_prod(torch.arange(stride), torch.arange(stride))[1:]
    # whole periods fit, so that each frequency is one of those of the transform
    rows, columns = steps[:, 0] * (height // stride), steps[:, 1] * (width // stride)
    periods = stride // torch.gcd(torch.gcd(steps[:, 0], steps[:, 1]), torch.tensor(stride))
    down, along = torch.zeros_like(energy[rows, columns]), torch.zeros_like(energy[rows, columns])
    counts = torch.zeros_like(down)
    for distance in range(NEAR, FAR + 1):
        # up to the middle between two peaks of a pattern of this period
        near = (2 * distance * periods <= min(height, width)).float()
        near = near.clamp(min=float(distance == NEAR))
        for step in (-distance, distance):
            down += near * energy[(rows + step) % height, columns]
            along += near * energy[rows, (columns + step) % width]
        counts += 2 * near
    # rows and columns apart, of which the larger counts: horizontal and vertical edges fill one axis alone
    return energy[rows, columns], torch.maximum(down, along) / counts, amplitudes[:, rows, columns]


def _amplitudes(image: Tensor) -> Tensor:
    """The complex amplitude of each frequency, C x H x W."""
    height, width = image.shape[-2:]
    # without a window the border, where left does not meet right, would be spread over all frequencies
    window = torch.outer(torch.hann_window(height), torch.hann_window(width))
    mean = (image * window).sum((-1, -2), keepdim=True) / window.sum()
    amplitudes: Tensor = torch.fft.fft2((image - mean) * window) / window.sum()
    return amplitudes
