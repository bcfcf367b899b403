"""Frames of animations (GIF, WebP, APNG, AVIF) as Pillow composes them, and animations that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from translate.errors import DataError, UnsupportedError
from translate.imaging.formats.codec import Pages, matching
from translate.imaging.image import FRAMES, Header, Image, Limits
from translate.imaging.pixels import to8

DURATION = 100
"""Milliseconds of a frame that states none, as viewers show it."""


def frames_of(file: ImageFile, kind: str, size: int, name: str, limits: Limits) -> Pages:
    """All frames of an opened file, each as it is shown, with their milliseconds. Errors: DataError (the limits)."""
    count = int(getattr(file, "n_frames", 1))
    width, height = file.size
    if count > FRAMES:
        raise UnsupportedError(f"{name}: more than {FRAMES:,} frames in one file; extract them into files of their own")
    limits.check(Header(kind, width, height, 3, 8, True, "rgb"), size, name)
    if 4 * width * height * count > limits.decoded:
        raise DataError(f"{name}: {count} frames of {width} x {height} pixels are more than {limits.decoded:,} bytes")
    icc = matching(file.info.get("icc_profile"), 3)
    images, durations = [], []
    # An APNG may open with a picture for viewers without animation, which is no frame (APNG, "default image").
    for number in range(1 if getattr(file, "default_image", False) else 0, count):
        file.seek(number)
        file.load()
        array = np.array(file.convert("RGBA"))
        opaque = bool((array[..., 3] == 255).all())
        images.append(Image(np.ascontiguousarray(array[..., :3]), None if opaque else array[..., 3].copy(), icc))
        durations.append(round(file.info.get("duration") or DURATION))
    return Pages(tuple(images), tuple(durations), int(file.info.get("loop", 0 if kind != "gif" else -1)))


def animated(pages: Pages, kind: str, **options: Any) -> bytes:
    """The bytes of an animation; `kind` is Pillow's name of the format."""
    pictures, icc = _pictures(pages.images), pages.images[0].icc
    options |= {"icc_profile": icc} if icc else {}
    out = BytesIO()
    pictures[0].save(
        out,
        kind,
        save_all=True,
        append_images=pictures[1:],
        duration=list(pages.durations) or DURATION,
        **({} if kind == "GIF" and pages.loop < 0 else {"loop": abs(pages.loop)}),
        **options,
    )
    return out.getvalue()


def _pictures(images: Sequence[Image]) -> list[Pillow.Image]:
    """The images for Pillow, all of them with alpha if one of them has it."""
    alpha = any(image.alpha is not None for image in images)
    pictures = []
    for image in images:
        pixels = to8(image.pixels)
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        if alpha:
            plane = np.full(pixels.shape[:2], 255, np.uint8) if image.alpha is None else to8(image.alpha)
            pixels = np.dstack([pixels, plane])
        pictures.append(Pillow.fromarray(pixels))
    return pictures
