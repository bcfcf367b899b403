"""Images of more than 8 bits keep all of them, by whatever way they go, also where bf16 is chosen for others."""

import numpy as np
import pytest
from torch import nn

from translate.conversion import convert as conversion
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.imaging.appearance.handling import Handling
from translate.imaging.io import Image, read, write
from translate.inference import precision

RAMP = np.dstack([np.arange(65536, dtype=np.uint16).reshape(256, 256)] * 3)


@pytest.fixture
def gains(monkeypatch):
    monkeypatch.setattr(precision, "precision", lambda choice, where: "bf16")
    monkeypatch.setattr(conversion, "FEW", 1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_ramp_keeps_its_levels_beside_images_of_8_bits(make, gains, tmp_path, told, suffix):
    (tmp_path / "in").mkdir()
    write(tmp_path / f"in/deep{suffix}", RAMP)
    shallow = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    for name in "abc":
        write(tmp_path / f"in/{name}.png", shallow)
    convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(precision="auto"), console=told)
    assert "precision: bf16" in told._stream.getvalue()
    assert np.array_equal(read(tmp_path / f"out/deep{suffix}").pixels, RAMP)
    assert np.abs(read(tmp_path / "out/a.png").pixels.astype(int) - shallow).max() <= 1


def test_floats_alone_are_computed_in_full(make, gains, tmp_path, told):
    (tmp_path / "in").mkdir()
    floats = (RAMP / np.float32(65535)).astype(np.float32)
    write(tmp_path / "in/a.tif", floats)
    convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(precision="auto"), console=told)
    assert np.abs(read(tmp_path / "out/a.tif").pixels - floats).max() <= 2e-7
    assert "precision: fp32" in told._stream.getvalue()


class Spots(nn.Module):
    """Exact in float32; in bf16 one value in 4,096 is lost: the mean does not show it."""

    multiple = 1

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 16, 1, bias=False)
        nn.init.dirac_(self.mix.weight)

    def forward(self, x):
        y = self.mix(x)[:, :3]
        if y.dtype.itemsize == 2:
            y = y.clone()
            y[..., ::64, ::64] = 0
        return y.float()


def test_a_large_difference_decides_as_well_as_the_mean(make, gains, told):
    white = Image(np.full((64, 64, 3), 255, np.uint8))
    model = precision.with_probed_precision(make(nets={"gen": Spots()}), [(white, {})] * 2, told)
    assert model.precision == "fp32" and "0.03/255 on average" in told._stream.getvalue()
    assert "by 127/255 at most" in told._stream.getvalue() or "by 128/255 at most" in told._stream.getvalue()


class Half(nn.Module):
    """Half as bright: 0.5 x in [0, 1]."""

    multiple = 1

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(__import__("torch").tensor(0.5))

    def forward(self, x):
        return (x + 1) * self.rate - 1


@pytest.mark.parametrize("tile", ["off", 5])
def test_counts_of_12_bits_are_seen_as_the_same_scaled_up(make, tile):
    counts = np.random.default_rng(1).integers(0, 4096, (20, 14, 3)).astype(np.uint16)
    for net, rate in ((None, 1.0), ({"gen": Half()}, 0.5)):
        model = make(nets=net, handling=Handling(white=4095))
        output = model.translate_image(Image(counts), tile=tile)
        assert np.abs(output.pixels - counts * rate).max() <= 0.51 and output.ranges == ((0, 4095),)
        assert np.abs(model(counts, white=65535) - counts * rate).max() <= 0.51
        floats = model(counts.astype(np.float32))
        assert np.abs(floats - counts * rate).max() <= 0.01
    with_alpha = np.dstack([counts, np.full((20, 14), 30000, np.uint16)])
    output = make(handling=Handling(white=4095)).translate_image(Image(counts, with_alpha[..., 3]), tile=tile)
    assert np.abs(output.pixels.astype(int) - counts).max() <= 1
