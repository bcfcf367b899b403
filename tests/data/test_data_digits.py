"""Generated digits: classes that can be read, two looks of the same ink, the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest

from translate.contracts import Class, Image
from translate.data.generated.digits import GeneratedDigits, clean_look, draw_digit, print_look
from translate.testing import assert_source_conforms


def source(**options: int) -> GeneratedDigits:
    return GeneratedDigits(GeneratedDigits.Config(**{"size": 16, "train": 20, "test": 10, **options}), seed=3)


def test_it_conforms() -> None:
    assert_source_conforms(GeneratedDigits, options={"size": 16, "train": 20, "test": 10})


def test_a_digit_looks_more_like_its_kind_than_like_any_other() -> None:
    """The nearest mean of a hundred drawings each, on fresh ones: ink lies where a digit has its strokes."""
    means = np.stack([np.mean([draw_digit(d, 1000 * d + n, 24) for n in range(100)], axis=0) for d in range(10)])
    right = 0
    for digit in range(10):
        for seed in range(50_000, 50_020):
            ink = draw_digit(digit, seed, 24)
            right += int(((means - ink) ** 2).sum((1, 2)).argmin()) == digit
    assert right > 0.6 * 200  # guessing is right in 20


def test_ink_lies_within_the_picture_and_differs_from_seed_to_seed() -> None:
    for digit in range(10):
        first, second = draw_digit(digit, 1, 32), draw_digit(digit, 2, 32)
        assert first.dtype == np.float32 and first.min() >= 0 and first.max() == 1
        assert not np.array_equal(first, second)
        assert np.array_equal(first, draw_digit(digit, 1, 32))
        border = np.concatenate([first[0], first[-1], first[:, 0], first[:, -1]])
        assert border.max() == 0


def test_clean_is_the_ink_and_print_is_brighter_where_ink_is() -> None:
    for seed in range(10):
        ink = draw_digit(seed % 10, seed, 32)
        clean, printed = clean_look(ink), print_look(ink, seed)
        assert np.array_equal(clean[..., 0], np.rint(ink * 255)) and (clean == clean[..., :1]).all()
        inside, outside = printed[ink == 1].mean(), printed[ink == 0].mean()
        assert inside > outside + 30
        colourful = np.ptp(printed.mean((0, 1)))
        assert colourful > 2


def test_sides_classes_and_keys() -> None:
    facts = source(val=4).facts()
    assert facts.splits == ("train", "val", "test") and facts.pairs == {"val", "test"}
    assert facts.data.groups == [("a", "a_class"), ("b", "b_class")]
    assert facts.data["a"] == Image(channels=3) and facts.data["b_class"] == Class(tuple("0123456789"))
    records = list(source().records("train"))
    keys = {side: {r.key for r in records if r.side == side} for side in facts.data}
    assert keys["a"] == keys["a_class"] and keys["b"] == keys["b_class"] and not keys["a"] & keys["b"]
    classes = [r.load() for r in records if r.side == "b_class"]
    assert sorted(classes) == sorted([*range(10)] * 2)


def test_the_same_digits_on_both_sides_of_test() -> None:
    """Of ten clean digits, the one under a print's own key is most like it: ink is bright in all three colours."""
    images = {(r.key, r.side): r.load() for r in source(size=32).records("test")}
    keys = [f"{number:05d}" for number in range(10)]
    clean = [images[key, "a"].min(2).ravel() for key in keys]
    for number, key in enumerate(keys):
        assert images[key, "a_class"] == images[key, "b_class"] == number
        likeness = [np.corrcoef(images[key, "b"].min(2).ravel(), other)[0, 1] for other in clean]
        assert int(np.argmax(likeness)) == number


@pytest.mark.parametrize("size", [16, 256])
def test_any_size(size: int) -> None:
    (record,) = [r for r in source(size=size, test=1).records("test") if r.side == "b"]
    assert record.load().shape == (size, size, 3)
