"""The one read path and the one write path for images.

What is read, whatever the suffix claims (the header decides), is in one table, `formats.table`: a class a format.

- The EXIF orientation is applied, once; `probe` reports the upright size.
- Grey stays grey (1 bit and 2 or 4 bits become 8), palettes and CMYK become RGB, alpha is kept apart.
- 16 bits stay 16 bits. TIFF and NPY also hold unsigned 32 bits, with white at 4294967295, and float32 of any finite
  values. Signed integers and other floats become float32 (`formats.samples`). NaN and infinity are refused; what
  GDAL_NODATA declares to be no data stays so (`appearance.nodata`), and is refused in data to train on.
- TIFFs hold any number of channels. Beyond grey or RGB they are bands, and alpha is the last channel, where the tag
  ExtraSamples says so (or, without that tag, the fourth of RGB). Colours that are stored times their alpha (associated
  alpha) are divided by it, and written back plain. Arrays (NPY, H x W or H x W x C) have no alpha.
- Pages of a TIFF that are said to be the bands of one image (`formats.tiff.pages`) are read as that.
- More than one frame (animation, multi-page TIFF) is refused: a silent first frame would be a wrong answer;
  `imaging.guarded` reads them all. The further pictures behind a JPEG (previews, depth maps) are not frames, nor are
  the smaller copies and masks in a TIFF (`formats.tiff.previews`).
- Truncated or damaged files are refused by name; there is never half an image. So is whatever is not a regular file.
- So is what would take too much memory or time: see `Limits`.

What is written keeps size, bit depth, alpha and profile where the format can: `Keeps` says it of each, and
docs/converting.md has the table, written by a test.

Plugins bring further formats (`imaging.image_format`); `readable()` and `writable()` are the suffixes of all that are
in use.

Fewer bits are rounded to the nearest; floats outside [0, 1] are refused where they would be.

Nobody vouches for the files that are read: what is not ordinary is decoded in a process that can be killed
(`imaging.guarded`). Files that the product itself has written are read by `imaging.decode`.
"""

from __future__ import annotations

from translate.imaging.appearance.data import as_samples, read_samples
from translate.imaging.encode import encode, write
from translate.imaging.files import contents
from translate.imaging.formats.of_plugins import readable, writable
from translate.imaging.formats.table import READABLE, SUFFIXES
from translate.imaging.guarded import decode, probe, read
from translate.imaging.image import Bands, Header, Image, Limits

__all__ = [
    "READABLE",
    "SUFFIXES",
    "Bands",
    "Header",
    "Image",
    "Limits",
    "as_samples",
    "contents",
    "decode",
    "encode",
    "probe",
    "read",
    "read_samples",
    "readable",
    "writable",
    "write",
]
