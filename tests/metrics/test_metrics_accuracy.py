"""`accuracy`: classes that are said against classes that are known, by counting."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from translate.contracts import MISSING, Class, DatasetFacts, DataSpec, EvaluationContext, Image, MetricUse, Sides
from translate.errors import ConfigError, DataError
from translate.metrics import Accuracy, Classes, Outputs, metric_problems, score_sets
from translate.metrics.folders.comparing import Folders, evaluate_folders
from translate.plugins import Registry
from translate.testing import assert_metric_conforms

SPEC = DataSpec(
    Sides({"image": Image(), "animal": Class(("cat", "dog", "owl"))}, together=(("image", "animal"),)),
    {"image": 3},
    (8, 8),
)


def classes(*indices: int) -> list[Tensor]:
    return [torch.tensor(index) for index in indices]


def metric() -> Accuracy:
    return Accuracy(Accuracy.Config(), SPEC)


def test_it_conforms() -> None:
    assert_metric_conforms(Accuracy)


def test_right_of_all_and_by_class() -> None:
    said, right = classes(0, 1, 1, 2, 0), classes(0, 1, 0, 1, MISSING)
    context = EvaluationContext("animal", "image", [], [], [], lambda side: [], spec=SPEC)
    assert metric().score(said, right) == 0.5
    parts = metric().details(said, right, context)
    assert parts == {"accuracy/cat": 0.5, "accuracy/dog": 0.5, "accuracy/owl": pytest.approx(math.nan, nan_ok=True)}
    assert metric().details(said, right, replace(context, target_side="image")) == {}
    assert metric().best_constant(classes(2, 2, 0, MISSING)) == pytest.approx(2 / 3)
    (score, *_) = score_sets([metric()], said, right)
    assert (score.value, score.constant) == (0.5, 0.5)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of these images has a class"):
        metric().score(classes(0), classes(MISSING))
    with pytest.raises(DataError, match="2 outputs and 1 references"):
        metric().score(classes(0, 1), classes(0))
    registry, facts = Registry(), DatasetFacts("unpaired", ("test",), ("test",))
    uses = [MetricUse(uses="accuracy"), MetricUse(uses="l1")]
    (images,) = metric_problems(uses, facts, "test", registry)
    assert images == (0, "accuracy compares classes, and the outputs here are images")
    (of_classes,) = metric_problems(uses, facts, "test", registry, Outputs(form="classes"))
    assert of_classes == (1, "l1 compares images, and the outputs here are classes; use accuracy")
    from_files: Any = {"a": tmp_path / "a", "b": tmp_path / "b"}
    for folder in from_files.values():
        folder.mkdir()
        (folder / "1.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="accuracy compares classes of images: only the stage"):
        evaluate_folders(Folders(*from_files.values()), registry, uses[:1])


def test_classes_are_read_one_by_one() -> None:
    read = Classes({"a": 2, "b": 0, "c": 1}.__getitem__, ["a", "b", "c"])
    assert [int(each) for each in read] == [2, 0, 1] and [int(each) for each in read[1:]] == [0, 1]
    assert read[0].dtype == torch.long and read[0].ndim == 0
