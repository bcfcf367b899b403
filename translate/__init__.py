"""Image-to-image translation: train, convert and score with one pipeline file; methods are plugins.

Everything that a plugin may import is re-exported here, lazily, so that `import translate` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from translate.contracts import (
        CONTRACT,
        IGNORE,
        Artifact,
        Build,
        Config,
        Configured,
        DataSpec,
        Direction,
        LossUse,
        Method,
        Metric,
        MetricUse,
        Need,
        Nets,
        NetworkUse,
        NoOptions,
        Problem,
        Record,
        Scene,
        Source,
        SourceFacts,
        SourceUse,
        Stage,
        StageContext,
        Step,
        TestTime,
        Tracker,
        Transform,
        TransformUse,
        Update,
        Use,
    )
    from translate.data.masks import load_masks
    from translate.errors import ConfigError, ContractError, DataError, PluginError, StageError, TranslateError
    from translate.hookspecs import hookimpl
    from translate.inference.translator import Translator, load
    from translate.networks import Network, batched, bicubic, feature_distance, features_of, to_lab, to_rgb
    from translate.objectives import (
        ImagePool,
        LossTerm,
        MedianFrequency,
        Objective,
        cross_entropy,
        dice_loss,
        one_hot,
    )
    from translate.pipeline import run

_HOME = {
    "translate.contracts": (
        "CONTRACT IGNORE Artifact Build Config Configured DataSpec Direction LossUse Method Metric MetricUse Need "
        "Nets NetworkUse NoOptions Problem Record Scene Source SourceFacts SourceUse Stage StageContext Step "
        "TestTime Tracker Transform TransformUse Update Use"
    ),
    "translate.data.masks": "load_masks",
    "translate.errors": "ConfigError ContractError DataError PluginError StageError TranslateError",
    "translate.hookspecs": "hookimpl",
    "translate.inference.translator": "Translator load",
    "translate.networks": "Network batched bicubic feature_distance features_of to_lab to_rgb",
    "translate.objectives": "ImagePool LossTerm MedianFrequency Objective cross_entropy dice_loss one_hot",
    "translate.pipeline": "run",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "CONTRACT",
    "IGNORE",
    "Artifact",
    "Build",
    "Config",
    "ConfigError",
    "Configured",
    "ContractError",
    "DataError",
    "DataSpec",
    "Direction",
    "ImagePool",
    "LossTerm",
    "LossUse",
    "MedianFrequency",
    "Method",
    "Metric",
    "MetricUse",
    "Need",
    "Nets",
    "Network",
    "NetworkUse",
    "NoOptions",
    "Objective",
    "PluginError",
    "Problem",
    "Record",
    "Scene",
    "Source",
    "SourceFacts",
    "SourceUse",
    "Stage",
    "StageContext",
    "StageError",
    "Step",
    "TestTime",
    "Tracker",
    "Transform",
    "TransformUse",
    "TranslateError",
    "Translator",
    "Update",
    "Use",
    "batched",
    "bicubic",
    "cross_entropy",
    "dice_loss",
    "feature_distance",
    "features_of",
    "hookimpl",
    "load",
    "load_masks",
    "one_hot",
    "run",
    "to_lab",
    "to_rgb",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'translate' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
