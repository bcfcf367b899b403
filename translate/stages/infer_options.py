"""The options of the `infer` stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from translate.stages.image_options import ImageOptions


class InferConfig(ImageOptions):
    """Options of the `infer` stage. The images are a split of its `data`, or those at `input`."""

    split: str | None = None
    """Split of the data to translate; `null` takes `test` where there is one, else `val`."""
    direction: str | None = None
    """Direction of the method, such as `b_to_a`; `null` takes its first."""
    input: Path | None = None
    """Image, folder or pattern to translate instead of a split: `photos/**/*.jpg`."""
    count: PositiveInt | None = None
    """Number of images that a direction without images makes; `null` makes as many as the split of the data has."""
    others: dict[str, str | int | float | tuple[float, ...] | Path] = {}
    """Further inputs of the direction, together with `input`: files (`{exemplar: hat.png}`), classes by name
    (`{class: blond}`), numbers (`{code: [0.5, 1]}`). Classes and numbers may stand here beside a split, too, and then
    count for all of its images."""
    options: dict[str, Any] = {}
    """Options of the direction, such as `{steps: 50}`; `translate models show` lists them."""
    seed: int | None = None
    """Seed of what a model draws: noise, and dropout that stays on; `null` derives it from the pipeline's seed. Equal
    seeds give an image the same answer here, in `translate convert` and in Python."""
    samples: PositiveInt = 1
    """So many answers to each image, where the model draws: `KEY.1.png`, `KEY.2.png`, ..."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the networks' calculations; bf16 is faster on some devices and differs a little."""
    bits: Literal[16] | None = None
    """16 writes 16 bits per channel where the inputs have 8, so that what a network hides below a step of 8 bits
    survives; `null` keeps the bits of each input."""
    pages: Literal["one", "all"] = "one"
    """`all` converts each page or frame of a TIFF, GIF, WebP or PNG, into a file of the same kind; `one` refuses files
    that have several."""
    quality: int = Field(default=95, ge=1, le=100)
    """Quality of JPEG and WebP outputs; 100 is the best and largest."""
