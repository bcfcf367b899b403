"""Networks of the library spandrel, of which a small likeness stands here, since it needs torchvision.

The likeness has the calls that are used, with one architecture; the real library was tried by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from translate.errors import ConfigError, DataError
from translate.models.foreign import reference_import as importing
from translate.models.foreign.reference_import import import_reference
from translate.models.load import load
from translate.storage import unpickle

LIKENESS = '''
import torch
from types import SimpleNamespace

class ImageModelDescriptor:
    def __init__(self, model, scale, channels, minimum):
        self.model, self.scale = model, scale
        self.input_channels = self.output_channels = channels
        self.architecture = SimpleNamespace(name="Tiny SR")
        self.size_requirements = SimpleNamespace(multiple_of=2, minimum=minimum, square=False)
        self._call_fn = lambda model, image: model(image)[0]

class Tiny(torch.nn.Module):
    """An answer in a tuple, and a constant of whole numbers beside the weights."""
    def __init__(self, features, scale):
        super().__init__()
        self.body = torch.nn.Conv2d(3, features, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(features)
        self.tail = torch.nn.Conv2d(features, 3 * scale**2, 3, padding=1)
        self.register_buffer("table", torch.arange(features))
        self.scale = scale
    def forward(self, x):
        assert x.shape[-1] % 2 == 0 and min(x.shape[-2:]) >= 20
        return torch.nn.functional.pixel_shuffle(self.tail(self.norm(self.body(x))), self.scale), None

class ModelLoader:
    def __init__(self, device=None):
        pass
    def load_from_state_dict(self, state):
        if "inpaint.weight" in state:
            return SimpleNamespace(architecture=SimpleNamespace(name="Masked"))
        scale = int((state["tail.weight"].shape[0] // 3) ** 0.5)
        model = Tiny(state["body.weight"].shape[0], scale)
        model.load_state_dict(state)
        return ImageModelDescriptor(model, scale, 3, 20)
'''


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "read_networks", unpickle.read_networks)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The likeness, as though it was installed."""
    folder = tmp_path / "site" / "spandrel"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(LIKENESS)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    yield folder
    sys.modules.pop("spandrel", None)


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {
        "body.weight": torch.randn(4, 3, 3, 3, generator=rng) * 0.2,
        "body.bias": torch.randn(4, generator=rng) * 0.1,
        "norm.weight": torch.rand(4, generator=rng) + 0.5,
        "norm.bias": torch.randn(4, generator=rng) * 0.1,
        "norm.running_mean": torch.randn(4, generator=rng) * 0.1,
        "norm.running_var": torch.rand(4, generator=rng) + 0.5,
        "norm.num_batches_tracked": torch.tensor(9),
        "tail.weight": torch.randn(12, 4, 3, 3, generator=rng) * 0.2,
        "tail.bias": torch.rand(12, generator=rng),
        "table": torch.arange(4),
    }


def answer(s: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network of the likeness, written out."""
    y = F.conv2d(x, s["body.weight"], s["body.bias"], padding=1)
    y = F.batch_norm(y, s["norm.running_mean"], s["norm.running_var"], s["norm.weight"], s["norm.bias"])
    return F.pixel_shuffle(F.conv2d(y, s["tail.weight"], s["tail.bias"], padding=1), 2)


@pytest.mark.parametrize("size", [(20, 24), (21, 23), (17, 30)])
def test_a_network_that_spandrel_knows(library: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    """[0, 1] inside, batch norms on running averages; sizes that it does not take are mirrored and cropped."""
    torch.save({"params": state(), "params_ema": state(1)}, tmp_path / "net.pth")
    facts = import_reference(tmp_path / "net.pth", tmp_path / "bundle", network="params_ema")
    assert facts.imported is not None
    assert (facts.imported.layout, facts.imported.options) == ("spandrel", {"architecture": "Tiny SR", "scale": 2})
    model = load(tmp_path / "bundle", "cpu")
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    height, width = size
    more = (max(20, height + height % 2) - height, max(20, width + width % 2) - width)
    padded = F.pad((images + 1) / 2, (0, more[1], 0, more[0]), "reflect")
    expected = answer(state(1), padded)[..., : 2 * height, : 2 * width] * 2 - 1
    torch.testing.assert_close(model.translate_tensor(images), expected, rtol=0, atol=1e-5)


def test_what_takes_a_mask_is_refused(library: Path, tmp_path: Path) -> None:
    torch.save({"inpaint.weight": torch.ones(3, 3, 1, 1)}, tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"spandrel \(Masked\) that takes a mask beside the image"):
        import_reference(tmp_path / "net.pth", tmp_path / "bundle")


def test_without_spandrel_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translate.models.foreign.spandrel_network.is_installed", lambda: False)
    torch.save(state(), tmp_path / "net.pth")
    with pytest.raises(DataError, match="spandrel knows forty more kinds: `pip install spandrel`"):
        import_reference(tmp_path / "net.pth", tmp_path / "bundle")


def test_a_model_says_what_it_needs_where_spandrel_does_not_work(library: Path, tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "net.pth")
    import_reference(tmp_path / "net.pth", tmp_path / "bundle")
    del sys.modules["spandrel"]
    (library / "__init__.py").write_text("import torchvision_that_is_not_there")
    with pytest.raises(ConfigError, match=r"cannot be imported \(No module named 'torchvision_that.*pip install spand"):
        load(tmp_path / "bundle", "cpu")
