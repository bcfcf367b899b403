"""Both pieces keep to the contract of `translate`, and the loss has the values that it should have."""

import pytest
import torch
from translate_acme_laplacian.loss import Pyramid, PyramidConfig, laplacian_pyramid
from translate_acme_laplacian.method import Laplacian

from translate.testing import assert_loss_conforms, assert_method_conforms


def test_the_method_conforms():
    assert_method_conforms(Laplacian, options={"generator": {"uses": "unet_64", "filters": 4}})


def test_the_loss_conforms():
    assert_loss_conforms(Pyramid)


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (3, 3)])
def test_a_pyramid_adds_up_to_its_image(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    *bands, rest = laplacian_pyramid(image, levels=4)
    for band in reversed(bands):
        rest = band + torch.nn.functional.interpolate(rest, size=band.shape[-2:], mode="bilinear")
    assert torch.allclose(rest, image, atol=1e-6)


def test_a_constant_difference_lies_in_the_smallest_image_alone():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    loss = Pyramid(PyramidConfig(levels=3))
    assert loss(image, image) == 0
    assert loss(image + 0.25, image).item() == pytest.approx(0.25, abs=1e-6)


def test_a_checkerboard_lies_in_the_first_band_alone():
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8)[None, None]
    first, *rest = laplacian_pyramid(signs, levels=3)
    assert torch.equal(first, signs)
    assert all(not band.any() for band in rest)
