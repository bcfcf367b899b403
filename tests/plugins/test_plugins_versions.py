"""What a plugin was written for, and what a trained model remembers of the plugin that trained it."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from plugin_sources import method
from torch import nn

from translate.console import PlainConsole
from translate.contracts import CONTRACT
from translate.errors import PluginError
from translate.models.bundle import structure_hash
from translate.models.load import load
from translate.pipeline import run
from translate.plugins import Registry

Install = Callable[..., Registry]

ACME = (Path(__file__).parent / "acme_everything.py").read_text()
TRAINED = """\
version: 1
name: acme
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: acme/flat}}
  train: {uses: train, needs: {data: prepare}, with: {method: acme, max_steps: 1, workers: 0}}
"""


@pytest.mark.parametrize("contract", [f'">={CONTRACT},<{CONTRACT + 1}"', f'"=={CONTRACT}"', str(CONTRACT), "None"])
def test_contracts_that_fit(contract: str, install: Install) -> None:
    registry = install(acme=f"translate_contract = {contract}\n{method('acme')}")
    assert registry.load("acme").provides["methods"]


@pytest.mark.parametrize("contract", [f'">{CONTRACT}"', f'"<{CONTRACT}"', str(CONTRACT + 1), '"1 to 2"', "[1]"])
def test_contracts_that_do_not(contract: str, install: Install) -> None:
    registry = install(acme=f"translate_contract = {contract}\n{method('acme')}")
    with pytest.raises(PluginError, match=r"^plugin 'acme' \(acme-translate 1\.2, .*contract"):
        registry.load("acme")
    assert registry.loaded() == {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundle of a method of one convolution."""
    work = tmp_path_factory.mktemp("versions")
    site = work / "site"
    _install(site, "1.0", ACME)
    (work / "acme.yaml").write_text(TRAINED)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.chdir(work)
        run("acme.yaml", device="cpu", console=PlainConsole())
    yield work / "runs" / "acme" / "train" / "translator"


def _install(site: Path, version: str, source: str) -> None:
    shutil.rmtree(site, ignore_errors=True)
    info = site / f"acme-{version}.dist-info"
    info.mkdir(parents=True)
    (site / "acme_everything.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[translate]\nacme = acme_everything\n")
    importlib.invalidate_caches()


@pytest.fixture
def upgrade(site: Path) -> Callable[[str, str], None]:
    """Installs another version of the plugin, in which a piece of its source reads otherwise."""
    import sys

    sys.modules.pop("acme_everything", None)

    def install(before: str, after: str) -> None:
        assert before in ACME
        _install(site, "2.0", ACME.replace(before, after))

    return install


def test_bundle_records_plugin_version_and_structure(trained: Path) -> None:
    facts = json.loads((trained / "translator.json").read_text())
    assert facts["plugin"] == {
        "distribution": "acme",
        "version": "1.0",
        "module": "acme_everything",
        "plugin": "acme",
        "revision": "1",
    }
    assert facts["contract"] == CONTRACT
    assert len(facts["networks"]["gen"]["structure"]) == 64


def test_bundle_loads_with_a_new_version_of_the_same_structure(trained: Path, upgrade: Callable[..., None]) -> None:
    upgrade('"""One convolution."""', '"""One convolution, and better words."""')
    output = load(trained, "cpu").translate_tensor(torch.zeros(1, 3, 8, 8))
    assert output.shape == (1, 3, 8, 8)


def test_bundle_refuses_another_shape_and_names_both(trained: Path, upgrade: Callable[..., None]) -> None:
    upgrade("out_channels, 3, padding=1", "out_channels, 5, padding=2")
    with pytest.raises(PluginError) as caught:
        load(trained, "cpu")
    text = str(caught.value)
    assert "network 'gen' is a acme_everything.Shift of 2 tensors (structure " in text
    assert (
        "written by acme 1.0 acme_everything, but method 'acme' of acme 2.0 acme_everything, as installed, builds"
        in text
    )
    assert "layer.weight: (3, 3, 3, 3) in the bundle, (3, 3, 5, 5) as built" in text
    assert text.endswith("Install the version that wrote it, or train again")


def test_bundle_refuses_other_layers_of_the_same_shapes(trained: Path, upgrade: Callable[..., None]) -> None:
    """An activation has no tensors: the weights alone would fit."""
    upgrade("        self.layer =", "        self.act = nn.ReLU()\n        self.layer =")
    with pytest.raises(PluginError, match=r"acme 1\.0 .* acme 2\.0 .*the kinds of its layers differ"):
        load(trained, "cpu")


def test_bundle_of_an_earlier_format_is_judged_by_its_tensors(
    trained: Path, upgrade: Callable[..., None], tmp_path: Path
) -> None:
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    facts = json.loads((old / "translator.json").read_text())
    del facts["networks"]["gen"]["structure"]
    (old / "translator.json").write_text(json.dumps(facts))
    upgrade("        self.layer =", "        self.act = nn.ReLU()\n        self.layer =")
    assert load(old, "cpu").translate_tensor(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_structure_is_layers_names_shapes_and_types_and_no_values() -> None:
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    same = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    others = [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU()),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 4, 3, dtype=torch.float64), nn.ReLU()),
        nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)),
    ]
    assert structure_hash(same) == structure_hash(base)
    assert len({structure_hash(net) for net in (base, *others)}) == 1 + len(others)
