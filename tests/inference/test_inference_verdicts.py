"""A model is tried once on a device: the verdict is kept, outputs of the trial are used, few images are not tried."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import translate
from translate.conversion import convert as conversion
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.io import read, write
from translate.inference import precision
from translate.inference.fast.verdicts import Verdict, Verdicts
from translate.models.bundle import write_bundle
from translate.models.single_network import SingleNetwork, SingleNetworkConfig

AUTO = ConvertOptions(precision="auto")


class Counting(nn.Module):
    """The identity by way of 16 channels, which counts the images that it sees."""

    multiple = 1

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Conv2d(3, 16, 1, bias=False), nn.Conv2d(16, 3, 1, bias=False)
        nn.init.dirac_(self.up.weight)
        nn.init.dirac_(self.down.weight)
        self.seen = [0]

    def __deepcopy__(self, memo):
        copy = Counting()
        copy.up, copy.down = (memo.get(id(layer), layer) for layer in (self.up, self.down))
        copy.seen = self.seen
        return copy

    def forward(self, x):
        self.seen[0] += 0 if x.is_meta else len(x)
        return self.down(self.up(x))


@pytest.fixture(autouse=True)
def gains(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "precision", lambda choice, where: "bf16")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(precision.FEW + 2):
        image = np.random.default_rng(n).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        write(tmp_path / "in" / f"{n:02}.png", image)
    return tmp_path / "in"


def lines(told):
    return [line for line in told._stream.getvalue().splitlines() if line.startswith("precision")]


def test_the_trial_costs_two_images_once(make, photos, tmp_path, told):
    net = Counting()
    model = make(nets={"gen": net})
    count = len(list(photos.iterdir()))
    convert(photos, tmp_path / "a", model, AUTO, console=told)
    assert net.seen[0] == count + precision.PROBED
    convert(photos, tmp_path / "b", model, AUTO, console=told)
    assert net.seen[0] == 2 * count + precision.PROBED
    first, second = lines(told)
    assert first.startswith("precision: bf16, since bf16 differs from fp32 by 0.00/255")
    assert second.startswith("precision: bf16, as was found before, since bf16 differs from fp32 by 0.00/255")
    for path in photos.iterdir():
        assert np.array_equal(read(tmp_path / "a" / path.name).pixels, read(path).pixels)
        assert (tmp_path / "a" / path.name).read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_weights_that_changed_are_tried_again(make, photos, tmp_path, told):
    model = make(nets={"gen": Counting()})
    convert(photos, tmp_path / "a", model, AUTO, console=told)
    convert(photos, tmp_path / "b", model.refreshed(), AUTO, console=told)
    assert len(lines(told)) == 2 and "found before" not in told._stream.getvalue()


def test_few_images_are_not_tried_and_take_a_verdict_that_is_there(make, photos, tmp_path, told):
    for path in sorted(photos.iterdir())[: -precision.FEW + 1]:
        path.rename(tmp_path / path.name)
    net = Counting()
    model = make(nets={"gen": net})
    convert(photos, tmp_path / "a", model, AUTO, console=told)
    assert net.seen[0] == precision.FEW - 1 and not lines(told)
    Verdicts(model, None, 16 * 16).keep(Verdict("bf16", 0.1, 1.0, 2))
    prepared = conversion.prepare(photos, tmp_path / "b", model, AUTO, console=told)
    assert prepared.translator.precision == "bf16"
    assert "as was found before, since bf16 differs from fp32 by 0.10/255" in lines(told)[0]


def test_a_shape_of_another_kind_has_its_own_verdict(make):
    model = make(nets={"gen": Counting()})
    Verdicts(model, None, 256 * 256).keep(Verdict("bf16", 0.1, 1.0, 2))
    assert Verdicts(model, None, 256 * 250).known() and Verdicts(model, None, 1024 * 1024).known() is None


@pytest.fixture
def bundle(tmp_path):
    """A bundle of a small network."""
    from translate.contracts import DataSpec
    from translate.networks import network_builder
    from translate.plugins import Registry

    use = {"uses": "resnet", "filters": 4, "blocks": 1}
    config = SingleNetworkConfig.model_validate({"network": use, "dropout": False})
    method = SingleNetwork(config, DataSpec("single", {"image": 3}, (16, 16)), {})
    torch.manual_seed(0)
    nets = method.networks(network_builder(Registry()))
    write_bundle(tmp_path / "m", method=method, method_name=method.name, nets=nets, provider={}, info={})
    return tmp_path / "m"


def test_the_verdict_of_a_bundle_lies_in_the_cache(bundle, photos, tmp_path, told):
    convert(photos, tmp_path / "a", translate.load(bundle, "cpu"), AUTO, console=told)
    (file,) = (tmp_path / "cache/translate/precision").iterdir()
    assert json.loads(file.read_text())["images"] == precision.PROBED
    convert(photos, tmp_path / "b", translate.load(bundle, "cpu"), AUTO, console=told)
    first, second = lines(told)
    assert "found before" in second and "found before" not in first
    file.write_text("{")  # a file that nobody can read is none
    convert(photos, tmp_path / "c", translate.load(bundle, "cpu"), AUTO, console=told)
    assert "found before" not in lines(told)[2]


def test_a_cache_that_cannot_be_written_costs_trials_alone(bundle, photos, tmp_path, told, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for name in "ab":
        convert(photos, tmp_path / name, translate.load(bundle, "cpu"), AUTO, console=told)
    assert len(lines(told)) == 2 and "found before" not in told._stream.getvalue()
