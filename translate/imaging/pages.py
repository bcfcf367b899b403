"""Files of several pages or frames: all of them in, all of them out."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from translate.errors import DataError
from translate.imaging.encode import held
from translate.imaging.formats.codec import HEAD, Pages, Settings, damaged
from translate.imaging.formats.table import CODECS, codec_of
from translate.imaging.image import LIMITS, Limits

PAGED = tuple(suffix for codec in CODECS if codec.paged for suffix in codec.suffixes)
"""Suffixes of files that may have several pages or frames, and are written with them, in lower case."""


def pages_in(data: bytes, name: str, *, limits: Limits = LIMITS) -> Pages:
    """All pages or frames of the file in `data`; of a file of one picture this one. Errors: DataError."""
    codec = codec_of(data[:HEAD], name)
    try:
        return codec.read_pages(BytesIO(data), data, name, limits)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise damaged(name, codec.name, error) from None


def encode_pages(whole: Pages, suffix: str, *, name: str = "image", quality: int = 95, compression: int = 6) -> bytes:
    """The bytes of a file of several pages or frames. Errors: DataError, also for a format that holds one picture."""
    suffix = suffix.lower()
    codec = next((codec for codec in CODECS if codec.paged and suffix in codec.suffixes), None)
    if codec is None:
        count = len(whole.images)
        raise DataError(f"{name}: {count} pages cannot be written as {suffix}; use one of {' '.join(PAGED)}")
    images = tuple(held(image, codec, suffix, name) for image in whole.images)
    try:
        return codec.write_pages(replace(whole, images=images), name, Settings(quality, compression))
    except (OSError, ValueError, SystemError) as error:
        raise DataError(f"{name}: {len(images)} pages cannot be written as {suffix}: {error}") from None
