"""Scores of images: metrics of pairs, of sets and of classes, and the functions that apply them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from translate.contracts import Metric
from translate.markers import hookimpl
from translate.metrics.attribute import AttributeAccuracy, ColourfulPlace, ExemplarRetrieval, PlaceL1
from translate.metrics.colour import AbAuC, AbPSNR, Colourfulness
from translate.metrics.images import Deferred, Enlarged, Images, LabelMaps, by_key
from translate.metrics.luma import PSNRLuma, SSIMLuma
from translate.metrics.paired import L1, PSNR, SSIM
from translate.metrics.scores import (
    Comparison,
    Score,
    evaluate_sets,
    metric_problems,
    score_folders,
    score_sets,
    table,
)
from translate.metrics.segmentation import ClassAccuracy, MeanIoU, PaletteAccuracy, PixelAccuracy
from translate.metrics.two_sample import SWD

__all__ = [
    "L1",
    "PSNR",
    "SSIM",
    "SWD",
    "AttributeAccuracy",
    "ClassAccuracy",
    "ColourfulPlace",
    "Comparison",
    "Deferred",
    "Enlarged",
    "ExemplarRetrieval",
    "Images",
    "LabelMaps",
    "MeanIoU",
    "PaletteAccuracy",
    "PixelAccuracy",
    "PlaceL1",
    "Score",
    "by_key",
    "evaluate_sets",
    "metric_problems",
    "score_folders",
    "score_sets",
    "table",
]


@hookimpl
def translate_metrics() -> Iterable[type[Metric[Any]]]:
    return [
        L1,
        PSNR,
        SSIM,
        PSNRLuma,
        SSIMLuma,
        AbPSNR,
        AbAuC,
        Colourfulness,
        SWD,
        PaletteAccuracy,
        MeanIoU,
        PixelAccuracy,
        ClassAccuracy,
        PlaceL1,
        ColourfulPlace,
        ExemplarRetrieval,
        AttributeAccuracy,
    ]
