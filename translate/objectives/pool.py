"""The history of fakes that a critic learns from (Shrivastava et al. 2017, section 2.3; CycleGAN, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from translate.errors import ContractError


class ImagePool(nn.Module):
    """Keeps up to `size` images in buffers, so that they are saved and moved like weights; size 0 keeps none.

    A conditional critic pools condition and image joined along the channels, never the image alone.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, channels, height, width))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def query(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Returns the images, N x C x H x W, with some replaced by images of the history; detached.

        One image after the other: while the pool fills, an image is stored and returned; later, with probability 1/2
        a random stored one is returned and replaced by it, else it is returned and not stored.

        Errors: ContractError for images of another size or number of channels than the pool's.
        """
        if self.size == 0:
            return images.detach()
        if images.shape[1:] != self.images.shape[1:]:
            raise ContractError(
                f"the image pool holds images of {tuple(self.images.shape[1:])} (channels, height, width), "
                f"not of {tuple(images.shape[1:])}"
            )
        swap = torch.rand(len(images), generator=rng, device=images.device) < 0.5
        slot = torch.randint(self.size, (len(images),), generator=rng, device=images.device)
        return torch.cat([self._exchange(*each) for each in zip(images.unsqueeze(1).unbind(), swap, slot, strict=True)])

    def _exchange(self, image: Tensor, swap: Tensor, slot: Tensor) -> Tensor:
        """Tensor operations only: nothing here waits for the device or depends on a value in Python."""
        full = self.count == self.size
        place = torch.where(full, slot, self.count).view(1)
        stored = self.images.index_select(0, place)
        incoming = image.detach().to(stored.dtype)
        self.images.index_copy_(0, place, torch.where(full & ~swap, stored, incoming))
        self.count += ~full
        return torch.where(full & swap, stored, incoming).to(image.dtype)
