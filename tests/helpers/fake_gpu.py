"""A GPU without values: its tensors have shapes and types, and whatever would wait for it is noted.

It is torch's device `meta`, which computes nothing, so that a step takes milliseconds and needs no GPU. Reading a
number, copying to the processor, and copying from memory that is not pinned all wait until the work before is done.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
aten = torch.ops.aten
SIZES = (aten.nonzero.default, aten.masked_select.default, aten._unique2.default, aten.unique_consecutive.default)
"""Operations with outputs whose size depends on values."""
LISTS = (torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor)
"""Functions that make a tensor of numbers on the processor, and copy it to its device themselves."""


class FakeGenerator(torch.Generator):
    """A generator that says it is the GPU's."""

    def __new__(cls, device: Any = None) -> Any:
        return super().__new__(cls, "cpu")

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE


class _Lists(TorchFunctionMode):
    """Sees the calls of `LISTS`, which a dispatch mode does not see."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        values = args[func is torch.Tensor.new_tensor :]
        copied = self.waits._holds(made) and not any(map(self.waits._holds, values))
        if func in LISTS and copied and self.waits.device == DEVICE:
            self.waits._note(func.__name__)
        return made


class Waits(TorchDispatchMode):
    """Notes each operation that would wait for the GPU: `places` has the line of the code that asked for it, and what
    it called.

    `device` plays the GPU. With the processor itself, which is quicker, numbers that are read are noted, and no copies.
    """

    def __init__(self, device: torch.device = DEVICE) -> None:
        super().__init__()
        self.device = device
        self.places: list[str] = []
        self._lists = _Lists(self)

    def __enter__(self) -> Any:
        self._lists.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._lists.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default and self._holds(args[0]):
            self._note(func)
            if self.device == DEVICE:
                return 1.0 if args[0].dtype.is_floating_point else 1
        if func in SIZES or (func is aten.index.Tensor and any(_is_mask(index) for index in args[1])):
            self._note(func)
        if func is aten._to_copy.default and kwargs.get("device") is not None:
            there = torch.device(kwargs["device"]).type == self.device.type
            if there != self._holds(args[0]):
                if not kwargs.get("non_blocking"):
                    self._note(func)
                if not there:
                    return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if func is aten.copy_.default and args[2:] != (True,) and self._holds(args[0]) != self._holds(args[1]):
            self._note(func)
        return func(*args, **kwargs)

    def _holds(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.device.type == self.device.type

    def _note(self, func: Any) -> None:
        """Notes the innermost line of this repository that is under way."""
        stack = traceback.extract_stack()
        frame = [f for f in stack if "/site-packages/" not in f.filename and f.filename != __file__][-1]
        place = "/".join(frame.filename.split("/")[-2:])
        self.places.append(f"{place}: {frame.line} ({func})")


def _is_mask(index: Any) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _autocast(kind: str, dtype: torch.dtype | None = None, **options: Any) -> Any:
    """There is none for the fake GPU, and no type decides what waits."""
    return nullcontext() if kind == DEVICE.type else torch.amp.autocast_mode.autocast(kind, dtype, **options)


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """torch's own on a processor, where it looks whether labels are in the range; on a GPU it does not."""
    return (labels[..., None] == torch.arange(classes, device=labels.device)).long()


@contextmanager
def fake_gpu() -> Iterator[None]:
    """While it is open, the engine takes the device `meta` for a GPU of CUDA, and generators are made for it."""
    with (
        mock.patch.object(torch, "Generator", FakeGenerator),
        mock.patch("translate.training.numerics.stepping.GPUS", ("meta",)),
        mock.patch.object(torch, "autocast", _autocast),
        mock.patch.object(torch, "is_autocast_enabled", lambda kind: False),
        mock.patch.object(torch, "get_autocast_dtype", lambda kind: torch.bfloat16),
        mock.patch("torch.optim.adam._get_capturable_supported_devices", lambda **_: ["meta"]),
        mock.patch("torch.optim.nadam._get_capturable_supported_devices", lambda **_: ["meta"]),
        mock.patch("torch.optim.rmsprop._get_capturable_supported_devices", lambda **_: ["meta"]),
    ):
        yield
