"""Classes by palette, sets of metrics with baselines, folders."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from translate.contracts import DatasetFacts, DataSpec, MetricUse, NoOptions
from translate.errors import ConfigError, DataError
from translate.imaging.io import write
from translate.metrics import (
    L1,
    PSNR,
    SWD,
    Comparison,
    Images,
    PaletteAccuracy,
    evaluate_sets,
    metric_problems,
    score_sets,
    table,
)
from translate.metrics.folders.comparing import Folders, evaluate_folders
from translate.metrics.scores import Score, named
from translate.metrics.segmentation import PaletteConfig
from translate.metrics.two_sample import SWDConfig

PALETTE = ((0, 0, 0), (255, 255, 255), (200, 0, 0))


class Shelf:
    """A registry of these metrics."""

    known = {m.name: m for m in (L1, PSNR, SWD, PaletteAccuracy)}

    def build(self, use, **kwargs):
        if use.uses == "ssim":
            from translate.metrics import SSIM

            return SSIM(NoOptions(), **kwargs)
        cls = self.known[use.uses]
        return cls(cls.Config(**use.options), **kwargs)


def pixels(*colours):
    return torch.tensor(colours, dtype=torch.float32).T.reshape(3, 1, -1) / 255


def test_palette_accuracy_is_the_diagonal_of_the_confusion_matrix():
    """Confusion [[3, 1], [2, 4]] of black and white, spread over two images: (3 + 4) / 10."""
    black, white = (20, 10, 0), (240, 250, 230)
    references = [pixels(black, black, black, black, white), pixels(white, white, white, white, white)]
    outputs = [pixels(black, black, black, white, black), pixels(black, white, white, white, white)]
    metric = PaletteAccuracy(PaletteConfig(palette=PALETTE))
    assert metric.score(outputs, references) == 0.7
    assert metric.best_constant(references) == 0.6


def test_a_ratio_is_left_out_where_its_base_is_not_above_zero():
    """An SSIM of -0.002 for the copied input made a ratio of -84 of a good score."""
    assert Score("ssim", "higher", "", 0.2, copy=-0.002, constant=0.4).copy_ratio is None
    assert Score("ssim", "higher", "", 0.2, copy=0.0, constant=0.4).copy_ratio is None
    assert Score("ssim", "higher", "", 0.2, copy=-0.002, constant=0.4).constant_ratio == 0.5


def test_the_nearest_colour_is_by_distance_in_rgb():
    metric = PaletteAccuracy(PaletteConfig(palette=PALETTE))
    colours = np.random.default_rng(0).integers(0, 256, (200, 3))
    distance = ((colours[:, None] - np.array(PALETTE)) ** 2).sum(2)
    assert metric.classes(pixels(*colours.tolist())).flatten().tolist() == distance.argmin(1).tolist()


def test_the_palette_comes_from_the_data_and_is_needed():
    spec = DataSpec("paired", {}, (0, 0), palette=PALETTE)
    assert PaletteAccuracy(PaletteConfig(), spec).palette == PALETTE
    with pytest.raises(ConfigError, match="needs a palette"):
        PaletteAccuracy(PaletteConfig(), DataSpec("paired", {}, (0, 0)))
    with pytest.raises(DataError, match="one has 1 channel"):
        PaletteAccuracy(PaletteConfig(), spec).classes(torch.zeros(1, 4, 4))


def test_metrics_that_data_cannot_be_scored_with():
    uses = [MetricUse(uses=name) for name in ("l1", "swd", "palette-accuracy")]
    unpaired = DatasetFacts("unpaired", ("test",))
    found = dict(metric_problems(uses, unpaired, "test", Shelf()))
    assert found[0] == "l1 compares pairs, and split 'test' of this data has none; use swd"
    assert set(found) == {0, 2} and "palette" in found[2]
    paired = replace(unpaired, pairs=("test",), palette=PALETTE)
    assert not list(metric_problems(uses, paired, "test", Shelf()))
    assert paired.spec().palette == PALETTE


def flat(value, channels=3):
    return torch.full((channels, 8, 8), value)


def test_scores_with_baselines_and_their_ratios():
    outputs, references, inputs = [flat(0.5)] * 2, [flat(0.25), flat(0.75)], [flat(0.0)] * 2
    l1, psnr = score_sets([L1(NoOptions()), PSNR(NoOptions())], outputs, references, Comparison(inputs))
    assert (l1.value, l1.copy, l1.copy_ratio) == pytest.approx((0.25, 0.5, 0.5))
    assert l1.constant == pytest.approx(0.25, abs=1e-5)
    assert psnr.value == pytest.approx(-10 * math.log10(0.0625)) and psnr.constant == pytest.approx(psnr.value)
    columns, rows = table([l1, psnr])
    assert columns == ["metric", "better", "score", "copy input", "score / copy", "best constant", "score / constant"]
    assert rows[0][:3] == ["l1 (of 0 to 1)", "lower", l1.value] and rows[1][1] == "higher"
    assert evaluate_sets([L1(NoOptions())], outputs, references) == {"l1": l1.value}


def test_baselines_that_make_no_sense_are_left_out():
    grey = score_sets([L1(NoOptions())], [flat(0.5)], [flat(0.25)], Comparison([flat(0.5, 1)]))[0]
    assert grey.copy is None and grey.copy_ratio is None
    bare = score_sets([L1(NoOptions())], [flat(0.5)], [flat(0.25)], Comparison(constant=False))
    assert table(bare)[0] == ["metric", "better", "score"]
    perfect = score_sets([PSNR(NoOptions())], [flat(0.5)], [flat(0.5)], Comparison([flat(0.5)]))[0]
    assert perfect.value == math.inf and perfect.copy_ratio is None
    assert json.loads(json.dumps(perfect.to_json(), allow_nan=False))["score"] == "inf"


def test_a_metric_named_twice_gets_a_number():
    twice = [SWD(SWDConfig()), L1(NoOptions()), SWD(SWDConfig(seed=1))]
    assert list(named(twice)) == ["swd", "l1", "swd-2"]


def test_floats_are_scored_by_a_stated_range(tmp_path):
    draw = np.random.default_rng(0)
    a, b = (draw.normal(0, 900, (3, 9, 8, 6)).astype(np.float32) for _ in range(2))
    for folder, arrays in (("a", a), ("b", b)):
        (tmp_path / folder).mkdir()
        for number, array in enumerate(arrays):
            write(tmp_path / folder / f"{number}.tif", array)
    (low, high), shelf, uses = (-1000.0, 3000.0), Shelf(), [MetricUse(uses="l1")]
    both = Folders(tmp_path / "a", tmp_path / "b")
    (score,) = evaluate_folders(both, shelf, uses, [(low, high)]).scores
    assert score.value == pytest.approx(np.abs(a.clip(low, high) - b.clip(low, high)).mean() / (high - low), abs=1e-6)
    with pytest.raises(DataError, match=r"a/0.tif: floats from -.*; say with --range which of them count as 0 and 1"):
        evaluate_folders(both, shelf, uses)
    with pytest.raises(DataError, match=r"0.tif: 6 bands, and the ranges of 2 are stated"):
        evaluate_folders(both, shelf, uses, [(0, 1), (0, 2)])


def test_images_are_decoded_when_asked_for(tmp_path, monkeypatch):
    a = tmp_path / "a"
    (a / "sub").mkdir(parents=True)
    for name in ("one", "two.v1", "sub/three"):
        write(a / f"{name}.png", np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8))
    write(a / "deep.png", np.full((2, 3, 1), 257, np.uint16))
    write(a / "clear.png", np.zeros((2, 3, 4), np.uint8))
    images = Images([a / "deep.png", a / "clear.png", a / "missing.png"])
    assert images[0].shape == (1, 2, 3) and float(images[0].max()) == pytest.approx(257 / 65535)
    assert torch.equal(images[1], torch.ones(3, 2, 3))
    assert len(images[:2]) == 2 and torch.equal(images[:2][-1], images[1])
    with pytest.raises(DataError, match=r"missing\.png"):
        images[2]
    with pytest.raises(IndexError):
        images[3]
