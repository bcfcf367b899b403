"""Scores of images: metrics of pairs, of sets and of classes, and the functions that apply them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from translate.contracts import Metric
from translate.markers import hookimpl
from translate.metrics.accuracy import Accuracy, Classes
from translate.metrics.c2st import C2ST
from translate.metrics.checkerboard import Checkerboard
from translate.metrics.classifier import Classifier, train_classifier
from translate.metrics.diversity import Diversity
from translate.metrics.features.equal_sets import MMD, Memorised, NearestNeighbour, SupportSize, Wasserstein
from translate.metrics.features.of_sets import FID, KID, FDRandom, KDRandom, PrecisionInception, PrecisionRandom
from translate.metrics.images import Deferred, Enlarged, Images, LabelMaps, by_key
from translate.metrics.input_information import InputInformation
from translate.metrics.luma import PSNRLuma, SSIMLuma
from translate.metrics.paired import L1, PSNR, SSIM, PixelMatch
from translate.metrics.pairs import decibel, mean_score, paired_images
from translate.metrics.perceptual.lpips import DISTS, LPIPS
from translate.metrics.perceptual.multi_scale import MSSSIM
from translate.metrics.scores import (
    Comparison,
    Outputs,
    Score,
    evaluate_sets,
    metric_problems,
    score_sets,
    table,
)
from translate.metrics.segmentation import ClassAccuracy, MeanIoU, PaletteAccuracy, PixelAccuracy
from translate.metrics.two_sample import SWD
from translate.metrics.wanted_class import WantedClass

__all__ = [
    "C2ST",
    "L1",
    "PSNR",
    "SSIM",
    "SWD",
    "Accuracy",
    "Checkerboard",
    "ClassAccuracy",
    "Classes",
    "Classifier",
    "Comparison",
    "Deferred",
    "Diversity",
    "Enlarged",
    "Images",
    "InputInformation",
    "LabelMaps",
    "MeanIoU",
    "Outputs",
    "PaletteAccuracy",
    "PixelAccuracy",
    "Score",
    "WantedClass",
    "by_key",
    "decibel",
    "evaluate_sets",
    "mean_score",
    "metric_problems",
    "paired_images",
    "score_sets",
    "table",
    "train_classifier",
]


@hookimpl
def translate_metrics() -> Iterable[type[Metric[Any]]]:
    return [
        L1,
        PSNR,
        SSIM,
        PixelMatch,
        PSNRLuma,
        SSIMLuma,
        MSSSIM,
        LPIPS,
        DISTS,
        SWD,
        Checkerboard,
        FID,
        KID,
        PrecisionInception,
        FDRandom,
        KDRandom,
        PrecisionRandom,
        MMD,
        NearestNeighbour,
        Wasserstein,
        SupportSize,
        Memorised,
        Diversity,
        PaletteAccuracy,
        MeanIoU,
        PixelAccuracy,
        ClassAccuracy,
        C2ST,
        WantedClass,
        Accuracy,
        InputInformation,
    ]
