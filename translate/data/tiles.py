"""Cuts large images into tiles, so that a training sees their full detail and reads no more than a tile at a time."""

from __future__ import annotations

from collections.abc import Iterator


def starts(length: int, tile: int, step: int = 1) -> list[int]:
    """Where tiles begin along an axis, evenly spread: as few as cover it, each as long as the axis or `tile`. All are
    multiples of `step` where both lengths are."""
    if length <= tile:
        return [0]
    count = -(-length // tile)
    return [step * round(number * (length - tile) / (count - 1) / step) for number in range(count)]


def windows(key: str, size: tuple[int, int], tile: int, step: int = 1) -> Iterator[tuple[str, tuple[slice, slice]]]:
    """The tiles of an image of `size` (height, width): their keys, which say row and column of the first pixel, and
    their rows and columns. An image that is no larger, or `tile` 0, keeps its key and is one tile."""
    height, width = size
    if not tile or (height <= tile and width <= tile):
        yield key, (slice(0, height), slice(0, width))
        return
    for top in starts(height, tile, step):
        for left in starts(width, tile, step):
            yield f"{key}/{top:05}-{left:05}", (slice(top, top + tile), slice(left, left + tile))
