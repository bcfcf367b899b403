"""my-plugin: what the metric measures in a sentence, and the paper that it is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from translate import Config, EvaluationContext, Metric, hookimpl

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The options of the metric. The string below each is its description."""

    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The largest difference, of the range from 0 to 1, at which a value counts as right."""


class MyPlugin(Metric[MyPluginConfig]):
    """The share of values that are as in the reference, within a tolerance; the mean over images."""

    name = "my-plugin"
    better = "higher"
    paired = True

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        """Images C x H x W in [0, 1]; output i belongs to reference i. They are read as they are asked for.

        `context` knows the inputs, the training images and the device; it is None where two folders are compared.
        """
        right = [
            ((output - reference).abs() <= self.config.tolerance).double().mean().item()
            for output, reference in zip(outputs, references, strict=True)
        ]
        return sum(right) / len(right)


@hookimpl
def translate_metrics() -> list[type[Metric[Any]]]:
    return [MyPlugin]
