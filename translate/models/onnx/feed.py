"""The noise of a seed for a graph that somebody runs: what the translator itself would draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from translate.errors import ConfigError
from translate.inference.draw import SeededDraw, image_key, seed_of
from translate.inference.padding import padded_size
from translate.models.onnx.exported import exported_of


def onnx_noise(
    file: str | Path, images: np.ndarray[Any, Any] | None = None, *, seed: int = 0, sample: int = 0, count: int = 1
) -> dict[str, np.ndarray[Any, Any]]:
    """The inputs of an exported file that are noise, by name, as `translate.load(...)(images, seed=seed)` draws them.

        session = onnxruntime.InferenceSession("shoes.onnx")
        noise = translate.onnx_noise("shoes.onnx", images, seed=7)
        (output,) = session.run(["output"], {"image": images, **noise})

    `images` are the main input as the graph takes it, but before any padding: N x C x H x W in [-1, 1], or label maps N
    x H x W. The noise of each depends on the seed, on its values and on the number of the `sample`. For a direction
    that makes images from nothing it is that of the samples 0 to `count` - 1. Empty for a file that draws nothing.
    Errors: ConfigError (no such file, no images), DataError (damaged).
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"{file}: there is no such file")
    (facts,) = exported_of([path.read_bytes()], [str(file)], "cpu").facts.directions.values()
    if facts.size is not None:
        keys, size = [str(number) for number in range(sample, sample + count)], facts.size
        seeds = [seed_of(seed, key, 0) for key in keys]
    elif images is None:
        raise ConfigError(
            f"{file}: direction {facts.name!r} converts {facts.main!r}, on which its noise depends: give it"
        )
    else:
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        seeds = [seed_of(seed, image_key(one[None]), sample) for one in tensor]
        size = padded_size((tensor.shape[-2], tensor.shape[-1]), facts.multiple)
    draw = SeededDraw(seeds, size, torch.device("cpu"))
    return {noise.name: noise.drawn(draw).numpy() for noise in facts.noise}
