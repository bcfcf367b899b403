"""A name that stands for a folder beside it: a symbolic link, or a small text file where links are not possible."""

from __future__ import annotations

import secrets
from itertools import count
from pathlib import Path

from translate.storage import atomic


def point(link: Path, target: str) -> None:
    """Makes `link` stand for the folder `target` beside it, at once. Errors: OSError.

    Programs that copy a project often make a folder of each link. Such a folder gives way: it becomes `NAME.copied`.
    """
    if link.is_dir() and not link.is_symlink():
        link.rename(_free_name(link))
    temporary = link.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        if atomic.WINDOWS:  # no rename replaces a link to a folder there, and links need a privilege
            raise OSError("no links")
        temporary.symlink_to(target, target_is_directory=True)
    except OSError:
        if link.is_symlink():
            link.unlink()
        atomic.write_text(link, target + "\n")
        return
    atomic.replace(temporary, link)


def _free_name(link: Path) -> Path:
    """`NAME.copied` beside a link, or with a number where that is taken."""
    names = (link.with_name(f"{link.name}.copied{number or ''}") for number in count())
    return next(name for name in names if not name.exists())


def follow(link: Path) -> Path | None:
    """The folder that `link` stands for, or None where there is none."""
    if link.is_symlink():
        target = link.parent / link.readlink()
    elif link.is_file():
        target = link.parent / link.read_text("utf-8").strip()
    else:
        return link if link.is_dir() else None
    return target if target.is_dir() else None
