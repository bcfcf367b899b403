"""Networks outside of training: behaviour at test time, and two inputs in one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrize import is_parametrized

from translate.contracts import TestTime

M = TypeVar("M", bound=nn.Module)
_merge: ContextVar[bool] = ContextVar("merge", default=True)


def prepare_for_inference(module: M, test_time: TestTime) -> M:
    """Puts a trained network, in place, into the state in which it converts images; returns it.

    With `test_time.norm == "image"` every batch norm becomes the affine instance norm with the same weights: each image
    is normalised by its own statistics, as train mode does at batch size 1, so that a batch gives what its images give
    one by one. The running averages are gone then: load weights before. With `test_time.dropout` dropout stays on.
    """
    module.eval()
    for parent in list(module.modules()):
        if test_time.dropout and isinstance(parent, _DropoutNd):
            parent.train()
        if test_time.norm == "image":
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, _per_image(child))
    return module


def _per_image(norm: nn.BatchNorm2d) -> nn.InstanceNorm2d:
    same = nn.InstanceNorm2d(norm.num_features, norm.eps, affine=norm.affine, device="meta")
    same.load_state_dict({k: v for k, v in norm.state_dict().items() if k in ("weight", "bias")}, assign=True)
    return same.eval()


@contextmanager
def separate_calls() -> Iterator[None]:
    """Within it `batched` always makes two calls, as a plain training loop does."""
    token = _merge.set(False)
    try:
        yield
    finally:
        _merge.reset(token)


def batched(net: nn.Module, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Returns `net(a), net(b)`, computed in one call where that gives the same result up to rounding.

    It does where each output depends on its own image alone. Two calls are made where the network takes statistics over
    the batch, draws random numbers (dropout) or changes with every call (spectral norm in training), and where
    a and b differ in size.
    """
    if not _merge.get() or a.shape[1:] != b.shape[1:] or not independent(net):
        return net(a), net(b)
    first, second = net(torch.cat((a, b))).split((len(a), len(b)))
    return first, second


def independent(net: nn.Module) -> bool:
    """Says whether each output of a batch depends on its own image alone, and on no random number."""
    return all(_independent(layer) for layer in net.modules())


def _independent(layer: nn.Module) -> bool:
    if isinstance(layer, _BatchNorm):
        return not layer.training and layer.running_mean is not None
    if isinstance(layer, _DropoutNd) or is_parametrized(layer):
        return not layer.training
    return getattr(layer, "batch_independent", True)
