"""Data that somebody holds in Python: items by number, and the value of each side of an item as a checked tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from translate.contracts import IGNORE, MISSING, Class, Frames, Image, Labels, Side, Vector
from translate.errors import ConfigError, DataError
from translate.text import suggest

SLACK = 1e-3
"""Floats may leave [-1, 1] by so much, as those of an interpolation do."""


@runtime_checkable
class Indexed(Protocol):
    """A list, or a dataset of torch."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...


class Items:
    """The items of a dataset, whose sides are drawn together or apart. `name` is what messages call the data.

    Errors: ConfigError for what has no items by number; DataError naming the item that is wrong.
    """

    def __init__(self, data: Any, name: str = "data") -> None:
        self.name = name
        self._columns: dict[str, Indexed] = {}
        self._rows: Indexed = ()
        if isinstance(data, Mapping):
            self._columns = {str(side): _indexed(values, f"{name}[{side!r}]") for side, values in data.items()}
        else:
            self._rows = _indexed(data, name)
            if not len(self._rows):
                raise ConfigError(f"the {name} has no items")
        if empty := [side for side, values in self._columns.items() if not len(values)]:
            raise ConfigError(f"the {name} has no items on side {empty[0]!r}")
        self._last: tuple[int, Mapping[str, Any], set[str]] | None = None

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the first item."""
        return tuple(self._columns or map(str, self._row(0)))

    def count(self, side: str) -> int:
        """The number of items that have a side."""
        return len(self._columns.get(side, ())) if self._columns else len(self._rows)

    def where(self, index: int, side: str) -> str:
        """`item 3 of the data, side 'input'`."""
        return f"item {index} of the {self.name}, side {side!r}"

    def get(self, index: int, side: str) -> Any:
        """The value of a side as the data has it; None where the item has none.

        One item is asked for once for all of its sides, so that they share what it draws at random; when a side of it
        is asked for again, it is a new draw.
        """
        if self._columns:
            return _item(self._columns[side], index, self.where(index, side)) if side in self._columns else None
        if self._last is None or self._last[0] != index or side in self._last[2]:
            self._last = (index, self._row(index), set())
        _, row, asked = self._last
        asked.add(side)
        return row.get(side)

    def forget(self) -> None:
        """Lets the item go that was asked for last: what it drew belongs to what is over."""
        self._last = None

    def missing(self, index: int, side: str) -> str:
        """The message for an item without a side."""
        if self._columns:
            return f"the {self.name} has no side {side!r}{suggest(side, self._columns) or _listed(self._columns)}"
        row = self._row(index)
        return f"item {index} of the {self.name} has no side {side!r}{suggest(side, row) or _listed(row)}"

    def _row(self, index: int) -> Mapping[str, Any]:
        row = _item(self._rows, index, f"item {index} of the {self.name}")
        if not isinstance(row, Mapping):
            example = "{'input': tensor, 'target': tensor}"
            raise DataError(
                f"item {index} of the {self.name} is a {type(row).__name__}; an item is a mapping of sides to tensors, "
                f"such as {example}"
            )
        return row


def _indexed(data: Any, name: str) -> Indexed:
    """Errors: ConfigError for what has no items by number."""
    if hasattr(data, "dataset") and hasattr(data, "batch_size"):
        raise ConfigError(f"the {name} is a DataLoader, which makes batches itself; give its dataset")
    if isinstance(data, str | bytes) or not isinstance(data, Indexed):
        raise ConfigError(
            f"the {name} is a {type(data).__name__}; data is the folder of a prepared dataset, or has len() and items "
            "by number, as a list or a torch Dataset has"
        )
    return data


def _item(values: Indexed, index: int, where: str) -> Any:
    try:
        return values[index]
    except (IndexError, KeyError) as error:
        raise DataError(f"{where} cannot be read: {type(error).__name__}: {error}; len() says {len(values)}") from error


def _listed(names: Mapping[str, Any]) -> str:
    return f"; it has {', '.join(map(str, names)) or 'none'}"


def picture(value: Any, kind: Image | Frames, where: str) -> Tensor:
    """An image C x H x W, or frames F x C x H x W: uint8, or float32 in [-1, 1]. Errors: DataError."""
    axes = "F x C x H x W" if isinstance(kind, Frames) else "C x H x W"
    tensor = _tensor(value, axes, where)
    if tensor.ndim != len(axes.split(" x ")) or 0 in tensor.shape:
        raise DataError(f"{where}: shape {tuple(tensor.shape)}; an image is {axes}")
    if isinstance(kind, Frames) and len(tensor) != kind.count:
        raise DataError(f"{where}: {len(tensor)} frames, and the method takes {kind.count}")
    if kind.channels is not None and tensor.shape[-3] != kind.channels:
        raise DataError(f"{where}: {tensor.shape[-3]} channels and not {kind.channels}; an image is {axes}")
    if tensor.dtype == torch.uint8:
        return tensor
    if not tensor.is_floating_point():
        raise DataError(f"{where}: values of {tensor.dtype}; images are float in [-1, 1], or uint8 in 0 to 255")
    tensor = tensor.detach().float()
    low, high = float(tensor.min()), float(tensor.max())
    if not (low >= -1 - SLACK and high <= 1 + SLACK):  # `not`, so that nan is refused
        raise DataError(f"{where}: values from {low:.4g} to {high:.4g}; floats are in [-1, 1], and 0 to 255 is uint8")
    return tensor.clamp(-1, 1)


def label_map(value: Any, kind: Labels, where: str) -> Tensor:
    """A map of classes H x W, long. Errors: DataError."""
    tensor = _tensor(value, "H x W", where)
    if tensor.ndim != 2 or tensor.is_floating_point() or tensor.is_complex():
        raise DataError(f"{where}: shape {tuple(tensor.shape)} of {tensor.dtype}; a label map is whole numbers H x W")
    indices, count = tensor.long(), len(kind.classes)
    if wrong := sorted({int(v) for v in np.unique(indices.numpy()) if v != IGNORE and not 0 <= v < count}):
        raise DataError(f"{where}: class {wrong[0]}, and there are {count}, 0 to {count - 1}, and {IGNORE} for none")
    return indices


def class_index(value: Any, kind: Class, where: str) -> int:
    """A class by its index; `MISSING` for None on an optional side. Errors: DataError."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        if value not in kind.names:
            raise DataError(f"{where}: no class {value!r}{suggest(value, kind.names) or f'; there are {kind.names}'}")
        return kind.names.index(value)
    index = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if not isinstance(index, Integral) or isinstance(index, bool):
        raise DataError(f"{where}: a class is its name or its index, not {value!r}")
    number, count = int(index), len(kind.names)
    if not 0 <= number < count and not (kind.optional and number == MISSING):
        raise DataError(f"{where}: class {number}, and there are {count}, 0 to {count - 1}")
    return number


