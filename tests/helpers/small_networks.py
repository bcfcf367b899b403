"""Random images and weights for networks, in float64, and a few steps of learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def images(*shape: int, seed: int = 2) -> Tensor:
    """Values from -1 to 1."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def filled(net: nn.Module) -> nn.Module:
    """The network with weights that are not nearly zero."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng, dtype=p.dtype) * (0.5 if p.ndim < 3 else p[0].numel() ** -0.5))
    return net.double()


def fitted(net: nn.Module, inputs: Tensor, targets: Tensor, steps: int, rate: float) -> tuple[float, float]:
    """The squared error before and after some steps of Adam on one small batch."""
    optimizer = torch.optim.Adam(net.parameters(), rate)
    errors = []
    for _ in range(steps):
        error = F.mse_loss(net(inputs), targets)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    return errors[0], errors[-1]
