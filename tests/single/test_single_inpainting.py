"""Inpainting: holes as they are announced, a loss written out by hand, and known pixels that nobody touches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from translate import DataError, EvaluationContext, Method, Nets, Step, load_masks
from translate.contracts import DataSpec
from translate.imaging.io import write
from translate.inference.translator import Translator
from translate.networks import network_builder
from translate.plugins import Registry

TINY: Mapping[str, Any] = {
    "generator": {"uses": "unet", "levels": 3, "filters": 4},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
}


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return Registry()


def game(plugins: Registry, **options: Any) -> tuple[Method[Any], Nets]:
    cls = plugins.get("methods", "inpainting")
    method = cls(cls.Config.model_validate({**TINY, **options}), DataSpec("single", {"image": 3}, (32, 32)), cls.losses)
    torch.manual_seed(0)
    return method, Nets(method.networks(network_builder(plugins)))


def images(count: int = 2, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3)) * 2 - 1


def holes(method: Any, count: int, height: int = 32, width: int = 48, seed: int = 0) -> Tensor:
    found: Tensor = method.holes(torch.zeros(count, 3, height, width), torch.Generator().manual_seed(seed))
    return found


def test_the_centre_hole_is_a_quarter_in_the_middle(plugins: Registry) -> None:
    mask = holes(game(plugins, mask="centre")[0], 3)
    expected = torch.zeros(3, 1, 32, 48)
    expected[:, :, 8:24, 12:36] = 1
    assert torch.equal(mask, expected)


def test_strokes_are_of_free_form_and_follow_from_the_seed(plugins: Registry) -> None:
    method = game(plugins, mask="strokes")[0]
    masks = holes(method, 200, 64, 96)
    assert torch.equal(masks, holes(method, 200, 64, 96)) and not torch.equal(masks, holes(method, 200, 64, 96, seed=1))
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    shares = masks.mean((1, 2, 3))
    assert shares.min() > 0 and shares.max() < 0.6 and 0.08 < shares.mean() < 0.25
    # every part of the image is as good as any other, but for its margins
    where = masks.mean((0, 1))
    assert where[8:-8, 8:-8].min() > 0.03
    rows, columns = masks.amax(3), masks.amax(2)
    boxes = rows.sum(2) * columns.sum(2)
    assert (masks.sum((2, 3)) < 0.9 * boxes).float().mean() > 0.9, "nearly none is a rectangle"


def test_a_stroke_is_a_brush_along_a_line() -> None:
    from translate_inpainting.strokes import _distance

    line = torch.tensor([[10.5]]), torch.tensor([[4.5]]), torch.tensor([[10.5]]), torch.tensor([[20.5]])
    rows = torch.arange(24).view(1, 1, -1, 1) + 0.5
    columns = torch.arange(24).view(1, 1, 1, -1) + 0.5
    found = _distance(rows, columns, *line)[0, 0]
    assert found[10, 4:21].max() < 1e-3, "on the line"
    assert found[13, 8] == pytest.approx(3) and found[10, 0] == pytest.approx(4), "beside it and past its end"
    assert found[14, 23] == pytest.approx(5), "past its end, slantwise"


def test_gated_convolutions_count_and_gate(plugins: Registry) -> None:
    net = network_builder(plugins)("inpainting/gated", in_channels=4, out_channels=3, filters=4)
    f, three = 4, 9
    convolutions = [(4, f, 25), (f, 2 * f, three), (2 * f, 2 * f, three), (2 * f, 4 * f, three), (4 * f, 4 * f, three)]
    convolutions += 4 * [(4 * f, 4 * f, three)] + [(4 * f, 2 * f, three), (2 * f, 2 * f, three)]
    convolutions += [(4 * f, f, three), (f, f, three)]
    expected = sum((inputs * area + 1) * 2 * outputs for inputs, outputs, area in convolutions) + (2 * f * 9 + 1) * 3
    assert sum(each.numel() for each in net.parameters()) == expected
    image = torch.rand(2, 4, 72, 80) * 2 - 1
    assert net(image).shape == (2, 3, 72, 80)
    # a gate that is shut lets nothing through, whatever the features say
    with torch.no_grad():
        net.full.conv.weight[f:] = 0
        net.full.conv.bias[f:] = -100
    assert net.full(image).abs().max() < 1e-30


def test_random_holes_are_rectangles_of_ten_to_forty_per_cent(plugins: Registry) -> None:
    masks = holes(game(plugins)[0], 200)
    shares = masks.mean((1, 2, 3))
    assert 0.08 < shares.min() < 0.13 and 0.37 < shares.max() < 0.42
    assert shares.mean() == pytest.approx(0.25, abs=0.02)
    for mask in masks[:20, 0]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    somewhere = masks[:, 0].any(0)
    assert somewhere.any(0).all() and somewhere.any(1).all()
    assert not torch.equal(masks[0], masks[1])


def test_holes_from_files(plugins: Registry, tmp_path: Path) -> None:
    for name, row in (("a", 0), ("b", 1)):
        mask = np.zeros((4, 6, 3), np.uint8)
        mask[row] = 255
        write(tmp_path / f"{name}.png", mask)
    method, _ = game(plugins, mask="files", masks=tmp_path)
    found = holes(method, 50)
    assert {int(m[:, :, 0].argmax()) for m in found} == {0, 8}
    assert (found.sum((1, 2, 3)) == 8 * 48).all()
    with pytest.raises(ValueError, match="belong together"):
        game(plugins, mask="files")
    (tmp_path / "bad").mkdir()
    write(tmp_path / "bad/white.png", np.full((4, 4, 1), 255, np.uint8))
    with pytest.raises(DataError, match=r"white.png: a mask has white pixels \(the hole\) and black ones"):
        load_masks(tmp_path / "bad", (4, 4))


def test_nothing_of_the_truth_is_left_in_the_hole(plugins: Registry) -> None:
    method, _ = game(plugins, mask="centre")
    x = images()
    seen = method.degrade(x, "fill", torch.Generator())
    assert isinstance(seen, Mapping)
    hole = (seen["mask"] > 0).expand_as(x)
    for n in range(2):
        for c in range(3):
            known = x[n, c][~hole[n, c]]
            torch.testing.assert_close(seen["image"][n, c][hole[n, c]], known.mean().expand(16 * 16))
    assert torch.equal(seen["image"][~hole], x[~hole])


@pytest.mark.parametrize("overlap", [0, 2])
def test_the_game(plugins: Registry, overlap: int) -> None:
    """Equations 1 to 3, with a ring of known pixels that counts ten times."""
    method, nets = game(plugins, mask="centre", overlap=overlap, norm="none")
    x = images()
    step = Step(0, 0, {"D": 0, "F": 0}, torch.Generator())
    critic, filler = method.step(nets, {"image": x}, step)
    seen = method.degrade(x, "fill", torch.Generator())
    assert isinstance(seen, Mapping)
    mask = (seen["mask"] + 1) / 2
    made = nets.F(torch.cat((seen["image"], mask), 1))
    fake = mask * made + (1 - mask) * x
    total = count = torch.zeros(())
    for row in range(32):
        for column in range(32):
            inside = 8 <= row < 24 and 8 <= column < 24
            near = 8 - overlap <= row < 24 + overlap and 8 - overlap <= column < 24 + overlap
            if near:
                error = (made - x)[:, :, row, column].square().sum()
                total, count = total + (1 if inside else 10) * error, count + 2 * 3
    torch.testing.assert_close(filler.losses["reconstruction"], total / count, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(filler.losses["adversarial"], F.softplus(-nets.D(fake)).mean())
    expected = F.softplus(-nets.D(x)).mean() + F.softplus(nets.D(fake)).mean()
    torch.testing.assert_close(critic.losses["critic"], expected)
    torch.testing.assert_close(filler.views["output"], fake)


def test_a_critic_of_the_hole_is_shown_where_it_lies(plugins: Registry) -> None:
    """Its input is the completed image, or the real one, with the mask beside it; -1 is known and 1 the hole."""
    method, nets = game(plugins, mask="centre", critic="hole", norm="none")
    x, mask = images(), torch.full((2, 1, 32, 32), -1.0)
    mask[:, :, 8:24, 8:24] = 1
    critic, filler = method.step(nets, {"image": x}, Step(0, 0, {"D": 0, "F": 0}, torch.Generator()))
    real, fake = (torch.cat((shown, mask), 1) for shown in (x, filler.views["output"]))
    expected = F.softplus(-nets.D(real)).mean() + F.softplus(nets.D(fake)).mean()
    torch.testing.assert_close(critic.losses["critic"], expected)
    torch.testing.assert_close(filler.losses["adversarial"], F.softplus(-nets.D(fake)).mean())
    # what terms such as feature matching give to the critic
    torch.testing.assert_close(filler.views["real"], real)
    torch.testing.assert_close(filler.views["fake"], fake)
    assert nets.D(x.new_zeros(1, 4, 32, 32)).shape[1] == 1 and filler.views["target"].shape[1] == 3


def test_known_pixels_stay_bit_for_bit(plugins: Registry) -> None:
    """Whatever the size, whatever lies in the user's hole; an empty mask changes nothing."""
    method, nets = game(plugins)
    translator = Translator(method, dict(nets), {})
    pixels = np.random.default_rng(0).integers(0, 256, (21, 37, 3), dtype=np.uint8)
    mask = np.zeros((21, 37, 1), np.uint8)
    mask[5:12, 20:30] = 255
    out = translator(pixels, mask=mask)
    hole = mask[..., 0] > 0
    assert np.array_equal(out[~hole], pixels[~hole]) and (out[hole] != pixels[hole]).mean() > 0.9
    other = pixels.copy()
    other[hole] = 0
    assert np.array_equal(translator(other, mask=mask), out)
    assert np.array_equal(translator(pixels, mask=np.zeros_like(mask)), pixels)


def test_scores_of_the_hole(plugins: Registry) -> None:
    """Off by 0.1 in the hole and right elsewhere: 20 dB and 10 %, whatever the hole's size."""
    plugins.load("inpainting")
    target, masks = [torch.full((3, 8, 8), 0.5)] * 2, [torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)]
    masks[0][:, :2], masks[1][:, :, 4:] = 1, 1
    made = [t + 0.1 * m for t, m in zip(target, masks, strict=True)]
    context = EvaluationContext("image", "image", ["a", "b"], target, masks, training_images=lambda side: [])
    for name, expected in (("hole-psnr", 20.0), ("hole-l1", 10.0)):
        cls = plugins.get("metrics", f"inpainting/{name}")
        metric = cls(cls.Config())
        assert metric.score(made, target, context) == pytest.approx(expected, abs=1e-4)
        assert metric.score(target, target, context) == (math.inf if name == "hole-psnr" else 0)
