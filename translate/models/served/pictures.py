"""Pictures in requests and answers: the file of an image as base64 text or bytes, and in Python arrays as well."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from translate.errors import ConfigError
from translate.imaging.io import Image, decode, encode

_ADDRESS = re.compile(r"data:[\w/+.-]*;base64,")
"""What browsers put in front of base64."""
_TEXT = re.compile(rb"[A-Za-z0-9+/=\s]+")


def is_missing(value: Any) -> bool:
    """Whether a cell of a table is empty: None, or the NaN that stands for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def picture(value: Any, name: str, *, labels: bool = False) -> Any:
    """The image in a cell: text is base64 of a file of any format that is read, bytes are such a file. With `labels` it
    holds classes. Anything else is taken for an image that Python holds, and comes back in the same form.

    `name` is what errors call it. Errors: ConfigError, DataError.
    """
    if isinstance(value, list | tuple) and not _is_array(value):
        return [picture(each, f"{name}, frame {number}", labels=labels) for number, each in enumerate(value)]
    if isinstance(value, list | tuple):
        return np.asarray(value, np.uint8)
    if not isinstance(value, str | bytes | bytearray | memoryview):
        return value
    return decode(_file(value, name), name, indices=labels)


def answer(value: Any, name: str) -> Any:
    """A result for a cell: the PNG of an image as base64 text, everything else as it is. Errors: DataError."""
    if isinstance(value, Image):
        return base64.b64encode(encode(value, ".png", name=name)).decode("ascii")
    return value


def _is_array(value: Sequence[Any]) -> bool:
    """Whether nested lists are the rows of an array, as JSON has them."""
    return bool(value) and isinstance(value[0], list | tuple) and bool(value[0]) and not isinstance(value[0][0], str)


def _file(value: str | bytes | bytearray | memoryview, name: str) -> bytes:
    """The bytes of a file. Errors: ConfigError for text that is no base64."""
    if isinstance(value, str):
        return _of_text(value, name)
    content = bytes(value)
    if _TEXT.fullmatch(content[:64]):  # base64 that was left as bytes
        try:
            return base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            return content
    return content


def _of_text(text: str, name: str) -> bytes:
    start = _ADDRESS.match(text)
    try:
        return base64.b64decode("".join(text[start.end() if start else 0 :].split()), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{name}: an image is the base64 of its file, and this begins with {text[:30]!r}") from None
