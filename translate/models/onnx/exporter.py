"""The exporter `onnx`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from translate.contracts import Config
from translate.errors import ConfigError
from translate.inference.translator import Translator
from translate.models.exporter import Exported, Exporter
from translate.models.onnx.export import Export, check_packages, write_direction
from translate.models.onnx.exported import FOLDER, SUFFIX


class OnnxConfig(Config):
    """Options of `onnx`."""

    exporter: Literal["auto", "dynamo", "torchscript"] = "auto"
    """Torch's way to follow the networks. `auto`: dynamo, 5 to 30 seconds a direction, and where it fails torchscript,
    one second."""
    inputs: dict[str, Any] = {}
    """Classes and vectors that become constants of the file, by the names of inputs: `--with class=blond`."""
    no_dropout: bool = False
    """Agrees that dropout, which a model may keep on at inference, is off in the file, as it always is."""


class Onnx(Exporter[OnnxConfig]):
    """ONNX files with a card each, compared with torch before they are written. Any batch, height and width; noise and
    numbers among the options are inputs."""

    name, suffix = FOLDER, SUFFIX

    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterable[Exported]:
        check_packages()
        chosen: Any = None if self.config.exporter == "auto" else self.config.exporter
        for name in self.config.inputs:
            if not any(name in model.route(direction).inputs for direction in files):
                there = ", ".join(dict.fromkeys(each for one in files for each in model.route(one).inputs))
                raise ConfigError(f"--with {name}: no direction has an input {name!r}; there are {there or 'none'}")
        for direction, file in files.items():
            taken = model.route(direction).inputs
            inputs = {name: value for name, value in self.config.inputs.items() if name in taken}
            export = write_direction(model, direction, file, chosen, inputs)
            yield described(export, warn_of_dropout=not self.config.no_dropout)


def described(export: Export, *, warn_of_dropout: bool = True) -> Exported:
    """A written file in words."""
    sizes = ", ".join(f"{width} x {height}" for height, width in export.sizes)
    warnings = []
    if export.reason:
        warnings.append(f"by the exporter `torchscript`, since `dynamo` does not do: {export.reason}")
    if export.decided:
        lines = ", ".join(export.decided)
        warnings.append(f"as constants it has what these lines make of tensors or sizes: {lines}")
    if export.dropout_left_out and warn_of_dropout:
        warnings.append("dropout, which the model keeps on at inference, is off in the file (`--no-dropout` agrees)")
    note = f"at most {export.difference:.1e} from torch at {sizes}, one image and two; takes {_short(export.inputs)}"
    if export.fixed:
        note += f"; fixed in it: {', '.join(f'{name}={value}' for name, value in export.fixed.items())}"
    return Exported(export.direction, export.file, note, tuple(warnings), export.to_json())


def _short(names: Sequence[str]) -> str:
    """`image, noise_0, ..., noise_48`: a list of names, of which at most six are said."""
    return ", ".join(names if len(names) <= 6 else (*names[:3], "...", names[-1]))
