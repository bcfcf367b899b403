"""Formats of image files that plugins bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from translate.contracts import Configured, NoOptions
from translate.imaging.formats.of_plugins import as_image, header_of
from translate.imaging.image import Header, Image

Array = np.ndarray[Any, Any]


class ImageFormat(Configured[NoOptions], ABC):
    """A format of image files, by suffix and signature: how the bytes of a file become an image, and the other way
    round.

    It is in use in every process in which its plugin was named (`plugins: [acme]` in a pipeline file, `translate
    --plugin acme convert ...`). A file is of this format if it starts with one of the `signatures`; without any, if it
    has one of the `suffixes` and no built-in format knows its bytes. When a folder is walked, files of these suffixes
    are images. `translate convert` reads files in a process that can be killed, and so it does these.
    """

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, in lower case, such as `(".pgm",)`; none that a built-in format has."""
    signatures: ClassVar[tuple[bytes, ...]] = ()
    """The first bytes of its files, any of them, such as `(b"P5",)`."""

    def __init__(self, config: NoOptions | None = None) -> None:
        self.config = config or NoOptions()

    @property
    def writes(self) -> bool:
        """Whether it writes files, too."""
        return type(self).write is not ImageFormat.write

    @property
    def knows_header(self) -> bool:
        """Whether it reads headers without decoding the image."""
        return type(self).header is not ImageFormat.header

    @abstractmethod
    def read(self, data: bytes) -> Image | Array:
        """The image in the bytes of a file, upright.

        As an array: H x W x C, uint8, uint16, uint32 or float32, with C of 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB,
        alpha) or more (bands). Errors: DataError for damaged bytes; whatever else it raises counts as damage.
        """

    def header(self, data: bytes) -> Header:
        """The size and form of the image. By default it is decoded for that; a format that knows its own header says
        what the file announces, so that one which announces too much is refused before it is decoded."""
        return header_of(self.name, as_image(self.read(data)))

    def write(self, image: Image) -> bytes:
        """The bytes of a file with this image: `image.array` is H x W x C with alpha as the last channel. A format that
        leaves this out is read alone. Errors: DataError for an image that it cannot hold."""
        raise NotImplementedError
