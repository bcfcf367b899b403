"""bfloat16 is chosen where the device gains by it and images hardly differ, and the figure is told."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from translate import device
from translate.contracts import TestTime
from translate.conversion import convert as conversion
from translate.conversion.convert import convert, prepare
from translate.conversion.options import ConvertOptions
from translate.imaging.convert import as_image
from translate.imaging.io import read, write
from translate.inference import precision


class Amplified(nn.Module):
    """x + `gain` - `gain` between two convolutions: exact in float32, coarse in bfloat16 for a large `gain`."""

    multiple = 1

    def __init__(self, gain, drop=0.0):
        super().__init__()
        self.up, self.down = nn.Conv2d(3, 16, 1, bias=False), nn.Conv2d(16, 3, 1, bias=False)
        self.drop = nn.Dropout(drop)
        nn.init.dirac_(self.up.weight)
        nn.init.dirac_(self.down.weight)
        self.gain = gain

    def forward(self, x):
        return self.drop(self.down(self.up(x) + self.gain)).float() - self.gain


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(6):
        image = np.random.default_rng(n).integers(0, 256, (20, 16, 3), dtype=np.uint8)
        write(tmp_path / "in" / f"{n}.png", image)
    (tmp_path / "in" / "0.png").write_bytes(b"broken")
    return tmp_path / "in"


@pytest.fixture
def gains(monkeypatch, tmp_path):
    """A device that gains by bf16, and folders that are never too small for a trial."""
    monkeypatch.setattr(precision, "precision", lambda choice, where: "bf16")
    monkeypatch.setattr(conversion, "FEW", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def told_of(told):
    return told._stream.getvalue() + told._errors.getvalue()


@pytest.mark.parametrize(("gain", "wanted"), [(0.0, "bf16"), (64.0, "fp32")])
def test_the_difference_decides(make, gains, photos, tmp_path, told, gain, wanted):
    model = make(nets={"gen": Amplified(gain)})
    prepared = prepare(photos, tmp_path / "out", model, ConvertOptions(precision="auto"), console=told)
    prepared.run()
    assert prepared.translator.precision == wanted and model.precision == "fp32"
    line = re.search(
        r"precision: (\w+), since bf16 differs from fp32 by ([\d.]+)/255 on average \((\d) images", told_of(told)
    )
    assert line and line[1] == wanted and line[3] == "2"  # the broken one does not count
    differences = []
    for n in range(1, 3):
        image = np.random.default_rng(n).integers(0, 256, (20, 16, 3), dtype=np.uint8)
        x = torch.from_numpy(image).float() / 127.5 - 1
        low = (x.bfloat16().float() + gain).bfloat16().float() - gain
        differences.append(np.abs(np.rint((low.clamp(-1, 1).numpy() + 1) * 127.5) - image).mean())
    assert float(line[2]) == pytest.approx(np.mean(differences), abs=0.006)
    assert (np.mean(differences) <= 1) == (wanted == "bf16")


def test_a_model_that_draws_stays_exact(make, gains, photos, told):
    model = make(nets={"gen": Amplified(0.0, drop=0.5)}, test_time=TestTime(dropout=True))
    samples = [(read(photos / f"{n}.png"), {}) for n in range(1, 6)]
    assert precision.with_probed_precision(model, samples, told).precision == "fp32"
    assert "precision: fp32, since the model draws" in told_of(told)
    assert precision.with_probed_precision(model.without_dropout(), samples, told).precision == "bf16"


def test_images_of_more_than_8_bits_stay_exact(make, gains, told):
    samples = [(as_image(np.full((8, 8, 3), 40_000, np.uint16)), {})]
    assert precision.with_probed_precision(make(nets={"gen": Amplified(0.0)}), samples, told).precision == "fp32"
    assert "precision: fp32, since no image of 8 bits" in told_of(told)


def test_a_device_that_gains_nothing_is_not_asked(make, photos, tmp_path, told, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert device.precision("auto", "cpu") == "fp32"
    model = make(nets={"gen": Amplified(0.0)})
    convert(photos, tmp_path / "out", model, ConvertOptions(precision="auto"), console=told)
    assert model.precision == "fp32" and "precision" not in told_of(told)
