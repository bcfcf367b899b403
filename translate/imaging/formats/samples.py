"""Types of samples that files store, as the types that images have: uint8, uint16, uint32 and float32.

| stored | becomes | |
| --- | --- | --- |
| uint8, uint16, uint32 | the same | |
| int8, int16, float16 | float32 | exactly |
| int32 | float32 | exactly, up to 16,777,216 either way; larger values are refused |
| float32 | float32 | |
| float64 | float32 | rounded to the nearest; values beyond its range are refused |

Numbers of 64 bits and complex ones are refused where the header is read. Images are finite but for pixels of NaN that a
file declares to be no data: other NaN, infinity, and floats that a file declares to be no data beside data of the same
pixel, are refused, since nobody knows what to do with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from translate.errors import DataError

Array = np.ndarray[Any, Any]

UNSIGNED = (8, 16, 32)
"""Bits of unsigned samples that are read."""
SIGNED = (8, 16, 32)
"""Bits of signed samples that are read, as float32."""
FLOAT = (16, 32, 64)
"""Bits of floating point samples that are read, as float32."""

# Beyond it a float32 skips whole numbers: it has 24 bits.
_EXACT = 1 << 24


def as_samples(array: Array, name: str, nodata: float | None = None) -> Array:
    """The array in native byte order, of the type that images have; `nodata` is the value of floats that are none.

    Errors: DataError.
    """
    if array.dtype.kind == "u":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if array.dtype.kind == "i":
        return _with_data(exact_floats(array, name), name, nodata)
    with np.errstate(over="ignore"):  # a float64 that is too large becomes infinite, and is refused as such below
        samples = np.ascontiguousarray(array, np.float32)
    usable = np.isfinite(samples)
    if nodata is not None and np.isnan(nodata):
        usable |= np.isnan(samples)
    lacking = int(samples.size - usable.sum())
    if lacking:
        raise DataError(
            f"{name}: {lacking:,} of {samples.size:,} samples are NaN, infinite or too large for float32: fill them "
            "in, or cut the image to where there is data"
        )
    return _with_data(samples, name, nodata)


def exact_floats(array: Array, name: str) -> Array:
    """Integers as float32. Errors: DataError, where that would not be exact."""
    low, high = int(array.min()), int(array.max())
    if low < -_EXACT or high > _EXACT:
        raise DataError(
            f"{name}: {array.dtype.name} samples from {low:,} to {high:,}; beyond {_EXACT:,} a float32 cannot tell "
            "them apart: subtract what they have in common, or divide them"
        )
    return np.ascontiguousarray(array, np.float32)


def _with_data(samples: Array, name: str, nodata: float | None) -> Array:
    """The samples. Errors: DataError where a pixel holds no data in some of its bands, and data in others."""
    if nodata is None:
        return samples
    with np.errstate(over="ignore"):
        none = np.isnan(samples) if np.isnan(nodata) else samples == np.float32(nodata)
    if (lacking := int((none & ~none.all(axis=-1, keepdims=True)).sum())) > 0:
        raise DataError(
            f"{name}: {lacking:,} of {samples.size:,} samples are {nodata:g}, which the tag GDAL_NODATA says is no "
            "data, beside data in other bands: fill them in (gdal_fillnodata), or make whole pixels hold none"
        )
    return samples
