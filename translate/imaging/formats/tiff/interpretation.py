"""Numbers in the directory of a TIFF that say what its samples mean: compressions and colours (TIFF 6.0, section 8)."""

from __future__ import annotations

from collections.abc import Mapping

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
JPEG = 7
INKS, LAB = 5, (8, 9)
"""Photometric interpretations."""
PLAIN = (NONE, 2, 3, 4, LZW, 6, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS)
"""Compressions of which 8-bit images are left to Pillow; 2, 3, 4 are those of faxes, 6 is an old form of JPEG."""
OTHERS = {
    22610: "JPEG XR", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC",
    34892: "JPEG", 34925: "LZMA", 34926: "Zstandard", 34933: "PNG", 34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL", 65000: "EER", 65001: "EER", 65002: "EER",
}  # fmt: skip
"""Further compressions, which are decoded for any number of channels."""
_FAX = (2, 3, 4)


def photometric_of(tags: Mapping[str, tuple[int, ...]]) -> int:
    """The photometric interpretation of a directory that states none, as viewers see it: RGB (2) where there are three
    channels beside the extra ones, or else grey with 0 for black (1), which is white in faxes (0)."""
    channels = tags.get("samples", (1,))[0] - len(tags.get("extras", ()))
    if tags.get("compression", (1,))[0] in _FAX:
        return 0
    return 2 if channels == 3 else 1
