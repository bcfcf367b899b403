"""Number formats that networks compute in while they are trained."""

from __future__ import annotations

import torch

from translate.device import Precision

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The types of the precisions in which autocast computes."""


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which networks compute in a precision; weights and losses stay in float32."""
    return torch.autocast(device.type, HALVES.get(precision, torch.bfloat16), enabled=precision in HALVES)
