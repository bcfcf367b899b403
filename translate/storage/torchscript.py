"""Reads the weights of a TorchScript archive (`torch.jit.save`) without its program: nothing of it is compiled or run.

The archive's `data.pkl` describes a tree of modules whose classes are those of the program, `__torch__.*`. Here each of
them is an object that only keeps what it is told; tensors are views of the archive's records, as in `torch.save`.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

DEPTH = 60
"""Levels of modules within modules, at most."""

_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class UnknownNameError(Exception):
    """The name of a class or a function that weights do not need."""


class _Module:
    """Stands for an object of the program: keeps its attributes."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """True where the archive of torch holds a program beside its data."""
    names = [name.partition("/")[2] for name in archive.namelist()]
    return "constants.pkl" in names or any(name.startswith("code/") for name in names)


def is_data(name: str) -> bool:
    """True for the entries of such an archive that hold its tensors: `data.pkl` and the records of `data`."""
    inner = name.partition("/")[2]
    return inner == "data.pkl" or inner.startswith("data/")


def tensors_of(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    """The parameters and buffers by the names that they have in a `state_dict()`; empty where they became constants.

    Errors: UnknownNameError, and whatever the unpickler raises for damaged data.
    """
    path = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    root = _Reader(archive, path.removesuffix("data.pkl")).load()
    state: dict[str, Tensor] = {}
    if isinstance(root, _Module):
        _collect(root, "", state, DEPTH)
    return state


def _collect(module: _Module, prefix: str, state: dict[str, Tensor], depth: int) -> None:
    if not depth:
        raise pickle.UnpicklingError("modules within modules without an end")
    attributes: Mapping[Any, Any] = getattr(module, "attributes", {})
    for name, value in attributes.items():
        if isinstance(value, torch.Tensor):
            state[f"{prefix}{name}"] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", state, depth - 1)


class _Reader(pickle.Unpickler):
    """An unpickler that knows tensors, plain containers and modules of `__torch__`, and looks up no other name."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _DTYPES:
            return name
        functions: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _view,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        }
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return list
        if (module, name) not in functions:
            raise UnknownNameError(f"{module}.{name}")
        return functions[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """The numbers of one record, flat."""
        _, kind, key, _, count = pid
        if key not in self._storages:
            data = self._archive.read(f"{self._root}data/{key}")
            dtype = getattr(torch, _DTYPES[kind])
            flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if len(flat) < count:
                raise pickle.UnpicklingError(f"record {key} is shorter than it should be")
            self._storages[key] = flat
        return self._storages[key]


def _view(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """`torch._utils._rebuild_tensor_v2`; torch refuses a view beyond the end of its storage."""
    return storage.as_strided(tuple(size), tuple(stride), offset)
