"""Pictures for the report: small enough to be inlined, and found for the before / after comparison."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from translate.storage import manifest

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

T = TypeVar("T")

QUALITY = 82


def data_uri(path: Path, longest: int) -> str:
    """An image file as a WebP data URI, its longer side at most `longest` pixels. Errors: DataError."""
    from translate.data.image import encode, read
    from translate.data.pixels import to8

    pixels = read(path).pixels
    pixels = shrink(to8(pixels) if pixels.dtype != "uint8" else pixels, longest)
    return "data:image/webp;base64," + base64.b64encode(encode(pixels, ".webp", quality=QUALITY)).decode()


def shrink(pixels: Array, longest: int) -> Array:
    """H x W x C uint8, shrunk by a whole factor to at most `longest` pixels: each pixel the mean of a block."""
    height, width = pixels.shape[:2]
    factor = min(-(-max(height, width) // longest), height, width)
    if factor <= 1:
        return pixels
    rows, columns = height // factor, width // factor
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, pixels.shape[2])
    means: Array = blocks.mean(axis=(1, 3))
    return means.round().astype("uint8")


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True)
class Pair:
    """A converted picture: the input, the output, and the truth where it is known."""

    name: str
    before: Path
    after: Path
    truth: Path | None


def pairs(folder: Path, most: int) -> Iterator[tuple[str, list[Pair]]]:
    """For each stage of a pipeline's folder that converted a split of its prepared data: its name and some pictures."""
    stages = {path.name: (path, content) for path in _current(folder) if (content := manifest.read(path))}
    data = [path for path, _ in stages.values() if (path / "dataset.json").is_file()]
    for name, (path, content) in sorted(stages.items()):
        facts = {**content, **(content.get("facts") or {})}
        split, source, target = (facts.get(key) for key in ("split", "source_side", "target_side"))
        if not (split and source) or not (path / "images").is_dir():
            continue
        found = []
        for output in spread(sorted((path / "images").rglob("*.png")), most):
            key = output.relative_to(path / "images")
            before = next((f for d in data if (f := d / split / source / key).is_file()), None)
            truth = next((f for d in data if (f := d / split / str(target) / key).is_file()), None)
            if before:
                shown = truth if facts.get("pairs") else None
                found.append(Pair(key.with_suffix("").as_posix(), before, output, shown))
        if found:
            yield name, found


def _current(folder: Path) -> Iterator[Path]:
    """The folders that `<pipeline folder>/<stage>` points at."""
    return (path for path in sorted(folder.iterdir()) if path.is_symlink() and path.is_dir())
