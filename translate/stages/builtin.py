"""The built-in stages, registered by the hooks that plugins implement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from translate.contracts import Stage
from translate.markers import hookimpl
from translate.stages.evaluate import EvaluateStage
from translate.stages.infer import InferStage
from translate.stages.pair import PairStage
from translate.stages.preprocess import PreprocessStage
from translate.stages.train import TrainStage


@hookimpl
def translate_stages() -> Iterable[type[Stage[Any]]]:
    """The built-in stages."""
    return (PreprocessStage, TrainStage, InferStage, PairStage, EvaluateStage)
