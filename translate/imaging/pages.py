"""Files of several pages or frames: all of them in, all of them out."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from translate.errors import DataError
from translate.imaging.encode import held
from translate.imaging.formats.codec import HEAD, Pages, Settings, damaged
from translate.imaging.formats.table import CODECS, codec_of
from translate.imaging.image import LIMITS, Limits
from translate.imaging.metadata.files import described, with_metadata

PAGED = tuple(suffix for codec in CODECS if codec.paged for suffix in codec.suffixes)
"""Suffixes of files that may have several pages or frames, and are written with them, in lower case."""


def pages_in(data: bytes, name: str, *, limits: Limits = LIMITS) -> Pages:
    """All pages or frames of the file in `data`; of a file of one picture this one. Errors: DataError."""
    codec = codec_of(data[:HEAD], name)
    try:
        whole = codec.read_pages(BytesIO(data), data, name, limits)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise damaged(name, codec.name, error) from None
    if codec.name == "tiff":  # whose pages say each its own
        return whole
    return replace(whole, images=tuple(described(image, codec.name, data, 1) for image in whole.images))


def encode_pages(whole: Pages, suffix: str, *, name: str = "image", quality: int = 95, compression: int = 6) -> bytes:
    """The bytes of a file of several pages or frames. Errors: DataError, also for a format that holds one picture."""
    suffix = suffix.lower()
    codec = next((codec for codec in CODECS if codec.paged and suffix in codec.suffixes), None)
    if codec is None:
        count = len(whole.images)
        raise DataError(f"{name}: {count} pages cannot be written as {suffix}; use one of {' '.join(PAGED)}")
    images = tuple(held(image, codec, suffix, name) for image in whole.images)
    try:
        data = codec.write_pages(replace(whole, images=images), name, Settings(quality, compression))
        return data if codec.name == "tiff" else with_metadata(data, codec.name, images[0].metadata)
    except (OSError, ValueError, SystemError) as error:
        raise DataError(f"{name}: {len(images)} pages cannot be written as {suffix}: {error}") from None
