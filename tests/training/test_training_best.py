"""The best checkpoint: which validation counts as the best so far, and what is remembered of it."""

import json
import math

import pytest
from duel import Train, facts

from translate.training.validating.best import History, Watched

PSNR = Watched("psnr", ("val/psnr", "val/b_to_a/psnr"), "higher")


def test_a_model_is_as_good_as_its_worst_direction() -> None:
    history = History()
    assert PSNR.improved(history, 10, {"val/psnr": 30.0, "val/b_to_a/psnr": 20.0})
    assert history.best == {"metric": "psnr", "value": 20.0, "step": 10}
    assert not PSNR.improved(history, 20, {"val/psnr": 40.0, "val/b_to_a/psnr": 19.0})
    assert PSNR.improved(history, 30, {"val/psnr": 21.0, "val/b_to_a/psnr": 21.0, "val/swd": 0.0})
    assert history.best == {"metric": "psnr", "value": 21.0, "step": 30}


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_equal_scores_are_no_improvement_and_the_good_end_decides(better: str) -> None:
    rule, history = Watched("swd", ("val/swd",), "lower" if better == "lower" else "higher"), History()
    assert rule.improved(history, 1, {"val/swd": 2.0})
    assert not rule.improved(history, 2, {"val/swd": 2.0})
    assert rule.improved(history, 3, {"val/swd": 1.0 if better == "lower" else 3.0})
    assert not rule.improved(history, 4, {"val/swd": 2.0})


@pytest.mark.parametrize(
    "scores", [{}, {"val/l1": 0.1}, {"val/psnr": math.nan}, {"val/psnr": 9.0, "val/b_to_a/psnr": math.nan}]
)
def test_what_is_not_scored_or_no_number_is_never_the_best(scores: dict[str, float]) -> None:
    history = History()
    assert not PSNR.improved(history, 1, scores) and history.best is None


def test_infinities_survive_json() -> None:
    history = History()
    assert PSNR.improved(history, 5, {"val/psnr": math.inf})
    history.add(5, {"val/psnr": math.inf, "val/l1": 0.0})
    again = History(**json.loads(json.dumps(vars(history), allow_nan=False)))
    assert again.scores_at(5) == {"val/psnr": math.inf, "val/l1": 0.0} and again.scores_at(6) == {}
    assert not PSNR.improved(again, 6, {"val/psnr": 99.0})


def test_the_weights_themselves_are_scored_beside_their_averages(train: Train) -> None:
    options = {"max_steps": 6, "optimizer": {"lr": 0.05}, "validate": {"every": {"steps": 3}, "metrics": ["swd"]}}
    _, plain = train("plain", **options)
    context, averaged = train("averaged", **options, ema=0.9, keep={"best": "swd"})
    scores = {curve: value for curve, value in averaged.curves.items() if curve[0].startswith("val/")}
    assert {curve for curve, _ in scores} == {"val/swd", "val/swd/raw"}
    for step in (3, 6):
        assert scores["val/swd/raw", step] == plain.curves["val/swd", step]
    assert scores["val/swd", 6] != plain.curves["val/swd", 6], "after the second update; the first one is copied"
    best = min((3, 6), key=lambda step: scores["val/swd", step])
    assert facts(context)["step"] == best, "the model has the averages, whose score decides"
