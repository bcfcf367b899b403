"""The information of an input about what is seen: in closed form, and on pictures whose class is plain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from translate.contracts import Class, DataSpec, EvaluationContext, Image, Sides
from translate.errors import ConfigError, DataError
from translate.metrics import InputInformation
from translate.metrics.input_information import contingency, information
from translate.testing import assert_metric_conforms

SPEC = DataSpec(
    Sides({"image": Image(), "hat": Class(("red", "green", "blue"))}, together=(("image", "hat"),)),
    {"image": 3},
    (16, 16),
)


def picture(index: int, seed: int) -> Tensor:
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 0.5
    image[index, 4:12, 4:12] = 1.0
    return image


@pytest.fixture(scope="module")
def metric() -> InputInformation:
    return InputInformation(InputInformation.Config(side="hat", width=4, epochs=10), SPEC)


def context_of(codes: list[int]) -> EvaluationContext:
    training = [(number % 3, picture(number % 3, number)) for number in range(120)]
    return EvaluationContext(
        target_side="image",
        source_side="image",
        keys=[str(number) for number in range(len(codes))],
        inputs=[],
        exemplars=[],
        training_images=lambda side: [image for _, image in training],
        spec=SPEC,
        values={"code": codes},
        training_values=lambda side: [index for index, _ in training],
    )


def test_information_of_tables_that_are_known() -> None:
    """All, none, and of a binary channel that is wrong with probability 0.1: log 2 - H(0.1)."""
    assert information(np.eye(4) * 1e6) == pytest.approx(math.log(4), abs=1e-5)
    assert information(np.full((3, 4), 1e6)) == pytest.approx(0, abs=1e-5)
    channel = np.array([[0.45, 0.05], [0.05, 0.45]]) * 1e7
    exact = math.log(2) + 0.1 * math.log(0.1) + 0.9 * math.log(0.9)
    assert information(channel) == pytest.approx(exact, abs=1e-5)


def test_chance_gives_nothing_on_average() -> None:
    """Without the correction 200 independent pairs of four by four would have 9 / 400 nats."""
    rng = np.random.default_rng(0)
    tables = [contingency(rng.integers(4, size=200).tolist(), rng.integers(4, size=200).tolist()) for _ in range(300)]
    assert np.mean([information(table) for table in tables]) < 0.006


def test_a_code_that_decides_the_hat_and_one_that_does_not(metric: InputInformation) -> None:
    codes = [number % 3 for number in range(90)]
    outputs = [picture(code, 1000 + number) for number, code in enumerate(codes)]
    assert metric.score(outputs, [], context_of(codes)) == pytest.approx(math.log(3), abs=0.05)
    renamed = [(2 * code + 1) % 3 for code in codes]
    assert metric.score(outputs, [], context_of(renamed)) == pytest.approx(math.log(3), abs=0.05)
    other = [number // 3 % 3 for number in range(90)]
    assert metric.score(outputs, [], context_of(other)) < 0.02
    assert metric.details(outputs, [], context_of(codes)) == {"input-information/most": pytest.approx(math.log(3))}


def test_it_conforms() -> None:
    assert_metric_conforms(InputInformation, options={"input": "class", "width": 2, "epochs": 1})


def test_what_it_cannot_judge(metric: InputInformation) -> None:
    with pytest.raises(DataError, match="the direction has no input 'code'; there is none"):
        metric.score([picture(0, 0)], [], replace(context_of([0]), values={}))
    with pytest.raises(ConfigError, match="input-information needs a side of classes 'class'; there are hat"):
        InputInformation(InputInformation.Config(), SPEC)
