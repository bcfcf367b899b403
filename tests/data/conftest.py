"""Fixtures for the tests of data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data_images import Console, hash_of, picture, saved


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with images of the given names, all different."""

    def make(name: str, files: list[str], height: int = 12, width: int = 16) -> Path:
        folder = tmp_path / name
        for number, file in enumerate(files):
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            fmt = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[path.suffix[1:].lower()]
            path.write_bytes(saved(picture(height, width, seed=hash_of(name, number)), fmt))
        return folder

    return make
