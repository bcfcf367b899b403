"""The protocol of super-resolution: closed forms, other libraries' numbers, and the bicubic baseline of real sets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from translate.contracts import NoOptions
from translate.errors import DataError
from translate.imaging.io import read
from translate.metrics.luma import PSNRLuma, SSIMLuma, luma
from translate.metrics.paired import PSNR
from translate.metrics.two_sample import SWD
from translate.networks import bicubic


def psnr(border: int = 4) -> PSNRLuma:
    return PSNRLuma(PSNRLuma.Config(border=border))


def test_luma_of_known_colours() -> None:
    """BT.601, studio range: black 16, white 235, and the primaries' shares, of 255."""
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()
    found = luma(colours.T[:, None]) * 255
    torch.testing.assert_close(found[0, 0], torch.tensor([16, 235, 81.481, 144.553, 40.966]).double())
    torch.testing.assert_close(luma(torch.full((1, 1, 1), 0.5)), torch.full((1, 1, 1), 125.5 / 255).double())


def test_psnr_of_a_constant_offset() -> None:
    """Grey that is off by d levels is off by 219/255 d in Y, against a peak of 255."""
    a, b = torch.full((3, 20, 20), 100 / 255), torch.full((3, 20, 20), 110 / 255)
    assert psnr().score([a], [b]) == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)), abs=1e-4)
    assert psnr().score([a], [a]) == float("inf")
    assert psnr().unit == "dB, Y of BT.601, 4 px border cut"


def test_the_border_does_not_count() -> None:
    a = torch.zeros(3, 30, 24)
    b = a.clone()
    b[:, :4], b[:, -4:], b[:, :, :4], b[:, :, -4:] = 1, 1, 1, 1
    assert psnr(4).score([a], [b]) == float("inf")
    assert psnr(3).score([a], [b]) < 30
    with pytest.raises(DataError, match="nothing of 8 x 30 pixels is left inside 4"):
        psnr(4).score([a[:, :, :8]], [b[:, :, :8]])


def test_ssim_against_torchmetrics_on_luma() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure as oracle

    rng = torch.Generator().manual_seed(0)
    a = torch.rand(3, 40, 50, generator=rng)
    b = (a + 0.1 * torch.randn(3, 40, 50, generator=rng)).clamp(0, 1)
    weights = torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    y = [((image * weights).sum(0) + 16)[None, None, 4:-4, 4:-4].double() for image in (a, b)]
    _, full = oracle(*y, data_range=255.0, gaussian_kernel=True, sigma=1.5, kernel_size=11, return_full_image=True)
    expected = float(full[..., 5:-5, 5:-5].mean())
    assert SSIMLuma(SSIMLuma.Config()).score([a], [b]) == pytest.approx(expected, abs=1e-5)


def test_the_top_level_of_swd_is_blind_to_what_survives_halving() -> None:
    """A constant shift lies in the coarsest level alone; a checkerboard in the finest alone."""
    rng = torch.Generator().manual_seed(0)
    images = [torch.rand(3, 64, 64, generator=rng) * 0.4 + 0.3 for _ in range(4)]
    board = 0.1 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2 - 1)
    top, every = (SWD(SWD.Config(level=level)) for level in ("top", "all"))
    shifted, checked = [i + 0.1 for i in images], [i + board for i in images]
    assert top.score(shifted, images) == pytest.approx(0, abs=0.5)
    assert every.score(shifted, images) > 10
    assert top.score(checked, images) > 2 * every.score(checked, images)
    assert (top.unit, every.unit) == ("x1000, top level", "x1000")


def real(name: str) -> list[np.ndarray]:
    root = os.environ.get("TRANSLATE_TEST_DATA")
    if not root or not Path(root, "sr", name).is_dir():
        pytest.skip(f"TRANSLATE_TEST_DATA names no folder with sr/{name}")
    return [read(path).pixels for path in sorted(Path(root, "sr", name).glob("*_HR.png"))]


def rounded(image: torch.Tensor) -> torch.Tensor:
    return image.mul(255).round().clamp(0, 255).div(255)


@pytest.mark.parametrize(("name", "count", "expected"), [("Set5", 5, 28.43), ("Set14", 14, 26.09)])
def test_bicubic_times_four_scores_what_the_literature_says(name: str, count: int, expected: float) -> None:
    truth = [torch.from_numpy(a.copy()).permute(2, 0, 1).float() / 255 for a in real(name)]
    assert len(truth) == count
    made = [rounded(bicubic(rounded(bicubic(image[None], 0.25)), 4))[0] for image in truth]
    assert psnr().score(made, truth) == pytest.approx(expected, abs=0.02)
    assert PSNR(NoOptions()).score(made, truth) < expected - 1


def test_our_reduction_is_the_published_one() -> None:
    """The LR images of Set5 were made by MATLAB's imresize, which rounds after either axis, from larger images."""
    large = real("Set5")
    root = Path(os.environ["TRANSLATE_TEST_DATA"], "sr", "Set5")
    for image, path in zip(large, sorted(root.glob("*_LR.png")), strict=True):
        ours = bicubic(torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double(), 0.25)[0].round().clamp(0, 255)
        theirs = torch.from_numpy(read(path).pixels.copy()).permute(2, 0, 1).double()
        off = (ours - theirs)[:, 2:-2, 2:-2]
        assert off.abs().max() <= 2
        assert abs(off.mean()) < 0.02
        assert (off != 0).double().mean() < 0.15
