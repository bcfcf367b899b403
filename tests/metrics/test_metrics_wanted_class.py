"""`wanted-class`: who asked for what, judged by a classifier of real images, on pictures whose class is plain."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from translate.contracts import MISSING, Class, DataSpec, EvaluationContext, Image, Sides
from translate.errors import ConfigError, ContractError, DataError
from translate.metrics import WantedClass
from translate.metrics.bootstrap import drawn_context, resampled
from translate.testing import assert_metric_conforms

NAMES = ("top", "middle", "bottom")
SPEC = DataSpec(
    Sides({"image": Image(), "class": Class(NAMES)}, together=(("image", "class"),)), {"image": 3}, (24, 24)
)


def picture(index: int, seed: int) -> Tensor:
    """Noise with a bright bar that says the class by its colour."""
    image = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(seed)) * 0.4
    image[index, 4 + seed % 12 : 8 + seed % 12, 3:20] = 1.0
    return image


def metric_of(**options: Any) -> WantedClass:
    return WantedClass(WantedClass.Config(width=4, epochs=12, held_out=0.2, **options), SPEC)


def context_of(count: int, asked: list[int] | None = None) -> EvaluationContext:
    training = [(number % 3, picture(number % 3, number)) for number in range(150)]
    context = EvaluationContext(
        target_side="image",
        source_side="image",
        keys=[str(n) for n in range(count)],
        inputs=[],
        exemplars=[],
        training_images=lambda side: [image for _, image in training],
        spec=SPEC,
        training_values=lambda side: [index for index, _ in training],
    )
    return context if asked is None else replace(context, values={"class": asked})


@pytest.fixture(scope="module")
def judged() -> tuple[WantedClass, list[Tensor]]:
    metric = metric_of()
    metric.classifier.trained(context_of(0))
    return metric, [picture(n % 3, 1000 + n) for n in range(30)]


def test_it_conforms() -> None:
    assert_metric_conforms(WantedClass, options={"width": 4, "epochs": 12})


def test_what_was_asked_for_is_right_and_all_else_wrong(judged: tuple[WantedClass, list[Tensor]]) -> None:
    metric, outputs = judged
    right = [n % 3 for n in range(30)]
    assert metric.score(outputs, [], context_of(30, right)) >= 0.9
    assert metric.score(outputs, [], context_of(30, [(n + 1) % 3 for n in right])) <= 0.1
    half = [n if place < 15 else (n + 1) % 3 for place, n in enumerate(right)]
    assert metric.score(outputs, [], context_of(30, half)) == pytest.approx(0.5, abs=0.1)


def test_parts_by_class_and_the_classifiers_own(judged: tuple[WantedClass, list[Tensor]]) -> None:
    metric, outputs = judged
    always = [0] * 30
    parts = metric.details(outputs, [], context_of(30, always))
    assert list(parts) == ["wanted-class/own", *(f"wanted-class/{name}" for name in NAMES)]
    assert parts["wanted-class/own"] >= 0.9
    assert (
        parts["wanted-class/top"] == metric.score(outputs, [], context_of(30, always)) == pytest.approx(1 / 3, abs=0.1)
    )
    assert math.isnan(parts["wanted-class/middle"])


def test_one_class_for_all_by_name(judged: tuple[WantedClass, list[Tensor]]) -> None:
    _, outputs = judged
    named = metric_of(wanted="middle")
    assert named.score(outputs[1::3], [], context_of(10)) >= 0.9
    assert named.score(outputs[0::3], [], context_of(10)) <= 0.1


def test_draws_keep_outputs_and_what_they_were_asked_for_together(judged: tuple[WantedClass, list[Tensor]]) -> None:
    metric, outputs = judged
    context = context_of(30, [n % 3 for n in range(30)])
    assert list(drawn_context(context, [4, 4, 2]).values["class"]) == [1, 1, 2]  # type: ignore[union-attr]
    assert min(resampled(metric, outputs, [], 5, context=context)) >= 0.8


def test_what_it_cannot_judge() -> None:
    with pytest.raises(DataError, match="say `wanted: NAME`"):
        metric_of().score([picture(0, 0)], [], context_of(1))
    with pytest.raises(ConfigError, match="needs a side of classes 'hat'; there are class"):
        metric_of(side="hat")
    with pytest.raises(ConfigError, match="no class is called 'tpo'; did you mean 'top'"):
        metric_of(wanted="tpo")
    with pytest.raises(ConfigError, match="there are none"):
        WantedClass(WantedClass.Config(), DataSpec("single", {"image": 3}, (8, 8)))
    few = replace(context_of(1, [0]), training_values=lambda side: [0, 1, 2] * 3 + [MISSING] * 141)
    with pytest.raises(DataError, match="'top' looks like from at least 4 training images"):
        metric_of().score([picture(0, 0)], [], few)
    with pytest.raises(ContractError, match="values of side 'class' are not known"):
        EvaluationContext("image", "image", [], [], [], lambda side: []).training_values("class")
