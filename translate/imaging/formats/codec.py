"""The interface of a built-in format: what opens its files, decodes them and writes them, and what it keeps.

Each format is one class of one file; `formats.table` lists them all. Reading has two steps, so that a file that
announces too much is refused before a decoder sees it: `open` reads the header alone, `decode` the pixels.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np

from translate.errors import DamagedError, DataError, UnsupportedError
from translate.imaging.colour.inks import Inks
from translate.imaging.colour.transform import is_whole
from translate.imaging.image import FRAMES, Header, Image, Limits, NoIndicesError
from translate.imaging.pixels import upright

Array = np.ndarray[Any, Any]


HEAD = 4096
"""Bytes at the start of a file in which signatures are looked for."""
PLAUSIBLE = 100
"""Decoded bytes per byte of the file up to which a large PNG or JPEG is ordinary."""
SMALL = 1 << 24
"""Decoded bytes of an image that is ordinary whatever its file's size is."""
BAD_PROFILE = "its colour profile is damaged and passed over"
"""What is odd about a file whose profile has another size than it says, or tags outside of it."""
LARGE = 1 << 28
"""Decoded bytes from which on no image is ordinary."""


@dataclass(frozen=True)
class Keeps:
    """What a format can hold: samples of so many `bits` at most, `floats` outside [0, 1], any number of `bands`,
    `alpha`, a colour profile (`icc`), and a `palette`, by which label maps have their colours. Height and
    width are `side` pixels at most (0: any number)."""

    bits: int = 8
    floats: bool = False
    bands: bool = False
    alpha: bool = False
    icc: bool = False
    palette: bool = False
    side: int = 0


@dataclass(frozen=True)
class Settings:
    """How a file is written: `quality` 1 to 100 of lossy formats, `compression` 0 to 9 of lossless ones."""

    quality: int = 95
    compression: int = 6


@dataclass(frozen=True)
class Opened:
    """A file whose header has been read: `source` is whatever its codec decodes it from, and `orientation` (EXIF, 1 to
    8) is what is left to apply after decoding. `page` is the place of its picture among the directories of a TIFF."""

    codec: Codec
    header: Header
    source: Any = None
    orientation: int = 1
    page: int = 0


@dataclass(frozen=True)
class Pages:
    """All pages or frames of a file: their `images`; of animations the `durations` in milliseconds, and how often they
    are repeated (`loop`; 0: for ever, -1: once, of a GIF that does not say it)."""

    images: tuple[Image, ...]
    durations: tuple[int, ...] = ()
    loop: int = 0


class Parts(ABC):
    """The rows of an image file as files of their own; `size` is its (height, width)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    @abstractmethod
    def part(self, first: int, last: int) -> tuple[int, int, bytes]:
        """The bytes of a file of the same format that holds the rows [first, last), or a few more: its first row, the
        one behind its last, and the bytes. They decode to the values that the whole file has there. Errors: DataError.
        """


class Codec(ABC):
    """One built-in format of image files."""

    name: ClassVar[str]
    """The name in headers and, in capitals, in errors."""
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, in lower case."""
    only_read: ClassVar[tuple[str, ...]] = ()
    """Those of them that outputs do not get."""
    instead: ClassVar[str] = ".png"
    """The suffix of outputs for inputs whose own is not written."""
    signatures: ClassVar[tuple[bytes, ...]] = ()
    """The first bytes of its files, any of them."""
    keeps: ClassVar[Keeps | None] = None
    """What it keeps of an image that is written; None where files are read alone."""
    guarded: ClassVar[bool] = True
    """Whether its files are always decoded by a process that can be killed; otherwise `is_ordinary` decides."""
    gives_way: ClassVar[bool] = True
    """Whether the format of a plugin with the same suffixes or signatures goes first."""

    @property
    def written(self) -> tuple[str, ...]:
        """Suffixes that outputs may have."""
        return tuple(suffix for suffix in self.suffixes if self.keeps and suffix not in self.only_read)

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (`HEAD`, where it has as many) is of this format."""
        return head.startswith(self.signatures)

    @abstractmethod
    def open(self, stream: BinaryIO, size: int, name: str, limits: Limits) -> Opened:
        """Reads the header of a file of `size` bytes and judges it by the limits. Errors: DataError; whatever else it
        raises counts as damage, here and in `decode`."""

    @abstractmethod
    def decode(self, opened: Opened, data: bytes, name: str) -> Image:
        """The image in the bytes of an opened file, upright."""

    def parts(self, stream: BinaryIO, size: int, name: str) -> Parts | None:
        """The parts of a file of `size` bytes; None where it is decoded whole or not at all. Errors: as `open`."""
        return None

    def encode(self, image: Image, name: str, settings: Settings) -> bytes:
        """The bytes of a file with an image that the format can hold (`keeps`). Errors: DataError; OSError, ValueError
        and SystemError of libraries count as such."""
        raise NotImplementedError

    begins_like_text: ClassVar[bool] = False
    """Whether its first bytes are letters with which other files may begin, so that its suffix has to say it, too."""
    paged: ClassVar[bool] = False
    """Whether files of several pages or frames are written."""

    def read_pages(self, stream: BinaryIO, data: bytes, name: str, limits: Limits) -> Pages:
        """All pages or frames of a file, each within the limits, and all together. Errors: as `open` and `decode`."""
        return Pages((self.decode(self.open(stream, len(data), name, limits), data, name),))

    def write_pages(self, pages: Pages, name: str, settings: Settings) -> bytes:
        """The bytes of a file of several pages or frames, where the format is `paged`."""
        raise NotImplementedError

    def is_ordinary(self, opened: Opened, data: bytes, name: str) -> bool:
        """Whether this file may be decoded outside the guarded process."""
        return False

    def is_lossless(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (`HEAD`) was packed without loss, where it could be with."""
        return False

    def as_indices(self, opened: Opened, data: bytes, name: str) -> Opened:
        """The file as a grey image of the 8-bit values that it stores. Errors: DataError where there are none."""
        raise no_label_map(opened.header, opened.header.bits, name)


