"""Exports a model, whatever the format: finds it, chooses directions and files, and lets the exporter write."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from translate.contracts import Components
from translate.errors import ConfigError, ContractError
from translate.models.exporter import NONE, Exported, Exporter, direction_files
from translate.models.load import load, locate


def export_model(
    ref: str | Path,
    exporter: Exporter[Any],
    output: Path | None = None,
    direction: str | None = None,
    *,
    options: Mapping[str, Any] = NONE,
    overwrite: bool = False,
    registry: Components | None = None,
    resolver: Callable[[str], Path] | None = None,
) -> list[Exported]:
    """Writes the directions of a model (or one of them) as `OUTPUT/DIRECTION` with the exporter's suffix.

    `output` defaults to a folder of the exporter's name in the bundle; with the exporter's suffix it is the file for
    `direction` (default: the first). `options` are those of the directions that the files are written for. A file that
    is there is replaced in the model's own folder of exports, and elsewhere with `overwrite`; a file of the model never
    is. Errors: ConfigError (nothing there, no such option, a file in the way), and those of the exporter.
    """
    folder = locate(ref, resolver)
    model = load(folder, "cpu", registry, tile="off")
    files = direction_files(model, output or folder / exporter.name, exporter.suffix, direction, options)
    for file in files.values():
        _check_free(file, folder, replace=overwrite or output is None)
        file.parent.mkdir(parents=True, exist_ok=True)
    exports = list(exporter.export(model, files))
    for export in exports:
        if not isinstance(export, Exported):
            raise ContractError(
                f"exporter {exporter.name}: export() yields {type(export).__name__}; yield translate.Exported"
            )
        if not export.file.exists():
            raise ContractError(f"exporter {exporter.name}: it names {export.file}, and there is no such file")
    return exports


def _check_free(file: Path, model: Path, *, replace: bool) -> None:
    """Errors: ConfigError for a file that is there and not to be replaced."""
    if not os.path.lexists(file):
        return
    if any(file.exists() and file.samefile(own) for own in model.iterdir()):
        raise ConfigError(f"{file}: is a file of the model itself; name another one")
    if not replace:
        raise ConfigError(f"{file}: is there already; name another file, or --overwrite")
