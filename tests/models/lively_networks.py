"""Networks with random weights that show every mistake of an export."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def lively(nets: Mapping[str, nn.Module]) -> Mapping[str, nn.Module]:
    """Weights under which outputs are far from zero and depend on every input, and norms that are far from idle."""
    for net in nets.values():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            with torch.no_grad():
                if value.ndim > 1:
                    value.normal_(0, 1.5 / max(1, value[0].numel()) ** 0.5)
                elif value.is_floating_point():
                    value.uniform_(0.5, 1.5) if "var" in name or "weight" in name else value.uniform_(-0.3, 0.3)
    return nets
