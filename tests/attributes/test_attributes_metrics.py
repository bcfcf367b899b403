"""Metrics of objects that were given or taken, on pictures whose score is known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from translate_genegan.metrics import AttributeAccuracy, ColourfulPlace, ExemplarRetrieval, PlaceL1

from translate.contracts import DatasetFacts, DataSpec, EvaluationContext, MetricUse
from translate.data.generated.portraits import CORE, PLACE, make_portrait
from translate.errors import ConfigError, DataError
from translate.metrics import Outputs, metric_problems
from translate.metrics.classifier import train_classifier

SPEC = DataSpec("attribute", {"with": 3, "without": 3}, (64, 64))


def portrait(person: int, hat: int | None) -> Tensor:
    return torch.from_numpy(make_portrait(person, hat, 64)).permute(2, 0, 1).float() / 255


def context_of(count: int, side: str = "with") -> EvaluationContext:
    """People 0 to 2 count - 1, two and two with the same hat: the exemplar of each is its neighbour."""
    people = range(2 * count)
    return EvaluationContext(
        side,
        "without",
        [f"{n // 2:05d}/{n:05d}" for n in people],
        [portrait(n, None) for n in people],
        [portrait(n ^ 1, 500 + n // 2) for n in people],
        lambda side: [],
        [portrait(n ^ 1, None) for n in people],
    )


def test_l1_at_a_place_and_elsewhere() -> None:
    one, other = torch.zeros(3, 10, 10), torch.zeros(3, 10, 10)
    other[:, :5, :5] = 0.5
    other[:, 9, 9] = 1.0
    corner = (0.0, 0.0, 0.5, 0.5)
    assert PlaceL1(PlaceL1.Config(place=corner)).score([one], [other]) == pytest.approx(0.5)
    outside = PlaceL1(PlaceL1.Config(place=corner, outside=True)).score([one, one], [other, one])
    assert outside == pytest.approx(0.5 / 75)
    with pytest.raises(DataError, match="nothing is outside"):
        PlaceL1(PlaceL1.Config(outside=True)).score([one], [other])
    with pytest.raises(ValueError, match="top, left, bottom, right"):
        PlaceL1.Config(place=(0.5, 0.0, 0.5, 1.0))


def test_hats_are_seen_on_and_off() -> None:
    worn, bare = [portrait(n, n) for n in range(12)], [portrait(n, None) for n in range(12)]
    on, off = (ColourfulPlace(ColourfulPlace.Config(place=CORE, absent=absent)) for absent in (False, True))
    assert (on.score(worn, []), on.score(bare, []), off.score(worn, []), off.score(bare, [])) == (1, 0, 0, 1)
    assert on.score([*worn, *bare, *bare], []) == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="1 channels"):
        on.score([worn[0][:1]], [])


def test_the_truth_retrieves_its_exemplar_and_any_hat_does_not() -> None:
    """The truth of person n is n with the neighbour's hat; CycleGAN's case is a hat of nobody here."""
    metric = ExemplarRetrieval(ExemplarRetrieval.Config(place=PLACE, candidates=20))
    context = context_of(25)
    truth = [portrait(n, 500 + n // 2) for n in range(50)]
    assert metric.score(truth, [], context) == 1
    assert metric.score([portrait(n, 900 + n) for n in range(50)], [], context) <= 0.25
    assert metric.score([portrait(n, None) for n in range(50)], [], context) <= 0.25
    apart = dataclasses.replace(context, counterparts=None)
    assert 0.3 < metric.score(truth, [], apart) < 1  # backgrounds disturb where nothing tells them from objects


def test_candidates_have_other_objects_and_other_backgrounds() -> None:
    metric = ExemplarRetrieval(ExemplarRetrieval.Config(candidates=3))
    assert [metric._others(context_of(3).keys, n) for n in (0, 1, 4)] == [[2, 3], [2, 3], [0, 1]]
    assert metric._others(["a", "b", "c"], 1) == [2, 0]
    with pytest.raises(DataError, match="at least two images"):
        metric._others(context_of(1).keys, 0)


def test_a_classifier_learns_what_tells_two_sides_apart_and_says_how_well() -> None:
    noise = torch.Generator().manual_seed(0)
    plain = [torch.rand(3, 24, 24, generator=noise) * 0.5 for _ in range(180)]
    marked = [torch.rand(3, 24, 24, generator=noise) * 0.5 for _ in range(180)]
    for n, image in enumerate(marked):
        image[:, 4 + n % 12 : 8 + n % 12, 6:10] = 1.0
    training = {"with": marked[:140], "without": plain[:140]}
    context = EvaluationContext("with", "without", [], [], [], training.__getitem__)
    metric = AttributeAccuracy(AttributeAccuracy.Config(epochs=12, width=4, held_out=0.2), SPEC)
    before = torch.random.get_rng_state()
    assert metric.score(marked[140:], [], context) >= 0.9 and metric.score(plain[140:], [], context) <= 0.1
    assert torch.equal(before, torch.random.get_rng_state())
    classifier, own = metric.trained(context)
    assert metric.details([], [], context) == {"attribute-accuracy/own": own} and own >= 0.9
    again = AttributeAccuracy(AttributeAccuracy.Config(epochs=12, width=4, held_out=0.2), SPEC)
    for a, b in zip(again.trained(context)[0].net.parameters(), classifier.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_labels_without_meaning_are_guessed() -> None:
    noise = torch.Generator().manual_seed(1)
    images = [torch.rand(1, 16, 16, generator=noise) for _ in range(200)]
    _, own = train_classifier([images[:100], images[100:]], width=2, epochs=2, seed=0, held_out=0.4)
    assert 0.3 < own < 0.7
    with pytest.raises(DataError, match="at least 4 training images"):
        train_classifier([images[:3], images], width=2, epochs=1, seed=0, held_out=0.1)


def test_what_looks_around_needs_a_context(registry) -> None:  # type: ignore[no-untyped-def]
    uses = [MetricUse(uses="exemplar-retrieval"), MetricUse(uses="swd")]
    data = DatasetFacts("attribute", ("test",))
    (problem,) = metric_problems(uses, data, "test", registry)
    assert problem[0] == 0 and "looks at inputs and training images" in problem[1]
    assert not list(metric_problems(uses, data, "test", registry, Outputs(context=True)))
    with pytest.raises(ConfigError, match="has not two"):
        AttributeAccuracy(AttributeAccuracy.Config(), DataSpec("single", {"image": 3}, (8, 8)))
