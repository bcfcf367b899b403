"""Sources by their options in YAML, and the datasets that a preprocess stage makes of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from data_images import Console, picture, saved

from translate.contracts import Source, SourceUse, StageContext
from translate.data.dataset import Dataset
from translate.plugins import Registry
from translate.stages.preprocess import PreprocessStage
from translate.testing.stage import NullTracker

REGISTRY = Registry()


def source(options: str | Mapping[str, Any]) -> Source[Any]:
    """The source behind `{uses: table, path: data.csv, ...}`."""
    stated = yaml.safe_load(options) if isinstance(options, str) else options
    built: Source[Any] = REGISTRY.build(SourceUse.model_validate(stated), seed=0)
    return built


def stage(options: str | Mapping[str, Any]) -> PreprocessStage:
    """The preprocess stage behind what stands below its `with:`. Errors: ConfigError."""
    stated = yaml.safe_load(options) if isinstance(options, str) else options
    return PreprocessStage(REGISTRY.config("stages", "preprocess", stated), REGISTRY, seed=0)


def prepare(folder: Path, options: str | Mapping[str, Any], console: Console | None = None) -> Dataset:
    """The prepared dataset. Errors: ConfigError, DataError."""
    folder.mkdir(parents=True, exist_ok=True)
    context = StageContext(
        pipeline="p", stage="prepare", folder=folder, inputs={}, seed=0, device="cpu", tracker=NullTracker(),
        console=console or Console(), registry=REGISTRY, emit=lambda *a, **k: None, fingerprint="f",  # type: ignore[arg-type]
    )  # fmt: skip
    stage(options).run(context)
    return Dataset(folder)


def png(seed: int, height: int = 6, width: int = 8, channels: int = 3) -> bytes:
    """A PNG of random pixels: those of `picture(height, width, channels, seed=seed)`."""
    return saved(picture(height, width, channels, seed=seed), "PNG")


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """The folder, with these files in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    """An archive as Python's own writers make it; its suffix says which kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
