"""my-plugin: the weights of a trained model as an archive of NumPy, for programs without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from translate import Config, Exported, Exporter, Translator, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The options of the exporter, set by `--set OPTION=VALUE`. The string below each is its description."""

    half: bool = False
    """Whether floats are stored in 16 bits, which halves the file and rounds weights to three digits."""


class MyPlugin(Exporter[MyPluginConfig]):
    """A file for each direction, with an array for each tensor of its networks: `numpy.load(file)["gen.weight"]`."""

    name = "my-plugin"
    suffix = ".npz"

    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterator[Exported]:
        """Writes each direction into its file. `model` is on the CPU, and stays as it is."""
        for direction, file in files.items():
            arrays: dict[str, Any] = {}
            for net in model.route(direction).nets:
                for key, tensor in model.nets[net].state_dict().items():
                    rounded = self.config.half and tensor.is_floating_point()
                    arrays[f"{net}.{key}"] = (tensor.half() if rounded else tensor).numpy()
            np.savez_compressed(file, **arrays)
            count = sum(array.size for array in arrays.values())
            yield Exported(direction, file, f"{count:,} numbers", facts={"arrays": len(arrays), "numbers": count})


@hookimpl
def translate_exporters() -> list[type[Exporter[Any]]]:
    return [MyPlugin]
