"""pix2pixHD beyond the kit: the authors' count of parameters, borders and feature matching by hand, its phases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from translate_pix2pixhd import Enhancing, Global, Pix2PixHD, borders, matching
from translate_pix2pixhd.networks import Coarse, CoarseConfig, Enhancer, EnhancerConfig, Scales, halved

from translate.contracts import IGNORE
from translate.errors import ConfigError
from translate.testing.harness import MethodHarness

SMALL = {"filters": 4, "levels": 1, "blocks": 1, "scales": 2}
PATCH = {"uses": "patchgan", "filters": 4, "layers": 1}


def test_g1_has_as_many_parameters_as_the_authors() -> None:
    """Their code prints 182,546,755 for 35 classes of Cityscapes and the borders."""
    coarse = Coarse(CoarseConfig(), in_channels=36, out_channels=3)
    assert sum(parameter.numel() for parameter in coarse.parameters()) == 182_546_755


def test_sizes_of_features_and_images() -> None:
    coarse = Coarse(CoarseConfig(filters=4, levels=2, blocks=1), in_channels=5, out_channels=3)
    enhancer = Enhancer(EnhancerConfig(filters=4, blocks=1), in_channels=5, out_channels=3)
    maps = torch.randn(2, 5, 16, 24)
    assert coarse.multiple == 8 and coarse.features(maps).shape == (2, 4, 8, 12) and coarse(maps).shape == (2, 3, 8, 12)
    assert enhancer(maps, coarse.features(maps)).shape == (2, 3, 16, 24)
    with pytest.raises(ConfigError, match="a height and width that 8 divides, not 12 x 16"):
        coarse(torch.randn(1, 5, 12, 16))


def test_borders_lie_on_both_sides_of_a_change() -> None:
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [IGNORE, 0, 0, 0]]])
    assert borders(labels)[0, 0].int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0]]
    assert not borders(torch.full((2, 5, 7), 3)).any()


def test_halving_is_the_mean_of_neighbours_within_the_image() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    assert torch.allclose(halved(ramp)[0, 0, 0], torch.tensor([0.5, 2.0, 4.0]))
    assert torch.equal(halved(torch.ones(1, 2, 5, 8)), torch.ones(1, 2, 3, 4))


class Layered(nn.Module):
    """Layers whose outputs are known: each adds its number."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.first = Plus(1)
        self.middle = nn.Sequential(*(Plus(number) for number in range(2, layers + 1)))
        self.last = Plus(0)


class Plus(nn.Module):
    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.times)


def test_feature_matching_by_hand() -> None:
    """Constant images that differ by d: layer i has d (1 + 1) ... (1 + i); four layers count whole, two count twice."""
    real, fake = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    for layers, by_hand in ((4, 0.5 * (2 + 6 + 24 + 120)), (2, 2 * 0.5 * (2 + 6))):
        for critics in (1, 3):  # every scale sees the same constant
            scales = Scales([Layered(layers) for _ in range(critics)])
            assert matching(scales, real, fake).item() == pytest.approx(by_hand)
    matching(scales, real, fake).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    with pytest.raises(ConfigError, match="has to be a `patchgan`"):
        Scales([nn.Conv2d(1, 1, 1)])


@pytest.mark.parametrize("cls", [Pix2PixHD, Enhancing])
def test_only_the_second_phase_leaves_g1_as_it_was(cls: type[Global]) -> None:
    harness = MethodHarness(cls, options={**SMALL, "discriminator": PATCH})
    engine = harness.engine()
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in engine.nets.items()}
    harness.play(engine, 2)
    moved = {
        name: any(not torch.equal(p, q) for p, q in zip(net.parameters(), before[name], strict=True))
        for name, net in engine.nets.items()
    }
    assert moved == {"G1": cls is Pix2PixHD, "G2": True, "D": True}


def test_critics_see_the_image_at_each_scale() -> None:
    sizes: list[int] = []

    class Seen(Layered):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(x.shape[-1])
            return x

    scales = Scales([Seen(1) for _ in range(3)])
    for critic, image in scales.pyramid(torch.zeros(1, 1, 64, 64)):
        critic(image)
    assert sizes == [64, 32, 16]
