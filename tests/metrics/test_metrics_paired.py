"""Metrics of pairs against closed forms, scikit-image's definition by hand, and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from translate.contracts import NoOptions
from translate.errors import DataError
from translate.metrics import L1, PSNR, SSIM
from translate.metrics.paired import PixelMatch

NONE = NoOptions()


def flat(value, size=16, channels=3):
    return torch.full((channels, size, size), value)


def noise(seed, count=3, size=24, channels=3, levels=255):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(0, levels + 1, (channels, size, size), generator=draw) / levels for _ in range(count)]


def test_psnr_of_offsets_in_grey_levels():
    for offset, wanted in ((1, 48.130804), (10, 28.130804)):
        score = PSNR(NONE).score([flat((100 + offset) / 255)], [flat(100 / 255)])
        assert score == pytest.approx(wanted, abs=1e-5)
    assert PSNR(NONE).score(noise(1), noise(1)) == math.inf


def test_psnr_is_the_mean_over_images_not_of_pooled_errors():
    a, b = noise(1), noise(2)
    each = [float(peak_signal_noise_ratio(x[None], y[None], data_range=1.0)) for x, y in zip(a, b, strict=True)]
    assert PSNR(NONE).score(a, b) == pytest.approx(np.mean(each), abs=1e-5)
    mixed = PSNR(NONE).score([flat(0.5), flat(1.0)], [flat(0.4), flat(0.0)])
    assert mixed == pytest.approx((20 + 0) / 2, abs=1e-4)


def test_l1_is_the_mean_absolute_difference():
    assert L1(NONE).score([flat(0.5), flat(1.0)], [flat(0.25), flat(0.0)]) == pytest.approx(0.625)


def test_pixels_match_where_every_channel_is_near():
    reference = flat(100 / 255, size=4)
    output = reference.clone()
    output[0, 0] += 5 / 255  # a row that is just near enough
    output[1, 1] += 6 / 255  # a row with one channel that is not
    output[2, 2] -= 6 / 255
    match = PixelMatch(PixelMatch.Config())
    assert match.score([output, reference], [reference, reference]) == pytest.approx((0.5 + 1) / 2)
    assert PixelMatch(PixelMatch.Config(within=6)).score([output], [reference]) == 1
    assert PixelMatch(PixelMatch.Config(within=0)).score([output], [reference]) == 0.25


def test_ssim_of_constants():
    c1 = 0.01**2
    for a, b in ((0.2, 0.7), (0.0, 1.0)):
        wanted = (2 * a * b + c1) / (a * a + b * b + c1)
        assert SSIM(NONE).score([flat(a)], [flat(b)]) == pytest.approx(wanted, abs=1e-6)
    assert SSIM(NONE).score([flat(0.0)], [flat(1.0)]) == pytest.approx(9.999e-5, abs=1e-8)
    assert SSIM(NONE).score(noise(1), noise(1)) == pytest.approx(1)


def ssim_by_hand(a, b):
    """Wang et al. 2004, equation 13, one window after the other, where the window lies inside the image."""
    at = np.arange(11) - 5
    window = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (image[top : top + 11, left : left + 11] for image in (a, b))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            vxy = (window * (x - mx) * (y - my)).sum()
            c1, c2 = 0.01**2, 0.03**2
            values.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(values)


def test_ssim_agrees_with_the_paper_window_by_window():
    a, b = noise(3, 1, 17, 2)[0], noise(4, 1, 17, 2)[0]
    b = (a + b) / 2
    wanted = np.mean([ssim_by_hand(x.double().numpy(), y.double().numpy()) for x, y in zip(a, b, strict=True)])
    assert SSIM(NONE).score([a], [b]) == pytest.approx(wanted, abs=1e-6)


def test_ssim_agrees_with_scikit_image_where_it_is_installed():
    metrics = pytest.importorskip("skimage.metrics")
    a = noise(5, 1, 40)[0]
    b = (a * 0.7 + noise(6, 1, 40)[0] * 0.3).clamp(0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    wanted = metrics.structural_similarity(a.double().numpy(), b.double().numpy(), data_range=1.0, **options)
    assert SSIM(NONE).score([a], [b]) == pytest.approx(wanted, abs=1e-5)


def test_the_best_constant_has_no_better_neighbour():
    references = noise(7, 4, 16, 2)
    draw = torch.Generator().manual_seed(0)

    def constant(metric, colour):
        page = colour.view(2, 1, 1).expand(2, 16, 16)
        return metric.score([page] * len(references), references)

    best_l1 = L1(NONE).best_constant(references)
    stacked = torch.stack(references).transpose(0, 1).flatten(1)
    assert best_l1 == pytest.approx(constant(L1(NONE), stacked.median(1).values), abs=1e-6)
    assert PSNR(NONE).best_constant(references) == pytest.approx(constant(PSNR(NONE), stacked.mean(1)), abs=1e-6)
    for _ in range(20):
        assert constant(L1(NONE), torch.rand(2, generator=draw)) >= best_l1 - 1e-9
    assert SSIM(NONE).best_constant(references) is None


def test_the_best_constant_counts_images_alike_whatever_their_size():
    references = [flat(0.0, 32, 1), flat(0.2, 8, 1), flat(0.2, 8, 1)]
    assert L1(NONE).best_constant(references) == pytest.approx(0.2 / 3, abs=1e-5)
    assert L1(NONE).best_constant([flat(0.1), flat(0.1, channels=1)]) is None


def test_sixteen_bits_are_not_rounded_to_eight():
    assert L1(NONE).score([flat(1 / 65535)], [flat(0.0)]) == pytest.approx(1 / 65535)
    assert L1(NONE).best_constant([flat(300 / 65535)]) == 0


def test_what_cannot_be_compared_is_named():
    with pytest.raises(DataError, match="2 outputs cannot be compared in pairs with 1 references"):
        L1(NONE).score([flat(0.0)] * 2, [flat(0.0)])
    with pytest.raises(DataError, match="image 0: the output is 16 x 16 pixels, 3 channels, its reference 8 x 8"):
        PSNR(NONE).score([flat(0.0)], [flat(0.0, 8)])
    with pytest.raises(DataError, match="at least 11 pixels"):
        SSIM(NONE).score([flat(0.0, 10)], [flat(0.0, 10)])
    with pytest.raises(DataError, match="no images"):
        L1(NONE).score([], [])
