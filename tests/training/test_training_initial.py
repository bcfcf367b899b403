"""Starting from weights that exist: which network goes where, and a training that begins with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from translate.console import PlainConsole
from translate.contracts import Direction
from translate.errors import ConfigError, StageError
from translate.models.bundle import read_bundle
from translate.models.foreign.reference_import import import_reference
from translate.networks import UNet
from translate.pipeline import check, run
from translate.pipeline.location import PipelineError
from translate.storage import unpickle
from translate.training.init_weights import pairing

ONE = {"a_to_b": Direction(nets=("gen",))}
TWO = {"a_to_b": Direction(nets=("G_ab",)), "b_to_a": Direction(nets=("G_ba",))}
PIPELINE = """\
version: 1
name: fine
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {{source: {{uses: generated-maps, kind: {kind}, size: 64, train: 2, val: 1, test: 1}}}}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: {method}
      options: {{generator: {generator}, discriminator: {{uses: patchgan, filters: 2, layers: 1}}, norm: batch}}
      init: {init}
      optimizer: {{uses: adam, lr: 1e-9}}
      max_steps: 2
"""
SMALL = "{uses: unet_64, filters: 2}"


def test_pairing() -> None:
    assert pairing(["gen", "disc"], ONE, ["gen"], {}) == {"gen": "gen"}
    assert pairing(["gen", "disc"], ONE, ["net"], {}) == {"gen": "net"}
    assert pairing(["G_ab", "G_ba"], TWO, ["net"], {"G_ab": "net", "G_ba": "net"}) == {"G_ab": "net", "G_ba": "net"}
    assert pairing(["gen", "disc"], ONE, ["gen", "disc"], {"disc": "disc"}) == {"disc": "disc"}


def test_what_cannot_be_paired_is_named() -> None:
    cases: dict[str, Any] = {
        r"none in common; say which is which, such as `init: \{networks: \{G_ab: net\}\}`": (["G_ab", "G_ba"], TWO, {}),
        "the method has no network 'G_abb'; did you mean 'G_ab'": (["G_ab", "G_ba"], TWO, {"G_abb": "net"}),
        "the model to start from has no network 'gen'; it has net": (["gen", "disc"], ONE, {"gen": "gen"}),
    }
    for message, (ours, directions, named) in cases.items():
        with pytest.raises(ConfigError, match=message):
            pairing(ours, directions, ["net"], named)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An imported U-Net of 64 pixels and 2 filters, in a working directory of its own."""
    monkeypatch.setattr("translate.models.foreign.reference_import.read_networks", unpickle.read_networks)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(3)
    net = UNet(UNet.Config(levels=6, filters=2, norm="batch"), in_channels=3, out_channels=3)
    state = net.state_dict()
    torch.save({theirs: state[ours] for ours, theirs in net.layouts[0].keys(net).items()}, "latest_net_G.pth")
    import_reference(Path("latest_net_G.pth"), Path("imported"))
    return tmp_path


def pipeline(init: str, method: str = "pix2pix", generator: str = SMALL) -> Path:
    kind = "paired" if method == "pix2pix" else "unpaired"
    Path("fine.yaml").write_text(PIPELINE.format(init=init, method=method, kind=kind, generator=generator))
    return Path("fine.yaml")


@pytest.mark.parametrize("method", ["pix2pix", "cyclegan"])
def test_two_steps_from_an_imported_network(method: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate near zero the trained network is still the imported one; without `init` it is another."""
    init = "imported" if method == "pix2pix" else "{bundle: imported, networks: {G_ba: net}}"
    target, other = ("gen", None) if method == "pix2pix" else ("G_ba", "G_ab")
    said: list[str] = []
    monkeypatch.setattr(PlainConsole, "say", lambda self, text: said.append(text))
    run(pipeline(init, method), device="cpu", console=PlainConsole())
    assert f"starting from imported: {target}" in said
    before = read_bundle(bundle / "imported").state("net")
    after = read_bundle(next(Path("runs/fine").glob("train-*")) / "translator")
    weights = {key: value for key, value in before.items() if key.endswith("weight")}
    assert weights
    for key, value in weights.items():
        torch.testing.assert_close(after.state(target)[key], value, rtol=0, atol=1e-6)
        assert other is None or not torch.allclose(after.state(other)[key], value, atol=1e-3)


def test_another_content_of_the_bundle_trains_again(bundle: Path) -> None:
    from translate.pipeline import plan

    def reason() -> str:
        (planned,) = (p for p in plan(pipeline("imported")) if p.name == "train")
        return planned.reason

    run(pipeline("imported"), device="cpu", console=PlainConsole())
    assert reason().startswith("nothing changed")
    facts = bundle / "imported" / "README.md"
    facts.write_text(facts.read_text() + "more\n")
    assert reason() == "input imported/README.md changed"


def test_another_structure_is_named(bundle: Path) -> None:
    with pytest.raises(StageError, match=r"gen is built otherwise than net .*; build gen as \{'uses': 'unet'"):
        run(pipeline("imported", generator="{uses: unet_64, filters: 3}"), device="cpu", console=PlainConsole())


def test_mistakes_show_before_anything_runs(bundle: Path) -> None:
    cases = {
        "nowhere": ("imported-not", "does not exist; give a bundle's folder"),
        "none in common": ("imported", r"none in common; say which is which"),
        "no model": ("{networks: {G_ab: net}}", "there is no model to start from"),
        "unknown name": ("{bundle: imported, networks: {G_a: net}}", "no network 'G_a'; did you mean 'G_"),
    }
    for init, message in cases.values():
        with pytest.raises(PipelineError, match=message):
            check(pipeline(init, "cyclegan"))
    head = "  again:\n    uses: train\n    needs: {data: prepare, init: train}\n"
    second = f"{head}    with: {{method: pix2pix, init: imported}}\n"
    Path("fine.yaml").write_text(pipeline("{}").read_text() + second)
    with pytest.raises(PipelineError, match="names a model to start from as well; keep one"):
        check(Path("fine.yaml"))
    mapped = second.replace("init: imported", "init: {networks: {gen: G_ab}}")
    Path("fine.yaml").write_text(pipeline("{}").read_text() + mapped)
    with pytest.raises(PipelineError, match="the model to start from has no network 'G_ab'; it has gen"):
        check(Path("fine.yaml"))
    text = pipeline("{}").read_text().replace("method: pix2pix", "method: single-network")
    options = text.index("      options:")
    Path("fine.yaml").write_text(text[:options] + text[text.index("      init:") :])
    with pytest.raises(PipelineError, match="single-network is for inference alone; train with another method"):
        check(Path("fine.yaml"))
