"""Metrics of label maps against the confusion matrix of the evaluation literature, torchmetrics, and by hand."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from translate.contracts import IGNORE, DatasetFacts, DataSpec, MetricUse
from translate.errors import DataError
from translate.imaging.io import Image, write
from translate.imaging.palette import full_palette
from translate.metrics import (
    ClassAccuracy,
    MeanIoU,
    Outputs,
    PixelAccuracy,
    metric_problems,
    score_sets,
    table,
)
from translate.metrics.folders.comparing import Folders, evaluate_folders
from translate.plugins import Registry

TRUTH = torch.tensor([[0, 0, 0, 0, 1], [1, 1, 1, 1, 1]])
FOUND = torch.tensor([[0, 0, 0, 1, 0], [0, 1, 1, 1, 1]])
"""n = [[3, 1], [2, 4]]."""


def spec(*classes):
    return DataSpec("labelled", {"image": 3, "label": 1}, (8, 8), classes)


def metric(kind, *classes, **options):
    return kind(kind.Config(**options), spec(*classes) if classes else None)


def maps(seed, classes, count=4, size=(9, 13)):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(0, classes, size, generator=draw) for _ in range(count)]


@pytest.mark.parametrize(("kind", "wanted"), [(PixelAccuracy, 0.7), (ClassAccuracy, 0.708333), (MeanIoU, 0.535714)])
def test_the_known_confusion_matrix(kind, wanted):
    assert metric(kind, "a", "b").score([FOUND], [TRUTH]) == pytest.approx(wanted, abs=1e-6)
    assert metric(kind).score([FOUND], [TRUTH]) == pytest.approx(wanted, abs=1e-6), "without names of classes"


def test_the_iou_of_each_class_stands_below_the_mean():
    found = metric(MeanIoU, "sky", "road")
    assert found.confusion([FOUND], [TRUTH]).tolist() == [[3, 1], [2, 4]]
    assert found.details([FOUND], [TRUTH]) == {"iou/sky": 0.5, "iou/road": pytest.approx(4 / 7)}
    scores = score_sets([found, metric(PixelAccuracy, "sky", "road")], [FOUND], [TRUTH])
    assert [s.metric for s in scores] == ["miou", "iou/sky", "iou/road", "pixel-accuracy"]
    assert [row[2] for row in table(scores)[1]] == pytest.approx([15 / 28, 0.5, 4 / 7, 0.7])
    assert scores[1].constant is None


def test_the_matrix_is_summed_over_the_set():
    """Two images, one right in its only pixel of class 1, one wrong in a hundred: not the mean of 1 and 0."""
    truth = [torch.ones(1, 1).long(), torch.ones(10, 10).long()]
    found = [torch.ones(1, 1).long(), torch.zeros(10, 10).long()]
    assert metric(MeanIoU, "a", "b").details(found, truth) == {"iou/a": 0.0, "iou/b": pytest.approx(1 / 101)}
    assert metric(PixelAccuracy, "a", "b").score(found, truth) == pytest.approx(1 / 101)


def test_torchmetrics_agrees():
    truth, found = maps(1, 5), maps(2, 5)
    for image in truth:
        image[2:4] = IGNORE
    names = "abcde"
    joined = torch.cat([f.flatten() for f in found]), torch.cat([t.flatten() for t in truth])
    iou = MulticlassJaccardIndex(5, ignore_index=IGNORE)(*joined)
    assert metric(MeanIoU, *names).score(found, truth) == pytest.approx(float(iou), abs=1e-6)
    for kind, average in ((PixelAccuracy, "micro"), (ClassAccuracy, "macro")):
        wanted = MulticlassAccuracy(5, average=average, ignore_index=IGNORE)(*joined)
        assert metric(kind, *names).score(found, truth) == pytest.approx(float(wanted), abs=1e-6)


def test_absent_classes_and_ignored_pixels():
    truth = torch.tensor([[0, 0, 1, IGNORE]])
    found = torch.tensor([[0, 0, 0, 1]])
    three = metric(MeanIoU, "a", "b", "c")
    assert three.score([found], [truth]) == pytest.approx((2 / 3 + 0) / 2), "c is in neither, void is not counted"
    assert math.isnan(three.details([found], [truth])["iou/c"])
    assert metric(ClassAccuracy, "a", "b", "c").score([found], [truth]) == 0.5
    assert metric(PixelAccuracy, "a", "b", ignore=1).score([torch.tensor([[0, 0]])], [torch.tensor([[0, 1]])]) == 1
    assert metric(MeanIoU).details([found], [truth]) == {"iou/0": pytest.approx(2 / 3), "iou/1": 0.0}


@pytest.mark.parametrize("kind", [PixelAccuracy, ClassAccuracy, MeanIoU])
def test_no_constant_beats_the_majority(kind):
    truth = maps(3, 4)
    truth[0][:] = 2
    scores = [metric(kind, *"abcd").score([torch.full_like(t, c) for t in truth], truth) for c in range(4)]
    assert metric(kind, *"abcd").best_constant(truth) == pytest.approx(max(scores))


def test_what_cannot_be_scored_is_said():
    two = metric(MeanIoU, "a", "b")
    with pytest.raises(DataError, match="image 0: the output is 5 x 2 pixels, its reference 4 x 2 pixels"):
        two.score([FOUND], [TRUTH[:, :4]])
    with pytest.raises(DataError, match="an output holds the value 7, and there are 2 classes"):
        two.score([torch.full_like(TRUTH, 7)], [TRUTH])
    with pytest.raises(DataError, match="a reference holds the value 3"):
        two.score([FOUND], [torch.full_like(TRUTH, 3)])
    with pytest.raises(DataError, match="nothing to score"):
        two.score([FOUND], [torch.full_like(TRUTH, IGNORE)])


def test_two_folders_of_label_maps(tmp_path):
    for folder, values, palette in (("out", FOUND, full_palette([(9, 9, 9), (7, 7, 7)])), ("true", TRUTH, ())):
        (tmp_path / folder).mkdir()
        pixels = values.numpy().astype(np.uint8)[..., None]
        write(tmp_path / folder / "1.png", Image(pixels, mode="grey", palette=palette))
    uses = [MetricUse(uses=name) for name in ("miou", "pixel-accuracy")]
    evaluation = evaluate_folders(Folders(tmp_path / "out", tmp_path / "true"), Registry([]), uses)
    found = {score.metric: score.value for score in evaluation.scores}
    assert found == pytest.approx({"miou": 15 / 28, "iou/0": 0.5, "iou/1": 4 / 7, "pixel-accuracy": 0.7})


def test_metrics_of_images_and_of_labels_do_not_mix():
    facts = DatasetFacts("labelled", pairs=("val",), classes=("a", "b"))
    uses = [MetricUse(uses=name) for name in ("l1", "miou")]
    found = list(metric_problems(uses, facts, "val", Registry([]), Outputs(form="labels")))
    assert found == [(0, "l1 compares images, and the outputs here are label maps; use miou")]
    found = list(metric_problems(uses, facts, "val", Registry([])))
    assert found == [(1, "miou compares labels, and the outputs here are images")]