def vector(value: Any, kind: Vector, where: str) -> Tensor:
    """n numbers, float32; not a number for None on an optional side. Errors: DataError."""
    if value is None:
        return torch.full((kind.size or 0,), float("nan"))
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = torch.tensor(value)
    tensor = _tensor(value, "n numbers", where)
    if tensor.ndim != 1 or (kind.size is not None and len(tensor) != kind.size):
        wanted = f"{kind.size} numbers" if kind.size is not None else "a row of numbers"
        raise DataError(f"{where}: shape {tuple(tensor.shape)}; a vector is {wanted}")
    if not bool(tensor.isfinite().all()):
        raise DataError(f"{where}: numbers that are not finite")
    return tensor.detach().float()


def checked(value: Any, kind: Side, where: str) -> Tensor:
    """The value of a side as a tensor of its type. Errors: DataError naming item and side."""
    if isinstance(kind, Labels):
        return label_map(value, kind, where)
    if isinstance(kind, Class):
        return torch.tensor(class_index(value, kind, where))
    if isinstance(kind, Vector):
        return vector(value, kind, where)
    return picture(value, kind, where)


def _tensor(value: Any, axes: str, where: str) -> Tensor:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        raise DataError(f"{where}: is a {type(value).__name__}, not a tensor {axes}")
    return value.cpu()
