"""File names that one system allows and another does not."""

from __future__ import annotations

import os
import re

# Names of devices, in any case and with any suffix ("con.png" is the console): the rules of Windows for naming files.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])( *\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


def refused_name(path: str, windows: bool = os.name == "nt") -> str:
    """The first part of a relative path with slashes that this system cannot store as it is called, or nothing.

    Windows writes to a device instead, drops dots and spaces at the end, and takes a colon for a drive or a stream of
    another file. Elsewhere any name does.
    """
    if not windows:
        return ""
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part.endswith((".", " ")) or _DEVICE.fullmatch(part) or _FORBIDDEN.search(part):
            return part
    return ""
