"""What a metric gets beside outputs and references, and how metrics that take less still work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from translate import ContractError, EvaluationContext, Metric, NoOptions
from translate.metrics import Comparison, Deferred, score_sets
from translate.metrics.bootstrap import drawn_context


def flat(values: Sequence[float]) -> list[Tensor]:
    return [torch.full((1, 2, 2), value) for value in values]


CONTEXT = EvaluationContext(
    target_side="b",
    source_side="a",
    keys=["one", "two", "three"],
    inputs=flat([0.1, 0.2, 0.3]),
    exemplars=flat([0.4, 0.5, 0.6]),
    training_images=lambda side: flat([0.9]),
    device="cuda:1",
)


class Short(Metric[NoOptions]):
    """The number of outputs, by the two arguments that metrics had before there was a context."""

    name, paired = "short", False

    def score(self, outputs, references):  # type: ignore[no-untyped-def, override]
        return float(len(outputs))

    def details(self, outputs, references):  # type: ignore[no-untyped-def, override]
        return {"short/references": float(len(references))}


class Follows(Metric[NoOptions]):
    """How far outputs are from their inputs: a mean of images that needs the context."""

    name, paired, mean_of_images, needs_context = "follows", False, True, True

    def __init__(self, config: NoOptions, spec: Any = None) -> None:
        super().__init__(config, spec)
        self.devices: list[str] = []

    def score(self, outputs: Any, references: Any, context: EvaluationContext | None = None) -> float:
        assert context is not None and len(context.keys) == len(outputs)
        self.devices.append(context.device)
        apart = [float((a - b).abs().mean()) for a, b in zip(outputs, context.inputs, strict=True)]
        return sum(apart) / len(apart)


def test_a_metric_without_the_argument_is_called_without_it() -> None:
    scores = score_sets([Short(NoOptions())], flat([0.0] * 3), flat([0.0] * 2), context=CONTEXT)
    assert {score.metric: score.value for score in scores} == {"short": 3, "short/references": 2}


def test_so_is_a_subclass_of_one() -> None:
    class Shorter(Short):
        def score(self, outputs, references):  # type: ignore[no-untyped-def]
            return super().score(outputs, references) / 2

    assert Shorter(NoOptions()).score(flat([0.0]), [], CONTEXT) == 0.5


def test_a_metric_that_waits_for_look_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(ContractError, match=r"metric waits: `look\(scene\)` and `looks` are gone; .*needs_context"):

        class Waits(Metric[NoOptions]):
            name = "waits"

            def look(self, scene: Any) -> None:
                self.scene = scene

            def score(self, outputs: Any, references: Any) -> float:  # type: ignore[override]
                return 0.0


def test_every_score_of_a_set_gets_the_context_of_its_images() -> None:
    metric, outputs = Follows(NoOptions()), flat([0.2, 0.4, 0.6])
    comparison = Comparison(inputs=flat([0.1, 0.2, 0.3]), rival=flat([0.1, 0.2, 0.6]), bootstrap=10)
    (score,) = score_sets([metric], outputs, [outputs[0]], comparison, CONTEXT)
    assert (score.value, score.copy, score.rival) == pytest.approx((0.2, 0.0, 0.1))
    assert score.interval is not None and score.interval[0] < 0.2 < score.interval[1]
    assert set(metric.devices) == {"cuda:1"}


def test_a_drawn_set_has_its_own_images_as_context() -> None:
    drawn = drawn_context(CONTEXT, [2, 0, 2])
    assert drawn is not None and drawn.counterparts is None and list(drawn.keys) == ["three", "one", "three"]
    assert [float(image.mean()) for image in drawn.inputs] == pytest.approx([0.3, 0.1, 0.3])
    whole = drawn_context(replace(CONTEXT, counterparts=flat([0.0, 0.1, 0.2])), [1])
    assert whole is not None and whole.counterparts is not None and float(whole.counterparts[0].mean()) > 0.09
    assert drawn_context(None, [0]) is None


def test_images_that_nobody_asks_for_are_not_gathered() -> None:
    gathered: list[int] = []

    def gather() -> list[Tensor]:
        gathered.append(1)
        return flat([0.5, 0.6])

    images = Deferred(gather)
    assert not gathered
    assert len(images) == 2 and float(images[1].mean()) == pytest.approx(0.6) and gathered == [1]
