"""Images and stand-ins for the tests of images and of data."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]


def picture(height: int = 24, width: int = 32, channels: int = 3, dtype: Any = np.uint8, seed: int = 0) -> Array:
    """Random pixels, H x W x C."""
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(seed).integers(0, top + 1, (height, width, channels), dtype=dtype)


def smooth(height: int = 96, width: int = 128) -> Array:
    """A picture that JPEG compresses like a photograph, H x W x 3."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    waves = np.stack([np.sin(x / 9) + np.cos(y / 7), np.sin((x + y) / 11), np.cos(x / 5)], axis=2)
    return np.clip(128 + 60 * waves + noise, 0, 255).astype(np.uint8)


def saved(array: Array, fmt: str, **options: Any) -> bytes:
    """An image file as Pillow writes it; four channels may be `mode="CMYK"`."""
    out, mode = BytesIO(), options.pop("mode", None)
    image = Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    if mode:
        image = Image.frombytes(mode, image.size, array.tobytes())
    image.save(out, fmt, **options)
    return out.getvalue()


def benchmark(name: str) -> ModuleType:
    """A script of `tests/benchmarks`, as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "benchmarks" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for the types of their fields
    spec.loader.exec_module(module)
    return module


class Console:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.tables: list[tuple[str, list[Any]]] = []
        self.count = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def table(self, title: str, columns: Any, rows: Any) -> None:
        self.tables.append((title, list(rows)))

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Any]:
        self.count = done
        yield self

    def advance(self, n: int = 1, **fields: Any) -> None:
        self.count += n


def hash_of(name: str, number: int) -> int:
    return sum(map(ord, name)) * 1000 + number
