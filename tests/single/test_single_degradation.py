"""Degradations: kernels, noise and sizes by their definitions, JPEG against the files that OpenCV writes and reads."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from translate_restore.blur import filtered, gaussian_kernels
from translate_restore.degradation import Steps, degraded, resized
from translate_restore.draws import Draws
from translate_restore.jpeg import jpeg

STEPS = TypeAdapter(Steps)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def after(images: Tensor, *steps: dict[str, object], seed: int = 0, scale: int = 1, one: bool = False) -> Tensor:
    return degraded(images, [STEPS.validate_python(list(steps))], scale, rng(seed), one=one)


def scene(height: int, width: int, channels: int = 3) -> Tensor:
    """Waves of several lengths, edges, and a little noise: what files of photographs hold, in 8 bits."""
    y, x = torch.meshgrid(torch.arange(height) / 9.0, torch.arange(width) / 7.0, indexing="ij")
    planes = [torch.sin(x * (c + 1) / 2) * torch.cos(y * (3 - c % 3) / 3) / 3 + 0.5 for c in range(channels)]
    image = torch.stack(planes) + 0.2 * (x + y > 9) + 0.02 * torch.randn(channels, height, width, generator=rng())
    return image.clamp(0, 1).mul(255).round().div(255)[None]


# ------------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("along", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("across", [1.0, 2.5])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_a_kernel_has_the_sum_1_and_the_covariance_that_was_asked_for(
    along: float, across: float, angle: float
) -> None:
    """R diag(along^2, across^2) R^T by its moments on the grid."""
    (kernel,) = gaussian_kernels(*(torch.tensor([v], dtype=torch.float64) for v in (along, across, angle)), 25)
    place = torch.arange(25, dtype=torch.float64) - 12
    y, x = torch.meshgrid(place, place, indexing="ij")
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-9)
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, -s], [s, c]])
    expected = rotation @ np.diag([along**2, across**2]) @ rotation.T
    found = [[float((kernel * a * b).sum()) for b in (x, y)] for a in (x, y)]
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.01)


def test_each_image_is_filtered_by_its_own_kernel_as_opencv_filters_it() -> None:
    images = torch.cat((scene(20, 31), scene(20, 31).flip(3)))
    kernels = gaussian_kernels(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.4]), 9)
    found = filtered(images, kernels)
    for image, kernel, result in zip(images, kernels, found, strict=True):
        array = image.permute(1, 2, 0).numpy()
        expected = cv2.filter2D(array, -1, kernel.numpy(), borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_a_kernel_may_be_wider_than_the_image() -> None:
    assert torch.allclose(after(torch.full((1, 3, 4, 5), 0.3), {"uses": "blur", "sigma": 6}), torch.tensor(0.3))


def test_some_kernels_are_isotropic() -> None:
    """An impulse shows the kernel; an isotropic one is its own transpose and mirror image."""
    impulses = torch.zeros(64, 1, 41, 41)
    impulses[:, :, 20, 20] = 1
    found = after(impulses, {"uses": "blur", "sigma": [1, 4], "anisotropic": 0.5})
    round_ = [bool(torch.allclose(k, k.T, atol=1e-6) and torch.allclose(k, k.flip(0), atol=1e-6)) for k in found[:, 0]]
    assert 15 < sum(round_) < 49
    assert torch.allclose(found.sum((2, 3)), torch.tensor(1.0), atol=1e-4)


# --------------------------------------------------------------------------------------------------------------- noise


def test_noise_has_its_deviation_and_is_grey_where_asked() -> None:
    grey = torch.full((4, 3, 96, 96), 0.5)
    coloured = after(grey, {"uses": "noise", "sigma": 20, "grey": 0}) - 0.5
    assert float(coloured.mean()) * 255 == pytest.approx(0, abs=0.3)
    for channel in coloured.transpose(0, 1):
        assert float(channel.std()) * 255 == pytest.approx(20, rel=0.02)
    assert torch.corrcoef(coloured.transpose(0, 1).flatten(1))[0, 1].abs() < 0.03
    same = after(grey, {"uses": "noise", "sigma": 20, "grey": 1}) - 0.5
    assert float(same.std()) * 255 == pytest.approx(20, rel=0.02)
    assert torch.equal(same[:, 0], same[:, 1]) and torch.equal(same[:, 0], same[:, 2])


def test_each_image_draws_its_own_deviation_from_the_whole_range() -> None:
    found = after(torch.full((200, 1, 16, 16), 0.5), {"uses": "noise", "sigma": [5, 25]}).sub(0.5).mul(255)
    deviations = found.flatten(1).std(1)
    assert 4 < deviations.min() < 6.5 and 23 < deviations.max() < 28
    assert float(deviations.mean()) == pytest.approx(15, abs=1.5)


@pytest.mark.parametrize("grey", [0, 1])
def test_counted_light_has_the_variance_of_its_mean(grey: int) -> None:
    """Var = x / photons (Poisson), so that light places are noisier than dark ones."""
    for value in (0.1, 0.4):
        found = after(torch.full((4, 3, 96, 96), value), {"uses": "poisson", "photons": 200, "grey": grey})
        assert float(found.mean()) == pytest.approx(value, rel=0.01)
        assert float(found.var()) == pytest.approx(value / 200, rel=0.05)
        assert torch.equal(found[:, 0], found[:, 1]) == bool(grey)


# ---------------------------------------------------------------------------------------------------------------- JPEG


def written_and_read(image: Tensor, quality: int, sampling: int) -> np.ndarray:
    """What OpenCV makes of it, C x H x W of levels."""
    array = image.mul(255).round().byte().permute(1, 2, 0).numpy()[..., ::-1]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    data = cv2.imencode(".jpg", np.ascontiguousarray(array), options)[1]
    flag = cv2.IMREAD_COLOR if len(image) == 3 else cv2.IMREAD_GRAYSCALE
    found = cv2.imdecode(data, flag).reshape(*array.shape)[..., ::-1]
    return found.transpose(2, 0, 1).astype(int)


@pytest.mark.parametrize("size", [(48, 64), (41, 51), (5, 17)])
@pytest.mark.parametrize("quality", [5, 20, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("kind", ["halved", "full", "grey"])
def test_jpeg_is_what_a_file_gives_back(size: tuple[int, int], quality: int, kind: str) -> None:
    """To the last bit."""
    image = scene(*size, channels=1 if kind == "grey" else 3)
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if kind == "full" else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    expected = written_and_read(image[0], quality, sampling)
    found = jpeg(image, torch.tensor([quality]), halved=kind == "halved")[0].mul(255).round().int().numpy()
    np.testing.assert_array_equal(found, expected)


def test_each_image_has_its_own_quality() -> None:
    image = scene(32, 40)
    both = jpeg(image.repeat(2, 1, 1, 1), torch.tensor([10, 90]))
    assert torch.equal(both[:1], jpeg(image, torch.tensor([10])))
    assert torch.equal(both[1:], jpeg(image, torch.tensor([90])))


# --------------------------------------------------------------------------------------------------------------- sizes


def test_areas_are_means_and_smooth_kernels_keep_the_level() -> None:
    image = scene(32, 48)
    expected = image.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    torch.testing.assert_close(resized(image, (16, 24), "area"), expected)
    for kernel in ("bilinear", "bicubic"):
        found = resized(image, (11, 13), kernel)  # type: ignore[arg-type]
        assert found.shape[-2:] == (11, 13)
        assert float(found.mean()) == pytest.approx(float(image.mean()), abs=0.02)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_result_has_the_size_of_the_input(scale: int) -> None:
    steps = [{"uses": "resize", "scale": [0.3, 1.5]}, {"uses": "noise", "sigma": 3}]
    sizes = {after(scene(32, 48), *steps, seed=n, scale=scale).shape[-2:] for n in range(5)}
    assert sizes == {(32 // scale, 48 // scale)}


def test_a_factor_of_1_reduces_before_the_noise() -> None:
    """The classical model: blur, reduce, add noise; the noise then has its deviation at the small size."""
    grey = torch.full((4, 3, 128, 128), 0.5)
    reduced_first = after(grey, {"uses": "resize", "scale": 1}, {"uses": "noise", "sigma": 20, "grey": 0}, scale=4)
    noisy_first = after(grey, {"uses": "noise", "sigma": 20, "grey": 0}, scale=4)
    assert float(reduced_first.std()) * 255 == pytest.approx(20, rel=0.05)
    assert float(noisy_first.std()) * 255 < 10


# --------------------------------------------------------------------------------------------------------------- draws


def test_a_step_happens_as_often_as_it_says() -> None:
    images = torch.full((400, 1, 8, 8), 0.5)
    changed = (after(images, {"uses": "noise", "sigma": 20, "p": 0.3}) != images).flatten(1).any(1)
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.08)


def test_one_step_of_a_list_is_drawn_by_its_weight() -> None:
    masks = Draws(2000, rng()).one_of([0.2, 0.0, 0.6])
    assert torch.equal(torch.stack(masks).sum(0), torch.ones(2000, 1, 1, 1, dtype=torch.long))
    assert [float(mask.float().mean()) for mask in masks] == pytest.approx([0.25, 0, 0.75], abs=0.03)


def test_two_passes_are_one_after_the_other() -> None:
    """Noise that is drawn twice has the sum of the variances."""
    grey, noise = torch.full((4, 3, 96, 96), 0.5), STEPS.validate_python([{"uses": "noise", "sigma": 12, "grey": 0}])
    found = degraded(grey, [noise, noise], 1, rng())
    assert float(found.std()) * 255 == pytest.approx(12 * 2**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"uses": "blur", "sigma": [3, 1]}, "from the smaller to the larger number"),
        ({"uses": "blur", "sigma": 0}, "greater than 0"),
        ({"uses": "jpeg", "quality": [0, 50]}, "greater than or equal to 1"),
        ({"uses": "noise", "amount": 3}, "Extra inputs are not permitted"),
        ({"uses": "fog"}, "does not match any of the expected tags: 'blur', 'resize', 'noise', 'poisson', 'jpeg'"),
    ],
)
def test_what_no_step_can_do_is_refused(step: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        STEPS.validate_python([step])
