"""Bundles: what is written, that it comes back bit-equal, and what is said when it cannot."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from translate.contracts import CONTRACT, DataSpec, Direction, NetworkUse, NoOptions, TestTime
from translate.errors import ConfigError, DataError, PluginError
from translate.models.bundle import read_bundle, write_bundle
from translate.models.load import load
from translate.networks import network_builder

INFO = {"weights": "best", "step": 1200, "ema": True, "metrics": {"val/swd": 12.5}, "data": "abc", "pipeline": "maps"}


@pytest.fixture
def trained(tiny):
    """A tiny method with trained (random) weights."""
    method = tiny(tiny.Config(channels=1), spec_of(1), {"l1": 2.0})
    nets = method.networks(None)
    torch.manual_seed(5)
    nn.init.normal_(nets["gen"].mix.weight)
    return method, nets


def spec_of(channels):
    return DataSpec("paired", {"input": channels, "target": channels}, (32, 48), ("road",), ((1, 2, 3),))


@pytest.fixture
def folder(tmp_path, trained, shop):
    method, nets = trained
    provider = shop().provider("methods", "tiny")
    write_bundle(tmp_path / "m", method=method, method_name="tiny", nets=nets, provider=provider, info=INFO)
    return tmp_path / "m"


def test_the_translation_is_bit_equal_after_a_round_trip(folder, trained, make, shop, tiny, rng):
    image = torch.rand(2, 1, 19, 33, generator=rng)
    before = make(nets={"gen": trained[1]["gen"]}, channels=1).translate_tensor(image)
    state = torch.get_rng_state()
    translator = load(folder, "cpu", shop(tiny))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(translator.translate_tensor(image), before)
    assert translator.method.spec == trained[0].spec and translator.method.weights == {"l1": 2.0}
    assert translator.info["step"] == 1200 and translator.provider["version"] == "1.2"


def test_equal_models_make_equal_files(folder, tmp_path, trained, shop):
    method, nets = trained
    provider = shop().provider("methods", "tiny")
    write_bundle(tmp_path / "n", method=method, method_name="tiny", nets=nets, provider=provider, info=INFO)
    for file in folder.iterdir():
        assert (tmp_path / "n" / file.name).read_bytes() == file.read_bytes()


def test_it_holds_the_networks_of_its_directions_and_says_all_about_them(folder, trained):
    tensors = load_file(folder / "model.safetensors")
    assert set(tensors) == {"gen.mix.weight"}
    assert torch.equal(read_bundle(folder).state("gen")["mix.weight"], trained[1]["gen"].mix.weight)
    facts = json.loads((folder / "translator.json").read_text())
    assert facts["contract"] == CONTRACT and facts["plugin"]["distribution"] == "tiny-dist"
    assert facts["directions"]["a_to_b"] == {
        "nets": ["gen"],
        "inputs": ["image"],
        "sides": ["input"],
        "target": "target",
        "output": "image",
        "scale": 1,
        "tiles": [1, 1],
        "multiple": 4,
        "channels": {"image": 1},
    }
    assert facts["networks"]["gen"]["parameters"] == 1
    assert facts["test_time"]["text"] == "dropout is off; batch norms use their running averages"
    card = (folder / "README.md").read_text()
    for part in ("# tiny", "tiny-dist 1.2", "--direction a_to_b", "1200", "val/swd | 12.5", "32 x 48"):
        assert part in card


def test_further_inputs_and_dropout_stand_on_the_card(tmp_path, trained, tiny, shop):
    class Add(tiny):
        directions = {"add": Direction(nets=("gen",), inputs=("image", "exemplar"))}
        test_time = TestTime(dropout=True, norm="image")

    method = Add(tiny.Config(channels=1), spec_of(1), {"l1": 1.0})
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "1.png").write_bytes(b"picture")
    info = {"metrics": {"psnr": math.inf}}
    write_bundle(
        tmp_path / "m",
        method=method,
        method_name="tiny",
        nets=trained[1],
        provider={},
        info=info,
        samples=[tmp_path / "grid" / "1.png"],
    )
    card = (tmp_path / "m" / "README.md").read_text()
    assert "--direction add --with exemplar=FILE" in card and "![samples/1-1.png](samples/1-1.png)" in card
    assert "dropout stays on, seeded per image; batch norms use the statistics of each image alone" in card
    assert (tmp_path / "m" / "samples" / "1-1.png").read_bytes() == b"picture"
    assert read_bundle(tmp_path / "m").facts.metrics == {"psnr": "inf"}


def test_a_train_stage_and_a_pointer_to_it_are_models_too(folder, tmp_path, shop, tiny):
    stage = tmp_path / "runs" / "maps" / "train-12345678"
    stage.mkdir(parents=True)
    folder.rename(stage / "translator")
    (stage.parent / "train").write_text("train-12345678\n")
    for ref in (stage, str(stage), stage.parent / "train", stage / "translator"):
        assert load(ref, "cpu", shop(tiny)).routes


def test_references_that_lead_nowhere(folder, tmp_path, shop, tiny):
    with pytest.raises(ConfigError, match="does not exist; give a bundle's folder"):
        load(tmp_path / "none", "cpu", shop(tiny))
    with pytest.raises(ConfigError, match="has no trained model"):
        load(tmp_path, "cpu", shop(tiny))
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="some other file"):
        load(tmp_path / "image.png", "cpu", shop(tiny))
    with pytest.raises(ConfigError, match="needs a `resolver`"):
        load("models:/tiny/1", "cpu", shop(tiny))
    assert load("models:/tiny/1", "cpu", shop(tiny), resolver=lambda ref: folder).routes


def test_damage_and_newer_formats_are_named(folder, shop, tiny):
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"model\.safetensors: damaged: its sha256"):
        load(folder, "cpu", shop(tiny))
    weights.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load(folder, "cpu", shop(tiny))
    facts = json.loads((folder / "translator.json").read_text())
    (folder / "translator.json").write_text(json.dumps({**facts, "contract": CONTRACT + 1}))
    with pytest.raises(ConfigError, match=f"contract {CONTRACT + 1}"):
        load(folder, "cpu", shop(tiny))
    (folder / "translator.json").write_text("{")
    with pytest.raises(DataError, match=r"translator\.json: cannot be read"):
        load(folder, "cpu", shop(tiny))


def test_another_plugin_than_the_one_that_trained(folder, shop, tiny):
    with pytest.raises(PluginError, match=r"no method 'tiny'.*trained by tiny-dist 1\.2 tiny_module"):
        load(folder, "cpu", shop())

    class Wider(tiny):
        def networks(self, build):
            return {"gen": nn.Conv2d(1, 2, 3), "critic": nn.Linear(2, 2)}

    with pytest.raises(PluginError) as caught:
        load(folder, "cpu", shop(Wider))
    bias = "bias: absent in the bundle, (2,) as built"
    for part in ("Identity of 1 tensors", "Conv2d of 2 tensors", "3 differ", bias):
        assert part in str(caught.value)

    class Renamed(tiny):
        def networks(self, build):
            return {"generator": nn.Conv2d(1, 1, 1)}

    with pytest.raises(PluginError, match="builds none"):
        load(folder, "cpu", shop(Renamed))

    class Narrow(tiny):
        Config = NoOptions

    with pytest.raises(PluginError, match="no longer takes the options"):
        load(folder, "cpu", shop(Narrow))


def test_networks_of_the_registry_are_built_by_it(tmp_path, tiny):
    from translate.plugins import Registry

    class Built(tiny):
        directions = {"a_to_b": Direction(nets=("gen",))}

        def networks(self, build):
            small = build("resnet_6", in_channels=1, out_channels=1, filters=4)
            return {"gen": small, "critic": build(NetworkUse(uses="pixel"), in_channels=1)}

        def translate(self, nets, inputs, direction, draw):
            return nets.gen(inputs["image"])

    class Known(Registry):
        def get(self, kind, name):
            return Built if kind == "methods" else super().get(kind, name)

    method = Built(tiny.Config(channels=1), spec_of(1), {"l1": 1.0})
    nets = method.networks(network_builder(Known([])))
    write_bundle(tmp_path, method=method, method_name="tiny", nets=nets, provider={}, info={})
    image = torch.rand(1, 1, 7, 70)
    made = load(tmp_path, "cpu", Known([])).translate_tensor(image)
    assert made.shape == image.shape
    assert torch.equal(made, load(tmp_path, "cpu", Known([])).translate_tensor(image))
