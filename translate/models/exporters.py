"""The built-in exporters, registered by the hook that plugins implement."""

from __future__ import annotations

from typing import Any

from translate.markers import hookimpl
from translate.models.exporter import Exporter
from translate.models.foreign.pth_export import Pth
from translate.models.onnx.exporter import Onnx


@hookimpl
def translate_exporters() -> list[type[Exporter[Any]]]:
    """ONNX, and state dicts for the programs that the networks come from."""
    return [Onnx, Pth]
