"""Objectives: the adversarial games, the image pool, and loss terms that pipelines add."""

from __future__ import annotations

from typing import Any

from translate.markers import hookimpl
from translate.objectives.adversarial import AdversarialLoss, ObjectiveConfig
from translate.objectives.forms import OBJECTIVES
from translate.objectives.image_terms import MSSSIM, SSIM, ColourHistogram, Edge, FocalFrequency
from translate.objectives.labels import MedianFrequency, cross_entropy, dice_loss, one_hot
from translate.objectives.network_terms import FeatureMatching, GradientPenalty, Identity, Perceptual
from translate.objectives.objective import Objective
from translate.objectives.pool import ImagePool
from translate.objectives.terms import L1, Charbonnier, LossTerm, TotalVariation

__all__ = [
    "AdversarialLoss",
    "ImagePool",
    "LossTerm",
    "MedianFrequency",
    "Objective",
    "ObjectiveConfig",
    "cross_entropy",
    "dice_loss",
    "one_hot",
]


@hookimpl
def translate_objectives() -> list[type[AdversarialLoss[Any]]]:
    """The built-in adversarial objectives."""
    return list(OBJECTIVES.values())


@hookimpl
def translate_losses() -> list[type[LossTerm[Any]]]:
    """The built-in loss terms."""
    return [
        TotalVariation,
        L1,
        Charbonnier,
        SSIM,
        MSSSIM,
        Edge,
        ColourHistogram,
        FocalFrequency,
        Perceptual,
        FeatureMatching,
        GradientPenalty,
        Identity,
    ]
