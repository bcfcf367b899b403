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

UNSTATED = "it does not say what its samples mean (PhotometricInterpretation): three are taken for RGB, one for grey"
UNCOUNTED = "it does not say how long its strips are (StripByteCounts)"
"""What is odd about a directory that leaves out something."""


def with_guesses(tags: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The tags of a directory with those that it leaves out, as other programs guess them; and what it leaves out."""
    complete, odd = dict(tags), []
    if "photometric" not in tags:
        complete["photometric"] = (photometric_of(tags),)
        odd.append(UNSTATED)
    if "offsets" in tags and not any(tags.get("counts", ())) and (counts := counts_of(tags)):
        complete["counts"] = counts
        odd.append(UNCOUNTED)
    return complete, tuple(odd)


def photometric_of(tags: Mapping[str, tuple[int, ...]]) -> int:
    """The photometric interpretation of a directory that states none, as viewers see it: RGB (2) where there are three
    channels beside the extra ones, or else grey with 0 for black (1), which is white in faxes (0)."""
    channels = tags.get("samples", (1,))[0] - len(tags.get("extras", ()))
    if tags.get("compression", (1,))[0] in _FAX:
        return 0
    return 2 if channels == 3 else 1


def counts_of(tags: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The bytes of each strip of a directory that does not state them, where its samples are not packed:
    they follow from its size, as libtiff has it. Empty for others."""
    if tags.get("compression", (1,))[0] != NONE or tags.get("planar", (1,))[0] != 1 or "height" not in tags:
        return ()
    height, width = tags["height"][0], tags.get("width", (0,))[0]
    rows = max(1, min(tags.get("rows", (height,))[0], height))
    row = (width * tags.get("samples", (1,))[0] * tags.get("depths", (1,))[0] + 7) // 8
    each = [row * max(0, min(rows, height - number * rows)) for number in range(len(tags["offsets"]))]
    return tuple(each)