def is_plausible(header: Header, data: bytes) -> bool:
    """Whether the announced size is in keeping with the bytes of the file."""
    return header.decoded <= LARGE and header.decoded <= max(SMALL, PLAUSIBLE * len(data))


def no_label_map(header: Header, stored_bits: int, name: str) -> NoIndicesError:
    """The error for a file that holds no class indices."""
    form = f"{header.format.upper()}, {header.mode}, {stored_bits} bits{', with transparency' if header.alpha else ''}"
    return NoIndicesError(f"{name}: a label map is a PNG of 8-bit grey values or palette indices, and this is {form}")


def damaged(name: str, kind: str, error: Exception | str) -> DataError:
    """The error for a file that a decoder gives up."""
    why = str(error) or type(error).__name__
    if "MAX_TEXT_" in why:
        why = "its texts or its profile unpack to more than a megabyte; a decompression bomb?"
    return DamagedError(f"{name}: damaged or truncated {kind.upper()}: {why}")


def decoder(module: str, name: str, what: str, package: str, extra: str = "") -> Any:
    """The module of a package that decodes `what`, imported when the first such file comes.

    Errors: DataError where it is not installed, with what to do.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        install = f"translate-i2i[{extra}]" if extra else package
        raise UnsupportedError(f"{name}: {what} need the package {package}: pip install '{install}'") from None


def check_frames(frames: int, name: str) -> None:
    """Errors: DataError for more than one."""
    if frames > 1:
        count = f"more than {FRAMES:,}" if frames > FRAMES else frames
        raise DataError(
            f"{name}: {count} frames or pages in one file; `--pages all` converts each, or extract them into files of "
            "their own; store bands of one image in one page"
        )


@dataclass(frozen=True)
class Still:
    """The canvas of a WebP or GIF file and how many frames are on it (not counted beyond `FRAMES`); `odd` says what is
    odd about it."""

    width: int
    height: int
    frames: int
    odd: str = ""


def check_still(kind: str, still: Still, size: int, name: str, limits: Limits) -> None:
    """Errors: DataError for more than one frame, and for a canvas beyond the limits."""
    check_frames(still.frames, name)
    limits.check(Header(kind, still.width, still.height, 3, 8, True, "rgb"), size, name)


def turned(opened: Opened, pixels: Array, alpha: Array | None, icc: bytes | None, name: str) -> Image:
    """The image of decoded pixels, upright and of the size that the header announced. Errors: DataError."""
    header = opened.header
    pixels = np.ascontiguousarray(upright(pixels, opened.orientation))
    alpha = None if alpha is None else np.ascontiguousarray(upright(alpha, opened.orientation))
    if pixels.shape[:2] != (header.height, header.width):
        raise DataError(f"{name}: the header says {header.width} x {header.height}, the data {pixels.shape[1::-1]}")
    inks = Inks(pixels, icc) if icc and header.mode == "cmyk" and pixels.shape[2] == 4 else None
    if inks:
        pixels = inks.colours()
    notes = (BAD_PROFILE,) if icc and not is_whole(icc) else ()
    return Image(pixels, alpha, matching(icc, header.channels, header.mode), header.mode, inks=inks, notes=notes)


def matching(icc: bytes | None, channels: int, mode: str = "") -> bytes | None:
    """The profile, if it describes pixels of that many channels: bytes 16 to 19 name its colour space (ICC.1, 7.2)."""
    if not icc or mode in ("cmyk", "bands") or icc[16:20] != (b"GRAY" if channels == 1 else b"RGB "):
        return None
    return icc
