"""Random numbers of images that lie in several processes."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.distributed.place import Place


class RankGenerator(torch.Generator):
    """The generator of one process, and beside it one that all processes seed and use alike.

    What is drawn from the generator itself differs from process to process. `per_image` draws from the common one.
    """

    def share(self, seed: int, place: Place) -> None:
        """Seeds the common generator."""
        self.place = place
        self.common = torch.Generator(self.device).manual_seed(seed)


def per_image(count: int, rng: torch.Generator) -> Tensor:
    """A uniform draw from [0, 1) for each of `count` images of a batch: N x 1 x 1 x 1.

    In several processes with batches of one size, each image has the draw that it would have in one process with the
    joined batch: all draw for all images, and each takes its part.
    """
    if not isinstance(rng, RankGenerator):
        return torch.rand((count, 1, 1, 1), generator=rng, device=rng.device)
    joined = torch.rand((count * rng.place.size, 1, 1, 1), generator=rng.common, device=rng.device)
    return joined[count * rng.place.rank :][:count]
