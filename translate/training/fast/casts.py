"""The type that autocast gives to what enters a convolution."""

from __future__ import annotations

import torch
from torch import Tensor


def low_type(values: Tensor) -> torch.dtype | None:
    """bf16 or fp16 where autocast is on for the device of these values, else None."""
    kind = values.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
