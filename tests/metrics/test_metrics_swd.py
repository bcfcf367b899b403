"""Sliced Wasserstein distance: one dimension by hand, closed forms of shifts, pyramids that add up."""

import math

import numpy as np
import pytest
import torch

from translate.errors import DataError
from translate.metrics import SWD
from translate.metrics.two_sample import SWDConfig, laplacian, patches, wasserstein


def noise(seed, count=8, size=32, channels=3):
    draw = torch.Generator().manual_seed(seed)
    return [torch.rand(channels, size, size, generator=draw) for _ in range(count)]


def test_one_dimensional_wasserstein_by_hand():
    a, b = np.float32([[3, 0], [1, 0], [2, 0]]), np.float32([[1, 5], [6, 5], [2, 5]])
    assert wasserstein(a, b) == pytest.approx(((0 + 0 + 3) / 3 + 5) / 2)


def test_one_dimensional_wasserstein_of_gaussians():
    draw = np.random.default_rng(0)
    a = draw.standard_normal((200_000, 1), dtype=np.float32)
    assert wasserstein(a, a + 0.75) == pytest.approx(0.75, abs=1e-5)
    assert wasserstein(a, 2 * a) == pytest.approx(math.sqrt(2 / math.pi), rel=0.01)


def test_equal_sets_score_zero_and_others_do_not():
    assert SWD(SWDConfig()).score(noise(1), noise(1)) == 0
    near = [0.9 * a + 0.1 * b for a, b in zip(noise(1), noise(2), strict=True)]
    far = [0.5 * a + 0.5 * b for a, b in zip(noise(1), noise(2), strict=True)]
    scores = [SWD(SWDConfig()).score(x, noise(1)) for x in (near, far)]
    assert 0 < scores[0] < scores[1]


def test_a_shift_of_colour_has_a_closed_form():
    """Only the coarsest level sees it. There W1 of a projection is |theta . d|, whose mean over directions of the
    sphere is |d| Gamma(n/2) / (sqrt(pi) Gamma((n+1)/2)), with d the shift over the deviation in all n = 147 places."""
    true = noise(3, 16)
    shift = 0.1
    made = [image + shift for image in true]
    metric = SWD(SWDConfig(projections=4096))
    fine, coarse = metric.levels(made, true)
    rng_planes = torch.cat([torch.from_numpy(laplacian(image)[1])[None] for image in true])
    spread = rng_planes.std((0, 2, 3), unbiased=False)
    length = float((49 * (shift / spread).square()).sum().sqrt())
    n = 147
    expected = length * math.exp(math.lgamma(n / 2) - math.lgamma((n + 1) / 2)) / math.sqrt(math.pi)
    assert fine == pytest.approx(0, abs=0.01)
    assert coarse == pytest.approx(1000 * expected, rel=0.05)
    assert metric.score(made, true) == pytest.approx((fine + coarse) / 2)


def test_normalising_each_set_by_itself_ignores_colour_and_contrast():
    true = noise(3, 16)
    made = [0.1 + 0.5 * image for image in true]
    assert SWD(SWDConfig()).score(made, true) > 100
    assert SWD(SWDConfig(normalise="each")).score(made, true) == pytest.approx(0, abs=0.01)


def test_sets_of_different_numbers_and_sizes_are_compared():
    small, large = noise(4, 5, 40), noise(5, 13, 64)
    score = SWD(SWDConfig()).score(small, large)
    assert math.isfinite(score) and score == SWD(SWDConfig()).score(small, large)
    assert len(SWD(SWDConfig()).levels(small, large)) == 2
    assert SWD(SWDConfig(seed=1)).score(small, large) != score
    assert len(SWD(SWDConfig()).levels(noise(1, 2, 9), noise(2, 2, 9))) == 1


@pytest.mark.parametrize(("size", "levels"), [((64, 64), 3), ((33, 70), 2), ((16, 99), 1), ((256, 128), 4)])
def test_a_pyramid_adds_up_to_its_image(size, levels):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    planes = laplacian(image)
    assert len(planes) == levels and min(planes[-1].shape[1:]) >= 16
    rest = torch.from_numpy(planes[-1])[None]
    for plane in reversed(planes[:-1]):
        wide = torch.zeros(1, *plane.shape)
        wide[..., ::2, ::2] = rest
        rest = torch.from_numpy(plane)[None] + 4 * binomial(wide)
    assert torch.allclose(rest[0], image, atol=1e-5)


def binomial(images):
    """The 5 x 5 filter written out pixel by pixel with numpy's own reflection."""
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    height, width = images.shape[-2:]
    found = sum(weights[i, j] * padded[..., i : i + height, j : j + width] for i in range(5) for j in range(5))
    return torch.from_numpy(found.astype(np.float32))


def test_a_constant_has_no_detail():
    *fine, coarse = laplacian(torch.full((1, 40, 64), 0.3))
    assert all(np.abs(plane).max() < 1e-6 for plane in fine) and np.allclose(coarse, 0.3)
    flat = [torch.full((3, 32, 32), 0.5)] * 3
    assert SWD(SWDConfig()).score(flat, flat) == 0
    assert math.isfinite(SWD(SWDConfig()).score(noise(1, 3), flat))


def test_patches_lie_where_they_are_drawn():
    plane = np.arange(2 * 9 * 8, dtype=np.float32).reshape(2, 9, 8)
    found = patches(plane, 50, np.random.default_rng(0))
    assert found.shape == (50, 49, 2)
    for patch in found:
        top, left = divmod(int(patch[0, 0]), 8)
        assert np.array_equal(patch[:, 1].reshape(7, 7), plane[1, top : top + 7, left : left + 7])


def test_what_cannot_be_compared_is_named():
    with pytest.raises(DataError, match="at least 7 pixels"):
        SWD(SWDConfig()).score(noise(1, 1, 6), noise(1, 1, 6))
    with pytest.raises(DataError, match="3 channels, the references 1"):
        SWD(SWDConfig()).score(noise(1, 1), noise(1, 1, channels=1))
    with pytest.raises(DataError, match="one is empty"):
        SWD(SWDConfig()).score([], noise(1))
