"""The image pool against a Python list, and the loss terms against kornia and loops."""

from __future__ import annotations

import math

import kornia
import pluggy
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import translate.hookspecs
import translate.objectives
from translate.errors import ContractError
from translate.objectives import ImagePool, LossTerm, translate_losses


def queries(count: int, n: int) -> list[Tensor]:
    """Batches of images, each image of one value that no other has."""
    return [(torch.arange(n) + 1.0 + n * k).view(n, 1, 1, 1).expand(n, 1, 2, 2) for k in range(count)]


class ListPool:
    """The published pool with a list; the draws are handed to it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[float] = []

    def query(self, images: list[float], swap: list[bool], slot: list[int]) -> list[float]:
        returned = []
        for image, swaps, place in zip(images, swap, slot, strict=True):
            if len(self.kept) < self.size:
                self.kept.append(image)
                returned.append(image)
            elif swaps:
                returned.append(self.kept[place])
                self.kept[place] = image
            else:
                returned.append(image)
        return returned


@pytest.mark.parametrize(("size", "n"), [(5, 1), (4, 3), (50, 1), (2, 5)])
def test_pool_is_the_list(size: int, n: int) -> None:
    pool, plain = ImagePool(size, 1, 2, 2), ListPool(size)
    rng, same = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    old = 0
    for images in queries(120, n):
        result = pool.query(images, rng)
        swap = (torch.rand(n, generator=same) < 0.5).tolist()
        slot = torch.randint(size, (n,), generator=same).tolist()
        expected = plain.query(images[:, 0, 0, 0].tolist(), swap, slot)
        assert result.shape == (n, 1, 2, 2)
        assert result[:, 0, 1, 1].tolist() == result[:, 0, 0, 0].tolist() == expected
        assert pool.images[: int(pool.count), 0, 0, 0].tolist() == plain.kept
        old += sum(a != b for a, b in zip(expected, images[:, 0, 0, 0].tolist(), strict=True))
    assert old / (120 * n - size) == pytest.approx(0.5, abs=0.15)


def test_pool_continues_from_its_state() -> None:
    whole, rng = ImagePool(3, 1, 2, 2), torch.Generator().manual_seed(1)
    batches = queries(40, 2)
    for images in batches[:20]:
        whole.query(images, rng)
    resumed, state = ImagePool(3, 1, 2, 2), rng.get_state()
    resumed.load_state_dict(whole.state_dict())
    again = torch.Generator()
    again.set_state(state)
    for images in batches[20:]:
        assert torch.equal(whole.query(images, rng), resumed.query(images, again))
    assert not list(whole.parameters())


def test_pool_returns_copies_without_a_graph() -> None:
    pool, rng = ImagePool(1, 1, 2, 2), torch.Generator().manual_seed(0)
    fake = torch.ones(1, 1, 2, 2, requires_grad=True)
    first = pool.query(fake, rng)
    kept = first.clone()
    for images in queries(10, 1):
        pool.query(images, rng)
    assert not first.requires_grad
    assert torch.equal(first, kept)
    assert pool.query(fake.bfloat16(), rng).dtype is torch.bfloat16


def test_pool_of_no_size_is_no_pool() -> None:
    pool, images = ImagePool(0, 3, 8, 8), torch.rand(2, 3, 4, 4, requires_grad=True)
    result = pool.query(images, torch.Generator())
    assert torch.equal(result, images)
    assert not result.requires_grad


def test_pool_refuses_another_size() -> None:
    with pytest.raises(
        ContractError, match=r"holds images of \(3, 8, 8\) \(channels, height, width\), not of \(3, 8, 9\)"
    ):
        ImagePool(2, 3, 8, 8).query(torch.zeros(1, 3, 8, 9), torch.Generator())


def test_pool_never_asks_for_a_value() -> None:
    """Tensors without values: whatever branched on one, or fetched it from the device, would raise."""
    with FakeTensorMode():
        pool = ImagePool(4, 3, 8, 8)
        for _ in range(6):
            result = pool.query(torch.zeros(2, 3, 8, 8), torch.Generator())
    assert result.shape == (2, 3, 8, 8)


# ------------------------------------------------------------------------------------------------------ loss terms


def build(name: str, **options: object) -> LossTerm:
    term = next(term for term in translate_losses() if term.name == name)
    return term(term.Config(**options))


def test_total_variation_is_kornias() -> None:
    images = torch.rand((2, 3, 7, 5), generator=torch.Generator().manual_seed(0))
    expected = kornia.losses.total_variation(images, reduction="mean").mean()
    torch.testing.assert_close(build("total-variation")(output=images), expected)


def test_l1_and_charbonnier_by_hand() -> None:
    rng = torch.Generator().manual_seed(0)
    output, target = torch.randn((2, 1, 3, 3), generator=rng), torch.randn((2, 1, 3, 3), generator=rng)
    gaps = (output - target).flatten().tolist()
    l1 = build("l1")(output=output, target=target)
    assert l1.item() == pytest.approx(sum(map(abs, gaps)) / 18)
    smooth = build("charbonnier", epsilon=0.5)(output=output, target=target)
    assert smooth.item() == pytest.approx(sum(math.sqrt(g * g + 0.25) for g in gaps) / 18)
    output.requires_grad_()
    build("charbonnier")(output=output, target=output.detach()).backward()
    assert output.grad is not None
    assert not output.grad.any()


def test_terms_are_float32() -> None:
    image = torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16)
    for name in ("l1", "charbonnier"):
        assert build(name)(output=image, target=image).dtype is torch.float32
    assert build("total-variation")(output=image).dtype is torch.float32


def test_built_in_terms_reach_the_hook() -> None:
    manager = pluggy.PluginManager("translate")
    manager.add_hookspecs(translate.hookspecs)
    manager.register(translate.objectives)
    manager.check_pending()
    (found,) = manager.hook.translate_losses()
    assert {term.name for term in found} == {
        *("total-variation", "l1", "charbonnier", "ssim", "ms-ssim", "edge", "colour-histogram", "focal-frequency"),
        *("perceptual", "feature-matching", "gradient-penalty", "identity"),
    }
