"""my-plugin: what the metric measures in a sentence, and the paper that it is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor
from translate import Config, Metric, hookimpl

translate_contract = ">=1,<2"


class MyPluginConfig(Config):
    """`tolerance`: the largest difference, of the range from 0 to 1, at which a value counts as right."""

    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05


class MyPlugin(Metric[MyPluginConfig]):
    """The share of values that are as in the reference, within a tolerance; the mean over images."""

    name = "my-plugin"
    better = "higher"
    paired = True

    def score(self, outputs: Sequence[Tensor], references: Sequence[Tensor]) -> float:
        """Images C x H x W in [0, 1]; output i belongs to reference i. They are read as they are asked for."""
        right = [
            ((output - reference).abs() <= self.config.tolerance).double().mean().item()
            for output, reference in zip(outputs, references, strict=True)
        ]
        return sum(right) / len(right)


@hookimpl
def translate_metrics() -> list[type[Metric[Any]]]:
    return [MyPlugin]
