"""The norm of a gradient, in whatever order its memory lies, and of one that is not finite."""

from __future__ import annotations

import math

import pytest
import torch

from translate.training.numerics.norm import total_norm


def test_it_is_that_of_torch_in_every_order_of_memory() -> None:
    draw = torch.Generator().manual_seed(0)
    grads = [torch.randn(8, 6, 4, 4, generator=draw), torch.randn(5, generator=draw), torch.tensor(3.0)]
    grads.append(torch.randn(7, 9, generator=draw).t())
    lying = [grads[0].to(memory_format=torch.channels_last), *grads[1:]]
    assert float(total_norm(grads)) == pytest.approx(float(torch.nn.utils.get_total_norm(grads)), rel=1e-6)
    assert float(total_norm(lying)) == pytest.approx(float(total_norm(grads)), rel=1e-6)
    assert total_norm([torch.tensor([3.0, 4.0], dtype=torch.float64)]).item() == 5


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_makes_it_so(value: float) -> None:
    broken = torch.ones(4, 2, 3, 3).to(memory_format=torch.channels_last)
    broken[2, 1, 0, 2] = value
    assert not total_norm([torch.ones(3), broken]).isfinite()
