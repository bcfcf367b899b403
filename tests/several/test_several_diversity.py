"""The metric of several answers to one input, and the data that has several right ones."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from translate import ConfigError, DataError, EvaluationContext, NoOptions
from translate.data.generated.sketches import GeneratedSketches, make_shoe
from translate.metrics import Diversity, score_sets
from translate.metrics.diversity import equal_images
from translate.testing.component import configured


def flat(*values: float) -> list[Tensor]:
    return [torch.full((3, 4, 4), value) for value in values]


def context(inputs: list[Tensor]) -> EvaluationContext:
    keys = [str(n) for n in range(len(inputs))]
    return EvaluationContext("target", "input", keys, inputs, inputs, lambda side: [])


ONE, OTHER, ALONE = flat(0.1, 0.9, 0.5)


def scores(outputs: list[Tensor], references: list[Tensor], inputs: list[Tensor]) -> dict[str, float]:
    found = score_sets([Diversity(NoOptions())], outputs, references, context=context(inputs))
    return {score.metric: score.value for score in found}


def test_the_mean_distance_of_pairs_of_one_input() -> None:
    inputs = [ONE, OTHER, ONE, OTHER, ALONE, ONE]
    outputs = flat(0.0, 0.5, 0.2, 0.7, 1.0, 0.6)
    references = flat(0.0, 0.0, 0.4, 0.4, 0.9, 0.8)
    of_one = (0.2 + 0.6 + 0.4) / 3
    real = ((0.4 + 0.8 + 0.4) / 3 + 0.4) / 2
    assert scores(outputs, references, inputs) == pytest.approx({
        "diversity": (of_one + 0.2) / 2,
        "diversity/real": real,
        "diversity/share": (of_one + 0.2) / 2 / real,
    })  # fmt: skip


def test_one_answer_for_all_has_none_and_real_ones_without_any_have_no_share() -> None:
    inputs = [ONE, ONE, OTHER, OTHER]
    assert scores(flat(0.3, 0.3, 0.4, 0.4), flat(0.1, 0.2, 0.3, 0.4), inputs)["diversity/share"] == 0
    assert math.isnan(scores(flat(0.3, 0.2, 0.4, 0.4), flat(0.1, 0.1, 0.3, 0.3), inputs)["diversity/share"])


def test_inputs_that_differ_in_one_pixel_or_in_shape_are_not_one() -> None:
    near = ONE.clone()
    near[0, 0, 0] += 1 / 255
    assert equal_images([ONE, near, ONE.reshape(3, 2, 8), ONE.clone()]) == [[0, 3]]


def test_without_two_answers_it_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"no two inputs here are equal; .*looks: 5"):
        scores(flat(0.1, 0.2), flat(0.1, 0.2), [ONE, OTHER])
    with pytest.raises(DataError, match="two answers to one input differ in size"):
        scores([ONE, torch.zeros(3, 4, 5)], flat(0.1, 0.2), [ONE, ONE])


def test_it_is_what_convert_reports_of_samples() -> None:
    from translate.conversion.batches import diversity
    from translate.imaging.io import Image

    draw = np.random.default_rng(1)
    pixels = [draw.integers(0, 256, (5, 6, 3), dtype=np.uint8) for _ in range(4)]
    tensors = [torch.from_numpy(p).permute(2, 0, 1).float() / 255 for p in pixels]
    ours = scores(tensors, tensors, [ONE] * 4)["diversity"]
    assert ours == pytest.approx(diversity([Image(p) for p in pixels]), rel=1e-6)


def test_a_shoe_of_a_free_colour_has_the_same_sketch_in_every_look() -> None:
    sketch, picture = make_shoe(3, 32)
    first, second = make_shoe(3, 32, look=1), make_shoe(3, 32, look=2)
    assert np.array_equal(sketch, first[0]) and np.array_equal(sketch, second[0])
    apart = [np.abs(a.astype(float) - b).mean() / 255 for a, b in combinations((picture, first[1], second[1]), 2)]
    assert min(apart) > 0.01
    assert np.array_equal(first[1], make_shoe(3, 32, look=1)[1])


def test_colours_that_are_free_do_not_follow_from_the_shape() -> None:
    """The blue of a shoe's leather grows with its leg where the colour follows from the shape, and not where it is
    free."""
    legs, blues = [], []
    for seed in range(60):
        sketch, picture = make_shoe(seed, 24, look=seed + 1000)
        legs.append((sketch.min(axis=2) < 128).any(axis=1).argmax())
        body = picture[picture.min(axis=2) < 200].astype(float).mean(axis=0)
        blues.append(body[2] - body[0])
    assert abs(np.corrcoef(legs, blues)[0, 1]) < 0.35


def test_looks_are_in_folders_of_their_sketch() -> None:
    config = configured(GeneratedSketches, {
        "kind": "paired", "size": 16, "train": 2, "val": 1, "test": 2, "colour": "free", "looks": 3
    })  # fmt: skip
    source = GeneratedSketches(config, seed=4)  # type: ignore[arg-type]
    assert [(r.key, r.side) for r in source.records("train")] == [
        ("00000", "input"), ("00000", "target"), ("00001", "input"), ("00001", "target")
    ]  # fmt: skip
    records = list(source.records("test"))
    keys = [f"{n:05d}/{k}" for n in range(2) for k in range(3)]
    for side in ("input", "target"):
        assert [r.key for r in records if r.side == side] == keys
    sketches = [r.load() for r in records if r.side == "input"]
    pictures = [r.load() for r in records if r.side == "target"]
    assert np.array_equal(sketches[0], sketches[2]) and not np.array_equal(sketches[2], sketches[3])
    assert len({p.tobytes() for p in pictures}) == 6


def test_shoes_of_before_are_the_same() -> None:
    """An option more changes no picture of those who do not use it."""
    config = GeneratedSketches.Config(kind="paired", size=16, train=1, test=0)
    (sketch, picture) = (record.load() for record in GeneratedSketches(config, seed=4).records("train"))
    from translate.seeding import derive

    expected = make_shoe(derive(4, "shoe", "train", "00000"), 16)
    assert np.array_equal(sketch, expected[0]) and np.array_equal(picture, expected[1])


def test_looks_ask_for_a_free_colour() -> None:
    with pytest.raises(ConfigError, match="say `colour: free`"):
        configured(GeneratedSketches, {"kind": "paired", "looks": 2})


def test_a_context_of_drawn_images_keeps_its_groups() -> None:
    """Metrics may be asked for any part of a set: groups follow the inputs of that part."""
    inputs = [ONE, OTHER, ONE]
    metric, whole = Diversity(NoOptions()), context(inputs)
    part = replace(whole, inputs=[inputs[0], inputs[2]], keys=["0", "2"])
    assert metric.score(flat(0.0, 0.5), flat(0.0, 0.0), part) == 0.5
