"""How long the augmentation of one pair takes, by transform: medians over calls in one thread.

    python tests/benchmarks/augment.py [--size 286] [--calls 300]

Each call gets a seed of its own, as each sample of a training does. The library's own time is that of a transform that
is called again and again without new generators: what is left above it is the price of repeatable draws.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from translate.contracts import TransformUse
from translate.data.transforms import apply
from translate.plugins import Registry

CHAINS: dict[str, list[Any]] = {
    "random-crop and horizontal-flip": [{"uses": "random-crop", "size": 256}, "horizontal-flip"],
    "random-resized-crop": [{"uses": "random-resized-crop", "size": 256}],
    "colour-jitter": ["colour-jitter"],
    "albumentations/HorizontalFlip": ["albumentations/HorizontalFlip"],
    "albumentations/Affine": [{"uses": "albumentations/Affine", "rotate": [-10, 10], "p": 1}],
    "albumentations/GaussNoise": [{"uses": "albumentations/GaussNoise", "p": 1}],
}


def milliseconds(call: Callable[[int], object], calls: int) -> float:
    """The median time of a call, the first ones left out."""
    times = []
    for number in range(calls + 20):
        began = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[20:])


def plain(size: int, calls: int) -> float:
    """The library's own crop and flip of a pair, composed once, with the generators that it has."""
    import albumentations

    compose = albumentations.Compose(
        [albumentations.RandomCrop(256, 256), albumentations.HorizontalFlip()], additional_targets={"target": "image"}
    )
    pair = images(size)
    return milliseconds(lambda _: compose(image=pair["input"], target=pair["target"]), calls)


def images(size: int) -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    return {side: draw.integers(0, 256, (size, size, 3), np.uint8) for side in ("input", "target")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=286)
    parser.add_argument("--calls", type=int, default=300)
    arguments = parser.parse_args()
    registry = Registry([])
    print(f"pairs of {arguments.size} x {arguments.size} pixels, milliseconds a pair")
    for name, uses in CHAINS.items():
        chain = [registry.build(TransformUse.model_validate(use)) for use in uses]
        pair = images(arguments.size)
        took = milliseconds(lambda seed, chain=chain, pair=pair: apply(chain, dict(pair), seed), arguments.calls)
        print(f"{name:34} {took:7.3f}")
    print(f"{'the library alone, crop and flip':34} {plain(arguments.size, arguments.calls):7.3f}")


if __name__ == "__main__":
    main()
