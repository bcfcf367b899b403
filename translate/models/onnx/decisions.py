"""Tensors that refuse to become Python numbers, with which a method is tried before it is exported.

A graph has no `if` and no `while` that look at values: an exporter that records one pass would hold as a constant what
the method decided for the example.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor


class DecisionError(Exception):
    """A method made a Python value of a tensor's values."""


class Undecided(Tensor):
    """A tensor whose values stay tensors: what is computed from it is one, too. Its shape is told as always."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise DecisionError

    __bool__ = __float__ = __int__ = __index__ = __complex__ = _refuse
    item = tolist = numpy = __array__ = _refuse


def undecided(value: Tensor) -> Tensor:
    """The same tensor as one that refuses."""
    return value.as_subclass(Undecided)


def place_of(error: BaseException) -> str:
    """`file.py:12`: the line of a method, or of a network, that an error comes from."""
    ours, torchs = str(Path(__file__)), str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename != ours and not frame.filename.startswith(torchs):
            return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
    return "an unknown line"
