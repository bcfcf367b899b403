"""my-plugin: images seen from above have no up, and are taken in any light."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field
from translate import Config, Transform, hookimpl

translate_contract = ">=2,<3"

Array = np.ndarray[Any, Any]


class MyPluginConfig(Config):
    """The options of the transform. The string below each is its description."""

    light: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """How much darker or brighter images become at most: 0.1 multiplies them by 0.9 to 1.1. 0 leaves them."""


class MyPlugin(Transform[MyPluginConfig]):
    """Turns images by quarters, mirrors half of them, and changes their light; of long ones, only half turns."""

    name = "my-plugin"
    random = True

    def __call__(self, images: dict[str, Array], seed: int) -> dict[str, Array]:
        """Images by side: H x W x C, or label maps H x W. One draw serves all of a call, so that pairs stay pairs."""
        rng = np.random.default_rng(seed)
        height, width = next(iter(images.values())).shape[:2]
        quarters = int(rng.integers(4)) if height == width else 2 * int(rng.integers(2))
        mirrored, gain = rng.random() < 0.5, 1 + self.config.light * rng.uniform(-1, 1)
        turned = {}
        for side, image in images.items():
            moved = np.rot90(image[:, ::-1] if mirrored else image, quarters)
            # A label map holds numbers of classes, not light.
            turned[side] = np.ascontiguousarray(moved if image.ndim == 2 else lit(moved, gain))
        return turned


def lit(image: Array, gain: float) -> Array:
    """The image in brighter or darker light, in its own type of values."""
    brighter = image * np.float32(gain)
    if np.issubdtype(image.dtype, np.floating):
        return brighter
    return np.clip(np.rint(brighter), 0, np.iinfo(image.dtype).max).astype(image.dtype)


@hookimpl
def translate_transforms() -> list[type[Transform[Any]]]:
    return [MyPlugin]
