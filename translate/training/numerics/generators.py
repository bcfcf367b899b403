"""The generators that belong to nobody, from which dropout and perhaps a plugin draws."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_global(seed: int, device: torch.device) -> None:
    """Sets the global generators of torch, numpy and Python to `seed`, a number of 63 bits.

    What a training on `device` draws from torch is what it would draw after `torch.manual_seed`.
    """
    if device.type == "cpu":
        # Not torch.manual_seed, which notes a stack trace for each kind of GPU that is not in use: a millisecond.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
