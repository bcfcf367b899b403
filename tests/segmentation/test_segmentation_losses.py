"""Losses of label maps against closed forms and torch's own functions."""

import math

import pytest
import torch
from torch.nn import functional as F
from translate_segmentation import scaled

from translate import IGNORE, MedianFrequency, cross_entropy, dice_loss, one_hot


def labels(seed=0, classes=4, size=(2, 5, 6)):
    return torch.randint(0, classes, size, generator=torch.Generator().manual_seed(seed))


def logits(seed=0, classes=4, size=(2, 5, 6)):
    return torch.randn(size[0], classes, *size[1:], generator=torch.Generator().manual_seed(seed))


def test_one_hot_leaves_void_out():
    y = torch.tensor([[[0, 2, IGNORE]]])
    assert one_hot(y, 3)[0, :, 0].T.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_cross_entropy_of_uniform_logits_is_the_log_of_the_classes():
    assert float(cross_entropy(torch.zeros(2, 7, 5, 6), labels(classes=7))) == pytest.approx(math.log(7))


def test_cross_entropy_is_torchs_with_and_without_weights():
    y = labels()
    y[0, :2] = IGNORE
    for weight in (None, torch.tensor([0.5, 1.0, 2.0, 4.0])):
        wanted = F.cross_entropy(logits(), y, weight, ignore_index=IGNORE)
        assert float(cross_entropy(logits(), y, weight)) == pytest.approx(float(wanted), rel=1e-6)


def test_dice_of_known_predictions():
    y = labels(classes=3)
    sure = one_hot(y, 3) * 1000.0
    assert float(dice_loss(sure, y)) == pytest.approx(0, abs=1e-6)
    half = torch.tensor([[[0, 1], [1, 0]]])
    assert float(dice_loss(torch.zeros(1, 2, 2, 2), half, smooth=0)) == pytest.approx(0.5)
    n, e = 8, 1.0
    even = torch.tensor([[[0, 1] * (n // 2)]])
    wanted = 1 - (n / 2 + e) / (n + e)
    assert float(dice_loss(torch.zeros(1, 2, 1, n), even, smooth=e)) == pytest.approx(wanted)


def test_dice_by_hand():
    x, y = logits(1), labels(1)
    p, total = x.softmax(1), 0.0
    for c in range(4):
        g = (y == c).float()
        total += (2 * (p[:, c] * g).sum() + 1) / (p[:, c].sum() + g.sum() + 1)
    assert float(dice_loss(x, y)) == pytest.approx(float(1 - total / 4))


def test_dice_of_the_classes_that_a_batch_has():
    x, y = logits(1), labels(1, classes=2)
    p = x.softmax(1)
    each = [1 - (2 * p[:, c][y == c].sum() + 1) / (p[:, c].sum() + (y == c).sum() + 1) for c in range(2)]
    assert float(dice_loss(x, y, present=True)) == pytest.approx(float(sum(each)) / 2)
    assert float(dice_loss(x, y)) > float(dice_loss(x, y, present=True)), "classes that are not there cost"
    assert float(dice_loss(x, torch.full_like(y, IGNORE), present=True)) == 0


@pytest.mark.parametrize("loss", [cross_entropy, dice_loss])
def test_void_has_neither_value_nor_gradient(loss):
    y, x = labels(), logits().requires_grad_()
    y[:, 2:4] = IGNORE
    loss(x, y).backward()
    assert x.grad[:, :, 2:4].abs().max() == 0 and x.grad[:, :, :2].abs().max() > 0
    other = torch.where((y == IGNORE)[:, None], torch.full_like(x, 9.0), x.detach())
    assert float(loss(other, y)) == pytest.approx(float(loss(x.detach(), y)))
    alone = loss(x.detach(), torch.full_like(y, IGNORE))
    assert torch.isfinite(alone)


def test_median_frequency_counts_what_it_saw():
    counted = MedianFrequency(4)
    first = counted(torch.tensor([[[0, 0, 0, 1, IGNORE, 2]]]))
    assert first.tolist() == pytest.approx([1 / 3, 1.0, 1.0, 1.0]), "the median of 3, 1, 1; class 3 was not met"
    second = counted(torch.tensor([[[1, 1, 1, 1, 2, 2]]]))
    assert second.tolist() == pytest.approx([1.0, 3 / 5, 1.0, 1.0]), "3, 5, 3 pixels"
    again = MedianFrequency(4)
    again.load_state_dict(counted.state_dict())
    assert again.counts.tolist() == [3, 5, 3, 0]


def test_scaled_labels_keep_the_probabilities_in_proportion():
    p, y = logits(3).softmax(1), labels(3)
    p[0, :, 0, 0] = torch.tensor([0.96, 0.02, 0.01, 0.01])
    y[0, 0, 0], y[1, 0, 0] = 0, IGNORE
    soft = scaled(one_hot(y, 4), p)
    assert torch.allclose(soft[0, :, 0, 0], p[0, :, 0, 0]), "already surer than 0.9: stays"
    assert soft[1, :, 0, 0].abs().max() == 0
    for place in ((0, 2, 3), (1, 4, 5)):
        n, h, w = place
        truth, before, after = int(y[place]), p[n, :, h, w], soft[n, :, h, w]
        assert float(after.sum()) == pytest.approx(1)
        assert float(after[truth]) == pytest.approx(max(0.9, float(before[truth])))
        others = [c for c in range(4) if c != truth]
        assert torch.allclose(after[others] / after[others].sum(), before[others] / before[others].sum())
