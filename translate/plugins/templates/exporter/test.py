"""The exporter keeps to the contract of `translate`, and writes what it should."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from translate.testing import assert_exporter_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_exporter_conforms(MyPlugin)


class Model:
    """As much of a trained model as the exporter looks at."""

    nets = {"gen": torch.nn.Conv2d(3, 2, 1), "disc": torch.nn.Conv2d(2, 1, 1)}

    def route(self, direction: str) -> SimpleNamespace:
        return SimpleNamespace(nets=("gen",))


def test_its_file_holds_the_networks_of_the_direction(tmp_path: Path) -> None:
    file = tmp_path / "a_to_b.npz"
    (exported,) = MyPlugin(MyPluginConfig()).export(Model(), {"a_to_b": file})
    assert exported.to_json() == {"direction": "a_to_b", "file": str(file), "arrays": 2, "numbers": 8}
    arrays = np.load(file)
    assert set(arrays) == {"gen.weight", "gen.bias"}
    assert np.array_equal(arrays["gen.weight"], Model.nets["gen"].weight.detach())


def test_half_the_bits(tmp_path: Path) -> None:
    file = tmp_path / "a_to_b.npz"
    list(MyPlugin(MyPluginConfig(half=True)).export(Model(), {"a_to_b": file}))
    assert np.load(file)["gen.bias"].dtype == np.float16
