"""The built-in exporter, registered by the hook that plugins implement: ONNX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from translate.contracts import Config
from translate.inference.translator import Translator
from translate.markers import hookimpl
from translate.models.exporter import Exported, Exporter
from translate.models.onnx.export import Export, check_packages, write_direction
from translate.models.onnx.exported import FOLDER, SUFFIX


class OnnxConfig(Config):
    """Options of `onnx`."""

    exporter: Literal["auto", "dynamo", "torchscript"] = "auto"
    """Torch's way to follow the networks. `auto`: dynamo, 5 to 30 seconds a direction, and where it fails torchscript,
    one second."""


class Onnx(Exporter[OnnxConfig]):
    """ONNX files with a card each, compared with torch before they are written. Any batch, height and width."""

    name, suffix = FOLDER, SUFFIX

    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterable[Exported]:
        check_packages()
        chosen: Any = None if self.config.exporter == "auto" else self.config.exporter
        for direction, file in files.items():
            yield described(write_direction(model, direction, file, chosen))


def described(export: Export) -> Exported:
    """A written file in words."""
    sizes = ", ".join(f"{width} x {height}" for height, width in export.sizes)
    warnings = []
    if export.reason:
        warnings.append(f"by the exporter `torchscript`, since `dynamo` does not do: {export.reason}")
    if export.decided:
        lines = ", ".join(export.decided)
        warnings.append(f"as constants it has what these lines make of tensors or sizes: {lines}")
    if export.dropout_left_out:
        warnings.append("dropout, which the model keeps on at inference, is off in the file")
    note = f"at most {export.difference:.1e} from torch at {sizes}, one image and two"
    return Exported(export.direction, export.file, note, tuple(warnings), export.to_json())


@hookimpl
def translate_exporters() -> list[type[Exporter[Any]]]:
    """The built-in exporters."""
    return [Onnx]
