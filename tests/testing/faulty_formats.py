"""Image formats with one fault each."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from translate import DataError, ImageFormat
from translate.imaging.image import Header

FAULTS: dict[str, tuple[type[Any], str]] = {}
"""Name of the fault -> the component, and what the kit has to say (a regular expression)."""


def fault(message: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[cls.__name__] = cls, message
        return cls

    return keep


class Raw(ImageFormat):
    """A line that says what follows, then the values."""

    name, suffixes, signatures = "raw", (".raw",), (b"RAW",)

    def read(self, data):
        shape, dtype = json.loads(data[3 : data.index(b"\n")])
        values = np.frombuffer(data[data.index(b"\n") + 1 :], dtype)
        if values.size != np.prod(shape):
            raise DataError("the values end early")
        return values.reshape(shape)

    def write(self, image):
        array = image.array
        return b"RAW" + json.dumps([array.shape, array.dtype.name]).encode() + b"\n" + array.tobytes()


class ReadAlone(ImageFormat):
    """One that is not written."""

    name, suffixes = "read-alone", (".alone",)

    def read(self, data):
        raise DataError("nothing is in it")


@fault("write\\(\\) refuses every picture, grey and RGB, of 8 and 16 bits and floats")
class WritesNothing(Raw):
    def write(self, image):
        raise DataError("no")


@fault("a picture of 1 channels of uint8 comes back as \\(17, 13, 1\\)")
class OnItsSide(Raw):
    def read(self, data):
        return super().read(data).swapaxes(0, 1)


@fault("no picture comes back with the channels that it had")
class MoreBands(Raw):
    def read(self, data):
        array = super().read(data)
        return np.concatenate([array, array, array, array, array], 2)


@fault("a picture of 1 channels of uint8 comes back \\d.\\d\\d of the range away on average")
class Inverted(Raw):
    def read(self, data):
        array = super().read(data)
        return 255 - array if array.dtype == np.uint8 else array


@fault("header\\(\\) says 5 x 5 of a picture of 17 x 13 pixels")
class OtherSize(Raw):
    def header(self, data):
        return Header("raw", 5, 5, 1, 8, False, "grey")


@fault("write\\(\\) begins with b'RAW.*, which is none of its signatures \\(b'WAR',\\)")
class OtherSignature(Raw):
    signatures = (b"WAR",)


@fault("read\\(\\) takes half a file of 1 channels for an image; raise translate.DataError there")
class FillsUp(Raw):
    def read(self, data):
        shape, dtype = json.loads(data[3 : data.index(b"\n")])
        values = np.zeros(int(np.prod(shape)), dtype)
        body = data[data.index(b"\n") + 1 :]
        whole = np.frombuffer(body[: len(body) // values.itemsize * values.itemsize], dtype)
        values[: len(whole)] = whole
        return values.reshape(shape)


FINE = [Raw, ReadAlone]
